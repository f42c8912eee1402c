"""The demo networks: their weights, and the code that trains them from nothing."""
