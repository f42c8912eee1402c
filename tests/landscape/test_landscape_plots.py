"""Panels of the landscape and of glances: what is drawn is what the tables say.

The published panel of saliency has two probabilities exchanged. Here every number is computed a
second time, from the image that it stands over.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import Normalize, same_color
from matplotlib.markers import MarkerStyle
from support.finetuned_models import (  # noqa: F401  (fixtures are used by their names)
    readout,
    seen_by,
    shared,
    single,
    study_of,
    task_of,
    weights_of,
)

from helpers.concepts import plots as concept_plots
from helpers.core.errors import LabError
from helpers.core.intervals import mean_interval
from helpers.figures.style import HEMISPHERES, SEQUENTIAL, TRAINING, TRAINING_MARKERS
from helpers.finetuning.plots import CONDITION_STYLES
from helpers.landscape import plots as landscape_plots
from helpers.landscape.plots import MARKERS, marker_key
from helpers.landscape.study import fit_probe
from helpers.saliency import plots as saliency_plots
from helpers.saliency import study
from helpers.saliency.plots import saliency_maps_panel
from helpers.saliency.study import VIEWS, saliency_examples

matplotlib.use("Agg")


@pytest.fixture
def axes():
    figure, made = plt.subplots()
    yield made
    plt.close(figure)


# ---- the panel of glances -----------------------------------------------------------------------

NAMES = ("pretrained", "left V1v", "right V1v")


class Panel:
    """Three networks' looks at one image and its mirror image, and the same by hand.

    ``expected`` has the probability of the true class by (network, view), ``saliency_map`` the map,
    and ``pixels`` the image by view, none of them made by the helpers that draw the panel.
    """

    def __init__(self) -> None:
        self.task = task_of(strength=0.2)
        self.finetuned_models = study_of(hemispheres="apart", rois=("V1v",),
                                         subjects=("A",)).networks(
            ["pretrained", "contrastive"])
        assert [m.metadata["hemisphere"] for m in self.finetuned_models] == ["none", "lh", "rh"]
        weights = {name: weights_of(m) for name, m in zip(NAMES, self.finetuned_models)}
        chains = {name: readout(values, self.task) for name, values in weights.items()}
        self.features, self.every = {}, {}
        for name, chain in chains.items():
            for view, step in zip(VIEWS, (1, -1)):
                seen = seen_by(weights[name], self.task.pixels[self.task.test_idx][..., ::step])
                self.features[name, view] = seen
                p = np.c_[chain.predict_proba(seen), np.zeros(len(seen))]
                self.every[name, view] = p[np.arange(len(seen)), self.task.test_labels]
        gaps = np.diff(np.sort(list(self.every.values()), axis=0), axis=0).min(0)
        self.image, self.gap = int(gaps.argmax()), float(gaps.max())
        self.expected = {key: float(p[self.image]) for key, p in self.every.items()}
        self.true = int(self.task.test_labels[self.image])
        original = self.task.pixels[self.task.test_idx[self.image]]
        self.pixels = {"original": original, "mirrored": original[:, :, ::-1]}
        self.saliency_map = {(name, view): self.map(m, name, view)
                             for name, m in zip(NAMES, self.finetuned_models)
                             for view in VIEWS}

    def map(self, finetuned_model, name, view) -> np.ndarray:
        """Compute Grad-CAM of the ReLU: the gradient is the weights of the probe."""
        weight = fit_probe(finetuned_model, self.task, "relu")["weight"][self.true]
        mean = weight.reshape(4, 7, 7).mean((1, 2))[:, None, None]
        seen = self.features[name, view][self.image]
        return np.maximum((mean * seen.reshape(4, 7, 7)).sum(0), 0)

    def examples(self):
        return saliency_examples(self.finetuned_models, NAMES, self.task, "relu", "relu",
                                 self.image)


@pytest.fixture(scope="module")
def panel(shared):  # noqa: F811
    return Panel()


def draw(examples) -> list:
    """Draw the panel of one measure; return the two images' axes, then those of the maps."""
    figure = plt.figure()
    saliency_maps_panel(figure, figure.add_gridspec(1, 1)[0], {"Grad-CAM": examples})
    plt.close(figure)
    return figure.axes[:-1]  # without the colour bar


