"""Pages of the site as Sphinx reads them, in ``build/site-source``: copies, and a first page.

``python docs/site/pages.py`` collects the repository's Markdown, the executed notebooks and the
figures in the folders that they have here, so that their links hold. The first page is made from
the runs (``figures/<profile>/*.json``) and the notebooks' own headers.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from docs.pages.replicates import (  # noqa: E402
    CLAIM,
    EXPLORATORY,
    Runs,
    claim_rows,
    count_verdicts,
    read_runs,
)
from helpers.runner.notebooks import list_sources, read_source  # noqa: E402
from helpers.runner.versions import section_minutes  # noqa: E402

SOURCE = ROOT / "build" / "site-source"
GUIDES = ("docs/*.md", "*.md", "data/README.md", "data/synthetic/README.md",
          "data/zoo/README.md", "tests/README.md")
COPIED = (*GUIDES, "LICENSE", "CITATION.cff", "docs/images/*", "notebooks/*.md",
          "notebooks/*.ipynb", "figures/*/*.png", "figures/*/*.json")
"""What becomes a page, or is shown or offered by one."""
CLAIMS = "docs/replicates.md"
SECTIONS = ("Read me <README>", "What replicates <docs/replicates>", "Notebooks <notebooks/index>",
            "Course <notebooks/COURSE>", "Glossary <notebooks/GLOSSARY>", "Guides <docs/index>",
            "Code <api/helpers/index>")
"""What the bar on top of every page leads to."""
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
THUMBNAIL_PX = 640


def collect(target: Path = SOURCE) -> None:
    """Fill the folder that Sphinx reads; unchanged files keep their times."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted({path for pattern in COPIED for path in ROOT.glob(pattern)}):
        _copy(path, target)
    for page in sorted(target.rglob("*.md")):
        page.write_text(rewrite(page.read_text(encoding="utf-8"), page, target), encoding="utf-8")
    for notebook in sorted((target / "notebooks").glob("*.ipynb")):
        notebook.write_text(prepare_notebook(notebook, target), encoding="utf-8")
    sources = [path for path in list_sources() if path.with_suffix(".ipynb").is_file()]
    made = section_pages(target, sources)
    made["index.md"] = index_page(read_runs(), target, sources)
    for name, text in made.items():
        (target / name).write_text(text, encoding="utf-8")


def _copy(path: Path, target: Path) -> None:
    copy = target / path.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, copy)


def rewrite(text: str, page: Path, target: Path) -> str:
    """Return a Markdown text whose links hold in the site.

    A link to a folder of figures leads to the claims; to another folder, to its README, or to the
    page that says what lies where. Other files of the repository are copied, and offered as
    downloads. What is not there is left as it is, so that the check of links names it.
    """
    def replaced(match: re.Match) -> str:
        link, _, _ = match[1].partition("#")
        if not link or "://" in link or link.startswith("mailto:"):
            return match[0]
        here = page.parent.relative_to(target)
        path = (ROOT / here / link).resolve()
        if not path.is_relative_to(ROOT):
            return match[0]
        if path.is_dir():
            page_of = (CLAIMS if path.is_relative_to(ROOT / "figures")
                       else f"{path.relative_to(ROOT).as_posix()}/README.md"
                       if (path / "README.md").is_file() else "CONTRIBUTING.md")
            return f"]({'../' * len(here.parts)}{page_of})"
        if path.is_file() and not (target / path.relative_to(ROOT)).exists():
            _copy(path, target)
        return match[0]

    return LINK.sub(replaced, text)


