"""The code of docs/interchange.md runs as it is written."""

from __future__ import annotations

import re
import shutil

import pytest

from helpers.core.paths import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```",
                    (ROOT / "docs/interchange.md").read_text(encoding="utf-8"), re.S)


def test_the_page_has_its_four_examples():
    assert len(BLOCKS) == 4


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=["rdms", "features", "network", "results"])
def test_an_example_runs_as_written(block, tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    shutil.copytree(ROOT / "figures/demo", tmp_path / "figures/demo",
                    ignore=lambda _, names: [n for n in names if not n.startswith("01_")])
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/interchange.md", "exec"), {})
