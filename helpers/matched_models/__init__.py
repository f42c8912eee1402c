"""Matched models: networks of one architecture that differ in supervision, by layer and over
training.
"""
