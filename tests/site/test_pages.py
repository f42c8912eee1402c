"""Generated pages, rewritten links, and the check of links: on small folders, without Sphinx."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "site"


def _load(name):
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / f"docs/site/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pages, links = _load("pages"), _load("links")


def test_pages_are_collected_by_the_packages_of_the_site_alone():
    """``make site`` installs neither torch nor SciPy nor Matplotlib."""
    code = ("import sys; sys.modules.update(dict.fromkeys("
            "('torch', 'scipy', 'statsmodels', 'matplotlib', 'pydantic', 'h5py'))); "
            "sys.path.insert(0, 'docs/site'); import pages")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_first_page_counts_verdicts_and_names_the_kind_of_data(tmp_path):
    runs = pages.read_runs()
    sources = pages.list_sources()[1:3]
    assert "](docs/own_" in pages._header(pages.list_sources()[16])[1]
    page = pages.index_page(runs, tmp_path, sources)
    cards = page.split("::::{container} figure-card")[1:]
    for source, card in zip(sources, cards, strict=True):
        assert f"notebooks/{source.stem}.ipynb" in card
        claims = [claim for claim in runs["demo"][source.stem]["claims"]
                  if claim["kind"] != "sanity check"]
        for verdict in {claim["verdict"] for claim in claims}:
            count = sum(claim["verdict"] == verdict for claim in claims)
            assert f"{count} {verdict}" in card
        assert "[SYNTHETIC]{.synthetic} demo" in card
        assert "Prince, Alvarez & Konkle (2024), Figure" in card
        assert "On two cores" not in card
        assert "minutes to work through" in card
        assert (tmp_path / "thumbnails" / f"{source.stem}.png").is_file()


def test_every_document_and_notebook_is_reached_from_the_sections(tmp_path):
    for name in ("README.md", "CHANGELOG.md", "docs/replicates.md", "docs/new.md",
                 "data/zoo/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    made = pages.section_pages(tmp_path, pages.list_sources())
    assert made["docs/index.md"].splitlines()[5:8] == ["/docs/new", "/CHANGELOG",
                                                       "/data/zoo/README"]
    assert all(source.stem in made["notebooks/index.md"] for source in pages.list_sources())


def test_links_to_folders_lead_to_pages_and_other_files_are_copied(tmp_path):
    page = tmp_path / "notebooks" / "one.md"
    page.parent.mkdir()
    text = "[a](../figures/demo/) [b](../LICENSE#x) [c](https://example.org/d) [d](no.md) [e](#f)"
    claims = text.replace("../figures/demo/", f"../{pages.CLAIMS}")
    assert pages.rewrite(text, page, tmp_path) == claims
    assert (tmp_path / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_a_folder_leads_to_its_readme_or_to_what_says_where_things_are(tmp_path):
    text = pages.rewrite("[a](data/zoo/) [b](tests/)", tmp_path / "one.md", tmp_path)
    assert text == "[a](data/zoo/README.md) [b](CONTRIBUTING.md)"


def test_notebooks_keep_outputs_give_images_their_text_and_lose_widgets(tmp_path):
    image = {"output_type": "display_data", "metadata": {"image/png": {"alt": "two bars"}},
             "data": {"image/png": "AAAA", "application/vnd.jupyter.widget-view+json": {},
                      "text/html": ["<tr><th></th>", "<th>r</th></tr>"]}}
    path = tmp_path / "notebooks" / "one.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": [
        {"cell_type": "code", "source": ["x"], "metadata": {}, "outputs": [image]},
        {"cell_type": "markdown", "source": ["[a](../figures/demo/)"], "metadata": {}}]}))
    code, text = json.loads(pages.prepare_notebook(path, tmp_path))["cells"]
    assert code["metadata"]["mystnb"]["image"]["alt"] == "two bars"
    assert code["outputs"][0]["data"] == {"image/png": "AAAA",
                                          "text/html": "<tr><td></td><th>r</th></tr>"}
    assert text["source"] == "[a](../docs/replicates.md)"


@pytest.mark.parametrize(("html", "problem"), [
    ('<a href="two.html">x</a>', "two.html: missing"),
    ('<a href="#there">x</a>', "#there: no such anchor"),
    ('<a href="folder/">x</a>', "a folder"),
    ('<a href="../out.html">x</a>', "outside the site"),
    ('<img src="a.png">', "without a text"),
    ('<script src="https://example.org/a.js"></script>', "loaded from another host"),
    ('<link href="//example.org/a.css">', "loaded from another host"),
])
def test_check_of_links_names_what_is_wrong(tmp_path, html, problem):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.png").touch()
    (tmp_path / "one.html").write_text(html)
    (found,) = links.find_problems(tmp_path)
    assert found.startswith("one.html") and problem in found


def test_check_of_links_accepts_what_is_there_and_refuses_an_empty_site(tmp_path):
    assert links.find_problems(tmp_path) == [f"no pages in {tmp_path}"]
    (tmp_path / "a b.png").touch()
    (tmp_path / "one.html").write_text('<p id="p">x</p><a href="one.html#p">x</a><a href="#p">x'
                                       '</a><img src="a%20b.png" alt="x">'
                                       '<a href="https://example.org">x</a>')
    assert links.find_problems(tmp_path) == []


@pytest.mark.skipif(not (BUILT / ".whole").is_file(), reason="no whole build/site: make site")
def test_every_link_and_image_of_the_built_site_resolves():
    assert links.find_problems(BUILT) == []
