"""Badges and the page about installing follow pyproject.toml and the Makefile."""

from __future__ import annotations

import re
import tomllib

from helpers.core.paths import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def test_badges_lead_to_the_address_of_the_project():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    owner_and_name = urls["Repository"].removeprefix("https://github.com/")
    links = re.findall(r"\]\((https://(?:mybinder|colab)[^)]*)\)\n", PAGE)
    assert len(links) == 2 and all(f"/{owner_and_name}/" in link for link in links)
    for link in links:
        notebook = re.search(r"notebooks/[\w]+\.ipynb", link)[0]
        assert (ROOT / notebook).is_file()


def test_every_make_command_of_the_page_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)", PAGE)) - {"figure-"}:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_module_of_the_page_exists():
    for module in set(re.findall(r"-m ((?:helpers|data)[\w.]*)", PAGE)):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
