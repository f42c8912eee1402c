"""Representational similarity analysis: dissimilarity matrices, and their noise ceilings."""
