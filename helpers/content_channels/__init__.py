"""Content channels: trajectories of images through layers, and how separable categories are."""
