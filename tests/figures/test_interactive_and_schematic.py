"""Figures with controls, schematics, texts for readers who do not see the figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.testing.globalipapp import start_ipython
from matplotlib.text import Text
from PIL import Image

from helpers.core.errors import LabError
from helpers.core.paths import figures_dir
from helpers.core.provenance import Provenance
from helpers.figures import interactive, schematic, style

PROVENANCE = Provenance("99_test_this", "demo", "SYNTHETIC", 0, "cpu", "code")


@pytest.fixture
def shown(monkeypatch):
    """Collect the figures that would be displayed."""
    figures = []
    for module in (style, schematic, interactive):
        monkeypatch.setattr(module, "show_figure", figures.append)
    return figures


def draw(alpha, unit):
    figure = style.new_figure(2, f"alpha is {alpha} and the unit is {unit}")
    figure.add_subplot().set_title(f"{alpha} {unit}")
    return figure


CHOICES = {"alpha": [0.01, 0.05], "unit": ["a", "b"]}


def test_without_a_front_end_the_figure_stands_at_its_defaults(shown, monkeypatch):
    monkeypatch.setenv("LAB_HEADLESS", "1")
    interactive.explore(draw, CHOICES, alpha=0.05, unit="b")
    assert [figure.axes[0].get_title() for figure in shown] == ["0.05 b"]


def test_with_a_front_end_controls_and_image_are_one_output(monkeypatch):
    monkeypatch.delenv("LAB_HEADLESS", raising=False)
    shell = start_ipython() or interactive.get_ipython()
    published = []
    monkeypatch.setattr(interactive, "get_ipython", lambda: shell)
    monkeypatch.setattr(interactive, "display", lambda data, **how: published.append((data, how)))
    shell.display_formatter.formatters["image/png"].for_type(plt.Figure, lambda figure: b"png")
    shell.display_formatter.active_types = ["text/plain", "image/png"]
    interactive.explore(draw, CHOICES, alpha=0.01, unit="a")
    (data, how) = published[-1]
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= data.keys()
    assert how["raw"] and how["metadata"]["image/png"]["alt"].startswith("alpha is 0.01")


@pytest.mark.parametrize("defaults", [{"alpha": 0.05}, {"alpha": 0.02, "unit": "a"}])
def test_a_default_that_is_no_choice_is_refused(defaults):
    with pytest.raises(LabError, match="the default of"):
        interactive.explore(draw, CHOICES, **defaults)


def test_a_schematic_has_its_steps_arrows_kind_of_data_and_text(shown):
    style.use_style()
    image = Image.new("RGB", (8, 8), "red")
    steps = [schematic.Step("images", schematic.images([image] * 3), "n = 3"),
             schematic.Step("network", schematic.network(4, (2,))),
             schematic.Step("brain", schematic.brain()),
             schematic.Step("statistic", schematic.formula("$t$", "$p$")),
             schematic.Step("panel", schematic.bars([0.2, 0.8], ["k", "r"], 0.5))]
    schematic.draw_schematic(steps, PROVENANCE, "images pass through a network")
    (figure,) = shown
    figure.canvas.draw()
    texts = {text.get_text() for text in figure.findobj(Text)}
    assert {"images", "network", "brain", "statistic", "panel", "n = 3"} <= texts
    assert any("SYNTHETIC" in text for text in texts)
    assert len(figure.artists) == 4 and figure.get_label() == "images pass through a network"


def test_icons_stay_within_their_box(shown):
    style.use_style()
    icons = [schematic.matrix(np.eye(3)), schematic.points([0.1, 0.9], [0.2, 0.8]),
             schematic.curve(([0, 1], [0, 1], "k"))]
    schematic.draw_schematic([schematic.Step("s", icon) for icon in icons], PROVENANCE, "a text")
    assert all(axes.get_xlim() == axes.get_ylim() == (0, 1) for axes in shown[0].axes)


def test_small_text_is_refused_and_named(private):
    figure = style.new_figure(2, "alt")
    figure.add_subplot().set_title("too small", fontsize=5)
    with pytest.raises(LabError, match=r"'too small' \(5\)"):
        style.save_figure(figure, PROVENANCE)


def test_a_supplement_has_files_of_its_own_and_the_text_is_in_the_png(private):
    for part in ("", "supplement"):
        style.save_figure(style.new_figure(2, f"what is\n seen {part}"), PROVENANCE, part=part)
        name = "-".join(filter(None, (PROVENANCE.notebook, part)))
        png = figures_dir("demo") / f"{name}.png"
        with Image.open(png) as image:
            assert image.info["Comment"] == f"what is seen {part}".strip()
    assert sorted(path.name for path in png.parent.iterdir()) == [
        f"99_test_this{part}.{end}" for part in ("-supplement", "") for end in ("pdf", "png")]


def test_networks_have_the_names_that_people_use():
    assert style.display_name("demo-barlow-twins") == "Barlow Twins"
    assert style.display_name("squeezenet1_0-imagenet-untrained") == "SqueezeNet, untrained"
    assert style.display_name("my-network") == "my-network"
    assert style.display_name("my-network-untrained") == "my-network, untrained"
