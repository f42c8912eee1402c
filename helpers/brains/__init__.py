"""Cohorts: participants, their regions, the images they saw, and their responses."""
