"""Check of a built site without a browser: every link, image, script and anchor is there.

``python docs/site/links.py build/site`` prints what is missing and fails if anything is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that a browser loads by itself -> the attribute that says from where."""


@dataclass
class Page(HTMLParser):
    """What one page refers to: (address, loaded by the browser itself), and its own anchors."""

    path: Path
    addresses: list[tuple[str, bool]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect addresses and anchors of one element."""
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag in ("a", "area") and "href" in values:
            self.addresses.append((values["href"] or "", False))
        elif values.get(LOADED.get(tag, "")):
            self.addresses.append((values[LOADED[tag]], True))
        if tag == "img" and not values.get("alt", "").strip():
            self.problems.append(f"{self.path.name}: image {values.get('src')} without a text")


def find_problems(site: Path) -> list[str]:
    """Return what is wrong with the links and images of all pages of a site; empty if nothing.

    Nothing may be loaded from another host; links to other hosts are not followed.
    """
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))
             if "_static" not in path.parts}
    problems = [] if pages else [f"no pages in {site}"]
    for path, page in pages.items():
        problems += page.problems
        for address, loaded in page.addresses:
            problem = _problem(address, loaded, path, pages, site.resolve())
            if problem:
                problems.append(f"{path.relative_to(site.resolve())}: {address}: {problem}")
    return problems


def _problem(address: str, loaded: bool, path: Path, pages: dict[Path, Page], site: Path) -> str:
    parts = urlsplit(address)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        return "loaded from another host" if loaded else ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(site):
        return "outside the site"
    if not target.is_file():
        return "a folder, which file:// does not open" if target.is_dir() else "missing"
    anchor = unquote(parts.fragment)
    if anchor and not loaded and target in pages and anchor not in pages[target].anchors:
        return "no such anchor"
    return ""


if __name__ == "__main__":
    found = find_problems(Path(sys.argv[1]))
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    sys.exit(bool(found))
