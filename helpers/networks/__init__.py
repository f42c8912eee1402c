"""Floor 1. Networks: what is known of each, its weights, and what its layers answer."""
