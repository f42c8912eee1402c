"""Stimuli: image sets in the layouts they come in, decoded batch by batch."""
