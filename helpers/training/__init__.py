"""Training: losses, views, one loop, and linear readouts of frozen networks."""
