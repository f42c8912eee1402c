"""Every relative link of every page leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.core.paths import ROOT

PAGES = sorted(path for pattern in ("*.md", "docs/*.md", "notebooks/*.md", "data/*.md",
                                    "data/*/README.md") for path in ROOT.glob(pattern)
               if "data/cache" not in path.as_posix())
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def slugs(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found, counts = set(), {}
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", re.sub(r"^```.*?^```", "", text,
                                                             flags=re.MULTILINE | re.DOTALL),
                              re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        counts[slug] = counts.get(slug, -1) + 1
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
    return found


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(link)
        elif anchor and target.suffix == ".md" and anchor not in slugs(
                target.read_text(encoding="utf-8")):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    assert broken_links(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT / "docs"],
                         ids=lambda path: path.stem)
def test_pages_have_one_title_and_are_linked(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert any(f"{page.name}" in other.read_text(encoding="utf-8") for other in PAGES
               if other != page)


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "there.md").write_text("# Title\n\n## A heading, with `code`\n\n## Twice\n"
                                       "## Twice\n")
    page.write_text("[a](there.md) [b](gone.md) [c](there.md#a-heading-with-code) `[x](no.md)`\n"
                    "[d](there.md#none) [e](https://x.org/no) [f](there.md#twice-1) [g](#own)\n"
                    "```\n[h](no.md)\n```\n![i](gone.png)\n")
    assert broken_links(page) == ["gone.md", "there.md#none", "#own", "gone.png"]
