"""The model landscape: logistic probes, distances between predictions, InPCA."""
