"""The synthetic data set: images and simulated brains, written to disk in the layouts of real
data."""
