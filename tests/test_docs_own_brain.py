"""docs/own_brain.md: every block of Python and TOML, executed as it is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.config.data import CohortSpec
from helpers.config.validation import from_table
from helpers.core.paths import ROOT

PAGE = ROOT / "docs" / "own_brain.md"


def block(language: str, word: str) -> str:
    """Return the one block of a language that holds a word."""
    found, = (code for code in re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
              if word in code)
    return found


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Give a user's folder with 20 images, which is the working directory."""
    rng = np.random.default_rng(0)
    (tmp_path / "mybrain/stimuli").mkdir(parents=True)
    for number in range(20):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(
            tmp_path / f"mybrain/stimuli/{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_arrays_in_ten_lines(here, capsys):
    code, rng = block("python", "read_cohort"), np.random.default_rng(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    betas = rng.normal(size=(20, 3, 6))
    exec(code, {"betas": betas, "ncsnr": np.ones(6),
                "roi_of_voxel": ["V1v", "V1v", "mine", "mine", "", "mine"]})
    assert capsys.readouterr().out == "('sub-01',) ('V1v', 'mine') 5 folds\n"


def test_the_table_of_the_profile():
    table = tomllib.loads(block("toml", "arrays"))["cohort"]
    assert from_table(CohortSpec, table, "mine.toml").layout == "arrays"


@pytest.mark.slow
def test_compare_in_ten_lines(here, capsys, monkeypatch):
    code = block("python", "import compare")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    betas, names = np.random.default_rng(1).normal(size=(20, 3, 6)), ["V1v"] * 3 + ["mine"] * 3
    exec(code, {"betas": betas, "ncsnr": np.ones(6), "roi_of_voxel": names,
                "categories": ["face", "house"] * 10})
    said = capsys.readouterr().out
    assert said.count("layer4") == 4 and "n_selective" in said and "r_corrected" in said
    assert (here / "encoding.csv").read_text().count("mine") == 2
