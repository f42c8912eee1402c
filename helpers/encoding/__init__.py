"""Encoding models: brain regions predicted from network units and from competing features."""
