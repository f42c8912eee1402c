"""Floor 3. Responses decoded into an embedding space: contrast, ridge, retrieval."""
