"""Representational similarity: dissimilarities of patterns, and noise ceilings."""
