"""Channels: paths of images through the layers, and how far they part."""
