"""Category-selective units, their distribution over a layer, and probes of its features."""
