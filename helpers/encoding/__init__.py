"""Encoding: regions predicted from units, under several constraints, in one grid of fits."""
