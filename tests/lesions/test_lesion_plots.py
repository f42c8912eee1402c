"""Panels of lesions of equal size: what is drawn is what is in the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from helpers.lesions import plots

CORE = ["faces", "scenes"]


def test_each_domains_effects_are_drawn_by_size_with_their_intervals():
    table = pd.DataFrame({"fraction": [0.1, 0.02, 0.1, 0.02], "domain": np.repeat(CORE, 2),
                          "value": [20.0, 5.0, -3.0, 8.0], "low": [10.0, 1.0, -9.0, np.nan],
                          "high": [30.0, 9.0, 3.0, np.nan]})
    axes = plt.figure().add_subplot()
    plots.effects_by_size(axes, table, CORE)
    faces, scenes, *_ = axes.lines
    np.testing.assert_allclose(faces.get_ydata(), [5, 20])
    np.testing.assert_allclose(scenes.get_ydata(), [8, -3])
    assert (faces.get_xdata() < scenes.get_xdata()).all(), "side by side"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2%", "10%"]
    spans = [np.ravel(segment[:, 1]).tolist() for lines in axes.collections
             for segment in lines.get_segments() if np.ndim(segment) == 2]
    assert spans[:2] == [[1, 9], [10, 30]] and spans[-1] == [-9, 3]


def test_deficits_are_written_and_the_own_classes_framed():
    table = pd.DataFrame([[42.0, -3.4, 11.0], [15.0, 23.0, 1.0]], CORE,
                         ["faces", "words", "scenes"])
    axes = plt.figure().add_subplot()
    plots.deficits_by_domain(axes, table)
    assert [text.get_text() for text in axes.texts] == ["42", "−3", "11", "15", "23", "1"]
    frames = [patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frames == [(-0.5, -0.5), (1.5, 0.5)]
    assert axes.images[0].get_clim() == (-42, 42)
