"""Networks: what is known of each, its weights, and what its layers answer."""