def prepare_notebook(path: Path, target: Path) -> str:
    """Return an executed notebook whose images have their texts, and whose links hold.

    Controls are left out: they need a running notebook; their image at the defaults stays.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = rewrite("".join(cell["source"]), path, target)
        texts = [output["metadata"]["image/png"]["alt"] for output in cell.get("outputs", [])
                 if "image/png" in output.get("data", {})]
        if texts:
            cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(texts)}}
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", {}) if "widget" in kind]:
                del output["data"][kind]
            if "text/html" in output.get("data", {}):  # an empty cell heads nothing
                table = "".join(output["data"]["text/html"])
                output["data"]["text/html"] = table.replace("<th></th>", "<td></td>")
    return json.dumps(notebook)


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>|$~^#])", r"\\\1", " ".join(str(text).split()))


def _header(source: Path) -> tuple[str, str]:
    """Return the question of a notebook, and its source: what its first cell says."""
    title, _, rest = read_source(source).cells[0].source.partition("\n")
    paper = re.split(r"On two cores:", " ".join(rest.split()))[0]
    paper = re.sub(r"\]\((?!\w+:)([^)]+)\)",  # links as from the first page
                   lambda link: f"]({posixpath.normpath(f'notebooks/{link[1]}')})", paper)
    return title.removeprefix("# "), paper.replace("Read it before any other notebook. ", "")


def index_page(runs: Runs, target: Path, sources: Sequence[Path]) -> str:
    """Return the first page: every figure with its question, paper, verdicts and minutes."""
    cards = "\n".join(_card(source, runs, target) for source in sources)
    title = "How does contrastive learning shape category selectivity, in networks and in brains?"
    return f"""# {title}

Four papers gave answers; here each is a set of notebooks. Every card below is one notebook and its
figure. [What replicates]({CLAIMS}) has all claims and verdicts, [Read me](README.md) says how to
run it, the [course page](notebooks/COURSE.md) how to teach with it, the
[glossary](notebooks/GLOSSARY.md) what the terms mean.

## Figures

:::::{{container}} cards
{cards}
:::::

{_toctree(SECTIONS, hidden=True)}"""


def section_pages(target: Path, sources: Sequence[Path]) -> dict[str, str]:
    """Return the pages that list the notebooks and the guides: path -> text."""
    guides = [f"/{path.relative_to(target).with_suffix('').as_posix()}"
              for pattern in GUIDES for path in sorted(target.glob(pattern))
              if path not in (target / CLAIMS, target / "README.md")]
    return {"notebooks/index.md": f"# Notebooks\n\n{_toctree(path.stem for path in sources)}",
            "docs/index.md": f"# Guides\n\n{_toctree(guides)}"}


def _toctree(pages: Iterable[str], *, hidden: bool = False) -> str:
    options = ":maxdepth: 1\n" + ":hidden:\n" * hidden
    return f"```{{toctree}}\n{options}\n" + "\n".join(pages) + "\n```\n"


def _card(source: Path, runs: Runs, target: Path) -> str:
    question, paper = _header(source)
    found = {profile: run[source.stem] for profile, run in runs.items() if source.stem in run}
    lines = [f"**[{escaped(question)}](notebooks/{source.stem}.ipynb)**", paper]
    lines[:0] = [_thumbnail(source.stem, next(iter(found)), target)] if found else []
    for profile, run in found.items():
        kind = run["provenance"]["data_kind"]
        counts = count_verdicts(claim_rows({profile: {source.stem: run}}), profile,
                                kinds=(CLAIM, EXPLORATORY))
        words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        lines.append(f"[{kind}]{{.{kind.lower()}}} {profile}: {words or 'no claims'}")
    sections = section_minutes(source)
    lines.append(f"{sections['minutes'].sum():.0f} minutes to work through, "
                 f"{max(sections['seconds'].sum() / 60, 0.1):.1f} of them running")
    return "::::{container} figure-card\n" + "\n\n".join(lines) + "\n::::"


def _thumbnail(stem: str, profile: str, target: Path) -> str:
    """Write a small copy of a figure; return the line that shows it, with the figure's text."""
    path = Path("thumbnails") / f"{stem}.png"
    (target / path.parent).mkdir(exist_ok=True)
    with Image.open(ROOT / "figures" / profile / f"{stem}.png") as image:
        text = image.text["Comment"]
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        image.save(target / path)
    return f"![{escaped(text)}]({path.as_posix()})"


if __name__ == "__main__":
    collect()
