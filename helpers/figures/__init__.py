"""Figures: the style, and the table of claims with their verdicts."""
