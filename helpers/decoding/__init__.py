"""Decoding: responses mapped into an embedding space by contrast or ridge, and image retrieval."""
