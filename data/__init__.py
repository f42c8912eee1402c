"""The synthetic data set and the demo networks: code beside what it makes."""
