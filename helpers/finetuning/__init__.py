"""Networks fine-tuned to the responses of a brain region, and how well they predict held-out ones.

Contrastive learning, regression and pooled models (Mulrooney & Brockmeier 2024). The parts:
`study` (what notebooks call), `data` (regions, splits, images), `conditions` and `models` (what is
trained), `training_loop`, `runs` and `evaluate` (one fine-tuning and its evaluation), `map_runs`
(many, and the disk they need), `ridge_cv` and `information_bound` (encoding accuracy; the bound on
information), `result_rows`, `statistics`, `plots`.
"""
