"""Content channels: trajectories of images through layers, and separability of categories."""
