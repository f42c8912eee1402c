"""Networks fine-tuned to the responses of a region: contrastive, regression, pooled, controls."""
