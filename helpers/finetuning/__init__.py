"""Floor 3. Networks tuned to the responses of a region: contrastive, regression, pooled; judged."""
