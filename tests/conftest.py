"""Shared means of the tests: a private cache and figures folder, a tiny laboratory."""

from __future__ import annotations

import pytest

from helpers.paths import CACHE_VARIABLE, DATA_VARIABLE, FIGURES_VARIABLE


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds")


@pytest.fixture
def private(tmp_path, monkeypatch):
    """Give a test its own data, cache and figures folders; return their parent."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path / "figures"))
    return tmp_path
