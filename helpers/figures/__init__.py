"""Figures: one style, panels, and the claims table."""
