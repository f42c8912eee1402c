"""Similarity: dissimilarities of patterns, and what the best model could reach."""