def check(panel: Panel, axes) -> set:
    """Hold every map and number to its image and network; return what was shown."""
    views, found = [], set()
    for one in axes[:2]:
        shown = np.asarray(one.images[0].get_array())
        (view,) = [view for view, pixels in panel.pixels.items()
                   if np.array_equal(shown, pixels.transpose(1, 2, 0))]
        assert one.get_ylabel() == view and one.get_xlabel() == f"class {panel.true}"
        views.append(view)
    names = [one.get_title().splitlines()[-1] for one in axes[2::2]]
    for number, one in enumerate(axes[2:]):
        key = names[number // 2], views[number % 2]
        expected = panel.saliency_map[key]
        np.testing.assert_allclose(one.images[0].get_array(), expected / (expected.max() or 1),
                                   atol=1e-3)
        probability = one.get_xlabel().split("\np = ")[1]  # two digits are written
        assert len(probability) == 4 and abs(float(probability) - panel.expected[key]) < 0.0052
        found.add(key)
    return found


def test_every_probability_stands_below_the_map_that_it_belongs_to(panel):
    axes = draw(panel.examples())
    assert check(panel, axes) == {(name, view) for name in NAMES for view in VIEWS}
    assert panel.gap > 0.02 and len({one.get_xlabel() for one in axes[2:]}) == 6, (
        "any two exchanged are noticed")


def test_the_published_mistake_and_any_other_exchange_would_be_noticed(panel):
    """Published: the numbers of "right, original" and "left, mirrored" are exchanged."""
    axes = draw(panel.examples())
    for one, other in combinations(axes[2:], 2):
        before = one.get_xlabel(), other.get_xlabel()
        (a, p), (b, q) = (words.split("\n") for words in before)
        one.set_xlabel(f"{a}\n{q}")
        other.set_xlabel(f"{b}\n{p}")
        with pytest.raises(AssertionError):
            check(panel, axes)
        one.set_xlabel(before[0])
        other.set_xlabel(before[1])
    titles = [one.get_title() for one in axes[2::2]]
    for one, title in zip(axes[2::2], titles[1:] + titles[:1]):
        one.set_title(title)
    with pytest.raises(AssertionError):
        check(panel, axes)


@pytest.mark.parametrize("wrong", ["views", "networks", "class"])
def test_a_glance_with_anothers_probability_would_be_noticed(panel, wrong):
    """Deliberately wrong copies: of the other view, the next network, the likeliest class."""
    examples = panel.examples()
    other = {"views": [1, 0, 3, 2, 5, 4], "networks": [2, 3, 4, 5, 0, 1], "class": range(6)}[wrong]
    swapped = [replace(example, probability=1 - example.probability if wrong == "class"
                       else examples[place].probability) for example, place in zip(examples, other)]
    with pytest.raises(AssertionError):
        check(panel, draw(swapped))


def test_images_shown_the_wrong_way_round_would_be_noticed(panel, monkeypatch):
    plain = study._views
    monkeypatch.setattr(study, "_views", lambda pixels: dict(zip(
        VIEWS, reversed(plain(pixels).values()))))
    with pytest.raises(AssertionError):
        check(panel, draw(panel.examples()))


def test_a_glance_is_one_record_of_what_was_shown_and_found(panel):
    examples = panel.examples()
    assert [(one.network, one.view) for one in examples] == [(n, v) for n in NAMES for v in VIEWS]
    for one in examples:
        key = one.network, one.view
        assert one.true_class == f"class {panel.true}"
        assert one.probability == pytest.approx(panel.expected[key], abs=1e-3)
        np.testing.assert_array_equal(one.pixels, panel.pixels[one.view])
        np.testing.assert_allclose(one.saliency_map, panel.saliency_map[key], atol=1e-4)
    np.testing.assert_allclose(fit_probe(panel.finetuned_models[1], panel.task,
                                         "relu")["log_probs"][
        panel.image, panel.true], np.log(examples[2].probability), atol=1e-4)


def test_the_map_of_a_glance_is_by_the_method_that_is_asked_for(panel):
    weight = fit_probe(panel.finetuned_models[1], panel.task, "relu")["weight"][panel.true]
    examples = saliency_examples(panel.finetuned_models, NAMES, panel.task, "relu", "relu",
                                 panel.image,
                                 method="HiResCAM")
    for one in examples[2:4]:
        seen = panel.features[one.network, one.view][panel.image]
        expected = np.maximum((weight * seen).reshape(4, 7, 7).sum(0), 0)
        np.testing.assert_allclose(one.saliency_map, expected, atol=1e-4)
        assert one.probability == pytest.approx(panel.expected[one.network, one.view], abs=1e-3)


def test_a_glance_calls_classes_by_their_names(panel):
    names = ["n01440764", "056.dog", "school_bus", "n02084071"]
    names[panel.true] = "n01440764"
    task = replace(panel.task, classes=tuple(names))
    examples = saliency_examples(panel.finetuned_models[:1], NAMES, task, "relu", "relu",
                                 panel.image)
    assert {one.true_class for one in examples} == {"tench"}


def test_only_held_out_images_are_glanced_at(panel):
    n = len(panel.task.test_idx)
    for place in (-1, n):
        with pytest.raises(LabError, match=f"image {place}(?s:.)*0 to {n - 1}"):
            saliency_examples(panel.finetuned_models, NAMES, panel.task, "relu", "relu", place)


def test_maps_are_fractions_of_their_maximum_and_the_middle_is_marked():
    saliency_map = np.zeros((4, 4), np.float32)
    saliency_map[1, 0] = 2.0
    pixels = np.random.default_rng(0).integers(0, 255, (3, 8, 8), dtype=np.uint8)
    example = study.SaliencyExample("a", "original", pixels, saliency_map, "dog", 0.126)
    image, _, over, _ = draw([example, replace(example, view="mirrored")])
    np.testing.assert_array_equal(image.images[0].get_array(), pixels.transpose(1, 2, 0))
    assert over.images[0].get_array().max() == 1 and over.images[0].get_clim() == (0, 1)
    assert np.unravel_index(over.images[0].get_array().argmax(), (4, 4)) == (1, 0)
    assert image.lines[0].get_xdata()[0] == 3.5 and over.lines[0].get_xdata()[0] == 1.5
    assert over.get_title() == "Grad-CAM\na" and over.get_xlabel() == "index −1.00\np = 0.13"


@pytest.mark.filterwarnings("error")
def test_a_map_of_nothing_is_drawn_as_nothing():
    empty = study.SaliencyExample("a", "original", np.zeros((3, 8, 8), np.uint8),
                                  np.zeros((2, 2), np.float32), "dog", 0.0)
    over = draw([empty, replace(empty, view="mirrored")])[2]
    over.figure.canvas.draw()
    assert (over.images[0].get_array() == 0).all() and over.images[0].get_clim() == (0, 1)
    assert over.get_xlabel().startswith("empty map")


# ---- maps of models -----------------------------------------------------------------------------

MEMBERS = pd.DataFrame([
    ("none", "none", "none", "none", "untrained", 0.1),
    ("none", "none", "none", "none", "pretrained", 0.9),
    ("A", "V1v", "lh", "early", "contrastive", 0.2), ("A", "V2d", "rh", "early", "regression", 0.3),
    ("A", "V1v", "both", "early", "shuffled", 0.4),
    ("A", "EBA", "lh", "higher", "contrastive", 0.5),
    ("B", "FFA-1", "rh", "higher", "contrastive", 0.6), ("B", "PPA", "both", "higher", "x", 0.7),
    ("B", "VWFA-1", "lh", "higher", "contrastive", 0.75), ("C", "LOC", "lh", "higher", "x", 0.8),
    ("C", "ventral", "rh", "higher", "x", 0.65),
    ("all", "V3v", "rh", "early", "pooled, avg", 0.35),
    ("all", "OPA", "lh", "higher", "pooled, const", 0.45)],
                       columns=["donor", "roi", "hemisphere", "group", "condition", "accuracy"])
MARKED = ["untrained", "pretrained", "early, left", "early, right", "early", "bodies", "faces",
          "scenes", "characters", "objects", "objects", "early, right", "scenes"]


def test_networks_are_marked_by_what_they_were_tuned_to():
    found = [marker_key(*row) for row in MEMBERS[["roi", "hemisphere", "group",
                                                  "condition"]].to_numpy()]
    assert found == MARKED
    assert len(set(MARKERS.values())) == len(MARKERS)
    assert [MARKERS[name] for name in ("early, left", "early, right", "bodies", "faces", "scenes",
                                       "characters", "pretrained", "truth")] == [*"<>^osv*D"]


def scattered(axes) -> dict:
    """Return x -> what is drawn there, each property of one point."""
    found = {}
    for one in axes.collections:
        colours = one.cmap(one.norm(one.get_array())) if one.get_array() is not None else None
        for i, place in enumerate(one.get_offsets()):
            of = lambda values, i=i: values[i % len(values)]  # noqa: E731
            found[round(float(place[0]), 6)] = {
                "y": float(place[1]), "path": one.get_paths()[0], "edge": of(one.get_edgecolors()),
                "face": of(one.get_facecolors() if colours is None else colours),
                "value": None if colours is None else float(one.get_array()[i]),
                "norm": one.norm, "width": of(one.get_linewidths()), "z": one.get_zorder()}
    return found


def same_marker(path, marker: str) -> bool:
    style = MarkerStyle(marker)
    expected = style.get_path().transformed(style.get_transform())
    return path.vertices.shape == expected.vertices.shape and np.allclose(path.vertices,
                                                                          expected.vertices)


def test_a_map_of_models_says_what_each_was_tuned_to_and_how_well_it_does(axes):
    points = np.random.default_rng(0).normal(size=(len(MEMBERS), 2))
    norm, finetuned_models = Normalize(0.0,
                                       1.0), MEMBERS.set_index(np.arange(len(MEMBERS))[::-1] + 40)
    landscape_plots.model_map(axes, finetuned_models, points, "accuracy", norm, references={
        "truth": np.array([3.0, -1.0, 99.0]), "ignorance": np.array([-3.0, 2.0, 88.0])})
    found = scattered(axes)
    assert len(found) == len(MEMBERS) + 2
    for (x, y), row, mark in zip(points, MEMBERS.to_dict("records"), MARKED):
        one = found[round(x, 6)]
        assert one["y"] == pytest.approx(y) and same_marker(one["path"], MARKERS[mark])
        assert one["value"] == row["accuracy"] and one["norm"] is norm
        np.testing.assert_allclose(one["face"], matplotlib.colormaps[SEQUENTIAL](row["accuracy"]))
        assert (one["width"] > 0.5) == (row["donor"] == "all")
    assert found[3.0]["y"] == -1 and found[-3.0]["y"] == 2
    for x, name in ((3.0, "truth"), (-3.0, "ignorance")):
        assert same_marker(found[x]["path"], MARKERS[name]) and same_color(found[x]["face"], "w")
        assert found[x]["z"] < min(one["z"] for place, one in found.items() if abs(place) != 3)


def test_a_map_without_points_beside_it_has_networks_alone(axes):
    points = np.c_[np.arange(13.0), np.zeros(13)]
    landscape_plots.model_map(axes, MEMBERS, points, "accuracy", Normalize(0, 1))
    assert sorted(scattered(axes)) == list(range(13)) and not axes.texts


@pytest.mark.parametrize("signs, explained, names", [
    ([1, 1, -1], [0.5, 0.75, 0.9], ("InPCA 1 (50% of stress)", "InPCA 2 (25% of stress)")),
    ([1, -1, 1], [0.61, 0.8, 0.9], ("InPCA 1 (61% of stress)",
                                    "InPCA 2, imaginary (19% of stress)")),
    ([-1, 1, 1], [0.4, 0.6, 0.9], ("InPCA 1, imaginary (40% of stress)",
                                   "InPCA 2 (20% of stress)"))])
def test_axes_say_whether_they_are_imaginary_and_their_own_share(axes, signs, explained, names):
    landscape_plots.label_inpca_axes(axes, np.array(signs), np.array(explained))
    assert (axes.get_xlabel(), axes.get_ylabel()) == names


def test_the_legend_calls_domains_as_the_paper_does():
    names = ["early, left", "scenes", "characters", "pretrained", "truth"]
    found = landscape_plots.marker_handles(names)
    assert [one.get_label() for one in found] == ["early, left", "places", "words", "pretrained",
                                                  "truth"]
    assert [one.get_marker() for one in found] == [MARKERS[name] for name in names]
    assert [same_color(one.get_markerfacecolor(), "white") for one in found] == [False] * 4 + [True]


def test_a_map_by_training_has_its_colours_and_names_what_was_not_fine_tuned(axes):
    known = MEMBERS[MEMBERS["condition"] != "x"].reset_index(drop=True)
    points = np.c_[np.arange(len(known)) * 1.5, np.arange(len(known)) - 3.0]
    landscape_plots.condition_map(axes, known, points, references={"truth": np.array([77.0, 5.0])})
    found = scattered(axes)
    assert len(found) == len(known) + 1
    for (x, y), row in zip(points, known.to_dict("records")):
        colour, marker = CONDITION_STYLES[row["condition"]]
        one = found[round(x, 6)]
        assert one["y"] == y and same_marker(one["path"], marker)
        if marker != "x":
            assert same_color(one["edge"], colour)
            assert same_color(one["face"], "white" if row["group"] == "early" else colour)
    assert {(text.get_text(), text.xy[0]) for text in axes.texts} == {
        ("untrained", 0.0), ("pretrained", 1.5), ("truth", 77.0)}


@pytest.mark.parametrize("x", [-0.3, 0.0, 0.3])
def test_names_on_the_map_lie_within_its_panel(axes, x):
    """The name of a point at the right edge ran into the panel beside it."""
    networks = pd.DataFrame([("none", "none", "untrained"), ("V1v", "early", "contrastive")],
                            columns=["roi", "group", "condition"])
    landscape_plots.condition_map(axes, networks, np.array([[x, 0.2], [-x or 0.1, -0.2]]),
                                  references={"ignorance": np.array([x, 0.1, 0])})
    axes.figure.draw_without_rendering()
    panel = axes.get_window_extent()
    for text in axes.texts:
        assert panel.x0 <= text.get_window_extent().x0, text.get_text()
        assert text.get_window_extent().x1 <= panel.x1, text.get_text()


@pytest.mark.parametrize("draw, words", [
    (lambda axes: saliency_plots.laterality_intervals(axes, pd.DataFrame(
        {"condition": ["contrastive"], "measure": ["Grad-CAM"], "mean": [np.nan],
         "low": [np.nan], "high": [np.nan]})), "not separated"),
    (lambda axes: saliency_plots.laterality_dots(axes, pd.DataFrame(
        {"donor": ["a"], "roi": ["LOC"], "hemisphere": ["both"], "bias": [0.1], "low": [0.0],
         "high": [0.2]}), ["LOC"]), "not separated"),
    (lambda axes: concept_plots.level_lines(axes, pd.DataFrame(
        columns=["most", "usual", "least"])), "percent signal change")])
def test_a_panel_without_data_says_why(axes, draw, words):
    draw(axes)
    assert words in axes.texts[0].get_text() and not axes.lines


def test_hemispheres_are_colours_and_regions_are_markers(axes):
    table = pd.DataFrame({"roi": ["V1v", "V1v", "hV4"], "hemisphere": ["lh", "rh", "lh"]})
    landscape_plots.hemisphere_map(axes, table, np.arange(6.0).reshape(3, 2))
    points = [one for one in axes.lines if one.get_marker() != "None"]
    assert [one.get_color() for one in points] == [HEMISPHERES[side] for side in (
        "left", "right", "left")]
    assert points[0].get_marker() == points[1].get_marker() != points[2].get_marker()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["left", "right", "V1v",
                                                                          "hV4"]


# ---- accuracies and differences -----------------------------------------------------------------

def test_accuracy_by_task_has_chance_and_a_bar_at_the_mean_of_participants(axes):
    rows = [("none", "none", "none", "pretrained", 0.9), ("A", "V1v", "early", "contrastive", 0.2),
            ("A", "V2v", "early", "contrastive", 0.4), ("B", "V1v", "early", "contrastive", 0.5),
            ("all", "V1v", "early", "pooled, avg", 0.1),
            ("all", "PPA", "higher", "pooled, avg", 0.6)]
    table = pd.DataFrame(rows, columns=["donor", "roi", "group", "condition", "accuracy"])
    landscape_plots.accuracy_dots(axes, table.assign(task="place"), {"place": 8})
    (star,) = [one for one in axes.lines if len(one.get_xdata()) == 1]
    assert star.get_ydata()[0] == 0.9
    dots = sorted(y for one in axes.collections if len(one.get_offsets()) and hasattr(
        one, "get_sizes") and len(one.get_sizes()) for y in one.get_offsets()[:, 1])
    np.testing.assert_allclose(dots, [0.1, 0.3, 0.5, 0.6])
    bars = sorted(one.get_segments()[0][0][1] for one in axes.collections
                  if hasattr(one, "get_segments"))
    np.testing.assert_allclose(bars, [1 / 8, 0.35, 0.4])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["place,\n8 classes"]


def test_differences_have_the_interval_of_their_claim(axes):
    table = np.array([[0.1, 0.2], [0.3, 0.2], [0.2, 0.4]])
    landscape_plots.difference_rows(axes, {"a − b": table, "empty": np.zeros((0, 0))})
    dots, interval, mean = axes.lines[:3]
    np.testing.assert_allclose(dots.get_xdata(), table.mean(1))
    np.testing.assert_allclose([mean.get_xdata()[0], *interval.get_xdata()],
                               mean_interval(table))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a − b", "empty"]


# ---- gain and loss ------------------------------------------------------------------------------

def test_a_trade_is_gain_against_change_in_the_colour_of_its_kind(axes):
    rows = [("contrastive", "early", 0.1, -0.3), ("contrastive", "higher", 0.2, -0.2),
            ("regression", "early", 0.3, -0.1), ("shuffled", "early", 0.4, -0.15),
            ("shuffled", "higher", 0.5, -0.05), ("pooled, avg", "early", 9.0, 0.5)]
    table = pd.DataFrame(rows, columns=["condition", "group", "gain", "change"])
    landscape_plots.trade_off(axes, table, ["contrastive", "regression", "shuffled"])
    found = scattered(axes)
    assert len(found) == 5, "kinds that were not asked for are left out"
    for condition, group, gain, change in rows[:5]:
        one, (colour, marker) = found[change], CONDITION_STYLES[condition]
        assert one["y"] == gain and same_marker(one["path"], marker)
        if marker != "x":
            assert same_color(one["edge"], colour)
            assert same_color(one["face"], "white" if group == "early" else colour)
        else:
            assert same_color(one["edge"], colour)
    assert axes.xaxis.get_major_formatter()(-0.25, 0) == "-25%"


def test_the_way_is_the_mean_over_regions_then_over_participants(axes):
    """A has two early regions, B one: each participant counts once."""
    rows = [("A", "early", 0.0, 0.0, 0.0), ("A", "early", 0.0, 0.0, 0.0),
            ("B", "early", 0.0, 0.0, 0.0), ("A", "early", 1.0, 0.2, -0.4),
            ("A", "early", 1.0, 0.4, -0.2), ("B", "early", 1.0, 0.1, -0.1),
            ("A", "higher", 0.0, 0.0, 0.0), ("A", "higher", 1.0, 0.7, -0.6)]
    table = pd.DataFrame(rows, columns=["donor", "group", "interpolation", "gain", "change"])
    landscape_plots.interpolation_paths(axes, table)
    colour, marker = CONDITION_STYLES["contrastive"]
    drawn_ = [one for one in axes.lines if one.get_linestyle() in ("-", "--")]
    thick = {one.get_label(): one for one in drawn_ if one.get_marker() == marker}
    assert set(thick) == {"early regions", "higher regions"}
    np.testing.assert_allclose(thick["early regions"].get_xydata(), [[0, 0], [-0.2, 0.2]],
                               atol=1e-12)
    np.testing.assert_allclose(thick["higher regions"].get_xydata(), [[0, 0], [-0.6, 0.7]],
                               atol=1e-12)
    assert same_color(thick["early regions"].get_markerfacecolor(), "white")
    assert same_color(thick["higher regions"].get_markerfacecolor(), colour)
    assert all(same_color(one.get_color(), colour) for one in drawn_)
    thin = [one.get_xydata() for one in drawn_ if one.get_marker() != marker]
    assert len(thin) == 3
    ends = sorted(tuple(one[-1].round(6)) for one in thin)
    assert ends == [(-0.6, 0.7), (-0.3, 0.3), (-0.1, 0.1)]
    assert [(text.get_text(), tuple(np.round(text.xy, 6))) for text in axes.texts] == [
        ("1", (-0.2, 0.2)), ("1", (-0.6, 0.7))], "the pretrained network is the origin"


# ---- laterality ---------------------------------------------------------------------------------

def test_hemispheres_have_their_colours_and_black_is_the_mean(axes):
    rows = [("A", "V1v", "lh", 0.3), ("B", "V1v", "lh", 0.5), ("A", "V1v", "rh", -0.2),
            ("A", "hV4", "rh", 0.1), ("B", "hV4", "rh", -0.3), ("A", "V3d", "lh", 0.9)]
    table = pd.DataFrame(rows, columns=["donor", "roi", "hemisphere", "bias"])
    table = table.assign(low=table["bias"] - 0.05, high=table["bias"] + 0.07)
    saliency_plots.laterality_dots(axes, table, ["V1v", "hV4"])
    dots = [one for one in axes.lines if one.get_marker() in ("<", ">")]
    found = {(one.get_marker(), round(float(np.mean(one.get_xdata())))):
             one.get_ydata().tolist() for one in dots}
    assert found == {("<", 0): [0.3, 0.5], (">", 0): [-0.2], (">", 1): [0.1, -0.3]}
    for one in dots:
        offset = np.asarray(one.get_xdata()) - round(float(np.mean(one.get_xdata())))
        is_left = one.get_marker() == "<"
        assert ((offset < 0) if is_left else (offset > 0)).all()
        assert one.get_color() == HEMISPHERES["left" if is_left else "right"]
        assert len(set(one.get_xdata())) == len(one.get_xdata()), "none hides another"
    segments = [(one.get_segments(), one.get_colors()[0]) for one in axes.collections]
    spans = sorted((round(float(seg[0, 1]), 6), round(float(seg[1, 1]), 6)) for segs, colour in
                   segments for seg in segs if not same_color(colour[:3], "k"))
    assert spans == sorted((round(bias - 0.05, 6), round(bias + 0.07, 6)) for *_, bias in rows[:5])
    means = {round(float(seg[:, 0].mean()), 3): float(seg[0, 1]) for segs, colour in segments
             for seg in segs if same_color(colour, "k")}
    assert means == {-0.17: pytest.approx(0.4), 0.17: pytest.approx(-0.2),
                     1.17: pytest.approx(-0.1)}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["V1v", "hV4"]


def test_effects_stand_from_top_to_bottom_with_their_intervals(axes):
    effects = pd.DataFrame({
        "condition": ["contrastive", "shuffled"] * 2, "measure": ["one", "one", "two", "two"],
        "mean": [0.2, -0.1, 0.0, 0.3], "low": [0.1, -0.3, -0.2, 0.1],
        "high": [0.3, 0.1, 0.2, 0.5]})
    saliency_plots.laterality_intervals(axes, effects)
    for shift, condition, spans in zip((-0.17, 0.17), ("contrastive", "shuffled"),
                                       axes.collections):
        its = effects[effects["condition"] == condition]
        assert same_color(spans.get_colors()[0], TRAINING[condition])
        expected = [[[low, place + shift], [high, place + shift]]
                    for place, (low, high) in enumerate(zip(its["low"], its["high"]))]
        np.testing.assert_allclose(spans.get_segments(), expected)
        (points,) = [one for one in axes.lines if one.get_color() == TRAINING[condition]]
        np.testing.assert_allclose(points.get_xdata(), its["mean"])
        assert points.get_marker() == TRAINING_MARKERS[condition]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    low, high = axes.get_ylim()
    assert low > 1 and high < 0, "the first row is at the top"
