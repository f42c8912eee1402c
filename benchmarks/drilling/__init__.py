"""Drills: the laboratory killed, filled, flipped and cut on purpose, in a folder of its own."""
