"""Distances between the predictions of networks, and maps of the networks by these distances.

Linear probes measure what fine-tuning left of classification; Bhattacharyya distances and InPCA
arrange the networks (Mulrooney & Brockmeier 2024; Mao et al. 2024). `study` is what notebooks call.
"""
