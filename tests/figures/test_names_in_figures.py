"""Names come from data: a figure shows them as they are, or they are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from helpers.core.errors import LabError
from helpers.core.provenance import Provenance
from helpers.core.text import LONGEST_NAME, check_name
from helpers.figures import schematic, style

NAMES = ["$x^$", "a$b$c", r"$\frac{1}{2}$", r"$\unknown$", "100 % of $", "_hidden", "{}", r"\n",
         "é&ü"]
WHERE = Provenance("99_test", "test", "SYNTHETIC", 0, "cpu", "0")


def figure_of(names: list[str]) -> Figure:
    """Names wherever figures have them: ticks, legend, title, annotation, bars of categories."""
    figure = style.new_figure(3, "names")
    left, right = figure.subplots(1, 2)
    left.set_xticks(range(len(names)), names)
    left.set_title(names[0])
    left.legend(handles=[style.plt.Line2D([], [], label=name) for name in names])
    right.bar(names, range(len(names)))
    right.annotate(names[-1], (0, 0))
    figure.suptitle(" ".join(names))
    return figure


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_it_stands(private, name):
    figure = figure_of([name, "other"])
    style.save_figure(figure, WHERE)
    shown = [text.get_text() for text in figure.findobj(style.Text)]
    assert shown.count(name) >= 4, "ticks of both axes, the title and the legend"
    assert not any(text.get_parse_math() for text in figure.findobj(style.Text)
                   if "$" in text.get_text())
    assert (private / "figures/99_test.png").is_file()


def test_without_the_mend_a_name_ends_the_run():
    with pytest.raises(ValueError, match="Expected"):
        figure_of(["$x^$"]).savefig(io.BytesIO())


def test_formulas_and_powers_stay_mathematics(private):
    """Byte by byte what Matplotlib draws by itself, where no name has a dollar sign."""
    def draw() -> Figure:
        figure = style.new_figure(2, "powers")
        left, right = figure.subplots(1, 2)
        left.loglog(np.geomspace(1e-3, 1e4, 9), np.geomspace(1, 1e9, 9))
        right.bar(["faces", "scenes"], [1, 2])
        right.set_yscale("symlog", linthresh=1e-3)
        schematic.formula(r"$\frac{a}{b}$", "Moran's $I$")(right)
        return figure

    alone, here = io.BytesIO(), io.BytesIO()
    draw().savefig(alone, metadata={"Software": None})
    figure = draw()
    assert style.take_names_literally(figure) is figure
    figure.savefig(here, metadata={"Software": None})
    assert here.getvalue() == alone.getvalue()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a<b", "x>y", "two\nlines", "nul\0",
                                  "\x1b[31mred", "[here](javascript:alert(1))", "![](http://x/y)",
                                  "\u202egnp.exe", "a" * (LONGEST_NAME + 1), "line\u2028end"])
def test_names_that_pages_would_execute_are_refused(name):
    with pytest.raises(LabError, match="set.csv: the name ") as error:
        check_name(name, "set.csv", "a category")
    assert "rename" in error.value.remedy and "without < and >" in error.value.expected


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", ".hidden", ".."])
def test_names_of_files_have_no_slash(name):
    assert check_name(name, "rois.csv", "a region") == name
    with pytest.raises(LabError, match="without slashes"):
        check_name(name, "rois.csv", "a region", of_file=True)


@pytest.mark.parametrize("name", ["faces", "Gesichter (alt)", "顔", "FFA-1", "a & b", "x_y*z|w",
                                  "it's", "$x^$", "50 %", "naïve", "= 1 + 1", "`code`"])
def test_ordinary_names_pass(name):
    assert check_name(name, "set.csv", "a category") == name
