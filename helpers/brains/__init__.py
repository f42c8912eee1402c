"""Cohorts: who was scanned, in which regions, looking at which images, how often."""
