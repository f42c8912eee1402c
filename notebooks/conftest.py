"""How nbval checks the notebooks: figures go elsewhere, stderr is not compared."""

from __future__ import annotations

import os
import tempfile


def pytest_configure(config):
    """Keep the committed figures as they are: checking must not write them again."""
    if "LAB_FIGURES" not in os.environ:
        config._figures = tempfile.TemporaryDirectory()
        os.environ["LAB_FIGURES"] = config._figures.name


def pytest_collectstart(collector):
    """Leave progress bars and warnings out of the comparison."""
    if getattr(collector, "skip_compare", None):
        collector.skip_compare += ("stderr",)
