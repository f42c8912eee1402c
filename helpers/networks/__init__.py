"""Networks: the registry, their weights, and the activations of their layers."""
