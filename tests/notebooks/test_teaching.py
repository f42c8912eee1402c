"""Exercises, versions for students and teachers, glossary, course page and prose."""

from __future__ import annotations

import json
import re

import pytest

from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from docs.pages import course
from helpers.runner import versions
from helpers.runner.notebooks import list_sources, read_source
from docs.pages.parts import replace_part

NOTEBOOKS = list_sources()
GLOSSARY = ROOT / "notebooks" / "GLOSSARY.md"
RESULT_NUMBER = re.compile(r"\d\s?%|(?<![\w.])[-−+]?\d*\.\d+")
"""A percentage or a decimal number: in the discussion of results it comes from the run."""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem, scope="module")
def source(request):
    return request.param


def executed(source):
    return json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]


def output_text(cell) -> str:
    return "".join("".join(output.get("text", [])) for output in cell["outputs"])


def test_every_notebook_has_one_exercise_of_each_level(source):
    found = versions.find_exercises(read_source(source), source.name)
    assert list(found.values()) == ["Read", "Change", "Extend"]


def test_solutions_are_right_and_three_wrong_answers_are_refused(source):
    checks = [output_text(cell) for cell in executed(source)
              if "check" in cell["metadata"].get("tags", [])]
    n_refused = [int(match[1]) for text in checks
                 if (match := re.match(r"Right\. \((\d+) plausible", text))]
    assert len(n_refused) == len(checks) == 3 and min(n_refused) >= 3, checks
    mistakes = [versions.common_mistakes("".join(cell["source"])) for cell in executed(source)
                if "check" in cell["metadata"].get("tags", [])]
    assert [len(words) for words in mistakes] == n_refused, "a wrong answer is right in the demo"


def test_students_get_stubs_and_no_solution(source):
    notebook = versions.student_version(source)
    assert not any("solution" in cell.metadata.get("tags", []) for cell in notebook.cells)
    stubs = [cell.source for cell in notebook.cells
             if "exercise" in cell.metadata.get("tags", [])]
    assert len(stubs) == 3
    for stub in stubs:
        assert "raise NotImplementedError" in stub or re.search(r"= None\b", stub), stub


@pytest.mark.slow
def test_teachers_get_mistakes_and_minutes(source):
    notebook = versions.teacher_version(source)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.count("**For the teacher**") == 3
    assert len(re.findall(r"^##? .*\*\(\d+ min\)\*$", text, re.MULTILINE)) == len(
        versions.section_minutes(source))


def test_minutes_of_all_sections_were_measured(source):
    assert versions.section_minutes(source)["seconds"].notna().all(), "make rehearse"


@pytest.mark.parametrize("change, problem", [
    (("your_answer = 3", "another = 3"), "a stub of your_answer, its solution defines another"),
    (('tags=["check"]', 'tags=["nothing"]'), "tagged exercise, solution, nothing"),
    (("**Read.**", "Read."), "question"),
    (('tags=["exercise"]', 'tags=["nothing"]'), "without a stub before it")])
def test_exercises_that_do_not_fit_are_refused_and_the_cell_is_named(tmp_path, change, problem):
    text = ('# %% [markdown]\n# **Read.** Which?\n\n# %% tags=["exercise"]\nyour_answer = None\n\n'
            '# %% tags=["solution"]\nyour_answer = 3\n\n# %% tags=["check"]\ncheck(your_answer)\n')
    path = tmp_path / "00_a.py"
    path.write_text(text)
    assert len(versions.find_exercises(read_source(path), path.name)) == 1
    path.write_text(text.replace(*change))
    with pytest.raises(LabError, match=problem) as error:
        versions.find_exercises(read_source(path), path.name)
    assert re.search(r"cell \d of 00_a.py", str(error.value))


def test_a_function_of_another_signature_is_no_solution(tmp_path):
    path = tmp_path / "00_a.py"
    path.write_text('# %% [markdown]\n# **Extend.** Write it.\n\n# %% tags=["exercise"]\n'
                    'def f(x):\n    raise NotImplementedError\n\n# %% tags=["solution"]\n'
                    'def f(x, y):\n    return x\n\n# %% tags=["check"]\ncheck(f)\n')
    with pytest.raises(LabError, match=r"a stub of f\(x\), its solution defines f\(x, y\)"):
        versions.find_exercises(read_source(path), path.name)


def test_results_in_the_discussion_come_from_the_run(source):
    """Fixed text states no result number: those stand in cells tagged ``prose``, from variables."""
    notebook, inside, n_prose = read_source(source), False, 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            inside = "What we see" in cell.source
        if inside and cell.cell_type == "markdown":
            assert not RESULT_NUMBER.findall(cell.source), cell.source
        n_prose += "prose" in cell.metadata.get("tags", [])
    assert n_prose, "the discussion states no number of the run"


def test_links_into_the_glossary_lead_to_terms(source):
    anchors = {line[4:].strip().lower().replace(" ", "-")
               for line in GLOSSARY.read_text(encoding="utf-8").splitlines()
               if line.startswith("### ")}
    links = set(re.findall(r"\]\(GLOSSARY\.md#([^)]+)\)", source.read_text(encoding="utf-8")))
    assert links <= anchors, links - anchors
    assert len(links) >= 3


def test_figures_and_schematics_have_alternative_texts(source):
    images = [output for cell in executed(source) for output in cell.get("outputs", [])
              if "image/png" in output.get("data", {})]
    assert len(images) >= 2, "a schematic and a figure"
    for output in images:
        alt = output["metadata"].get("image/png", {}).get("alt", "")
        assert len(alt.split()) >= 8, alt


def test_cells_are_short_and_leave_no_stray_output(source):
    for cell in executed(source):
        if cell["cell_type"] != "code":
            continue
        lines = [line for line in "".join(cell["source"]).splitlines()
                 if line.strip() and not line.strip().startswith("#")]
        tags = cell["metadata"].get("tags", [])
        is_setup = any(line.startswith(("import ", "from ")) for line in lines)
        if not {"check", "prose", "solution", "parameters"} & set(tags) and not is_setup:
            assert len(lines) <= 15, "\n".join(lines)
        for output in cell["outputs"]:
            text = "".join(output.get("data", {}).get("text/plain", []))
            if not {"image/png", "text/markdown", "text/html"} & output.get("data", {}).keys():
                assert not re.match(r"(<|\[<|\[?None|\[?Text\(|np\.)", text), text


def test_at_most_ten_claims(source):
    stem = source.stem
    claims = json.loads((ROOT / "figures/demo" / f"{stem}.json").read_text(encoding="utf-8"))[
        "claims"]
    assert sum(claim["kind"] != "sanity check" for claim in claims) <= 10


def test_the_course_page_states_the_minutes_that_were_measured():
    text = course.DOCUMENT.read_text(encoding="utf-8")
    assert text == replace_part(text, course.MINUTES, course.minutes_part()), (
        "python -m docs.pages")
    for link in re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text):
        assert (ROOT / "notebooks" / link).is_file(), link
