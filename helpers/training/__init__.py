"""Training: losses, augmentation, one loop, and linear readouts of frozen networks."""
