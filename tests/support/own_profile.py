"""A profile with images of the user's own, to which a test adds networks."""

from __future__ import annotations

HEAD = """
name = "mine"
title = "My own images"
data_kind = "REAL"
seed = 0
device = "cpu"
data = "data/mine"
batch_size = 8
"""
LOCAL = """
[image_sets.localizer]
layout = "imagefolder"
path = "my images"
source = "local"
"""
