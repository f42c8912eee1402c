"""A whole study of concepts on tiny NSD files: counts, regions, weights, percent; its panels."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy.stats import ttest_1samp
from support.brain_files import write_tiny_annotations, write_tiny_nsd

from helpers.brains.nsd import NSD
from helpers.brains.surfaces import Surface
from helpers.concepts import cards, plots
from helpers.concepts.clustering import count_shared
from helpers.concepts.description import Description
from helpers.concepts.encoding_weights import ALPHAS, fit_encoding_weights, select_alpha
from helpers.concepts.merge_tree import Persistence
from helpers.concepts.stability import MAX_FRACTION_BY_CHANCE
from helpers.concepts.study import ENCODING, RADIUS_STEP, ConceptStudy
from helpers.concepts.suppression import p_below_zero, suppression_levels
from helpers.config.shared_concepts import ConceptSpec, DecoderTraining, DecodingSpec
from helpers.core.errors import LabError
from helpers.decoding.embedding_space import EmbeddingSpace
from helpers.decoding.study import DecodingStudy, TrainingVariant
from helpers.decoding.vectors import unit

matplotlib.use("agg")


@pytest.fixture(scope="module")
def study(private_module):
    """Open a study of five participants whose embeddings are what all their voxels tell."""
    root = write_tiny_nsd(private_module / "nsd", n_shared=12, n_own=60, n_subjects=5)
    write_tiny_annotations(root)
    cohort = NSD(root, n_pool=40, n_batches=2, n_shared=0)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(cohort.info), 6))
    for subject in cohort.subjects:
        found = cohort.whole_brain(subject, -1.0)
        signal = np.nanmean(found.betas, axis=1)[:, :90]
        vectors[found.conditions] = signal @ np.repeat(np.eye(6), 15, axis=0)
    space = EmbeddingSpace("drawn", unit(vectors).astype(np.float32), "0" * 64,
                           lambda texts: vectors[:len(texts)])
    spec = DecodingSpec("x", n_test=16, n_validation=10, n_pool=8, training=DecoderTraining(
        iterations=150, batch_size=32, learning_rate=1e-2, n_seeds=2))
    decoding = DecodingStudy(cohort, space, spec, 0, torch.device("cpu"))
    return ConceptStudy(decoding, ConceptSpec(eps=(.2, .4, .6), n_nulls=3, min_count=1))


@pytest.mark.slow
def test_a_study_agrees_with_counting_by_hand(study):
    found = study.concepts
    assert found.n_clusters >= 1 and found.eps == study.radius
    assert set(study.spec.eps) | {study.radius} == set(study.radii)
    assert {name: values.shape for name, values in study.rotation_null.items()} == {
        name: (3, len(study.radii)) for name in ("concepts", "voxels")}
    assert study.permutation_null["voxels"].shape == (1, 3)
    shared = count_shared(study.clusters_by_radius)["voxels"]
    place = study.sharing_test.p_of_radius.argmin()
    assert shared[place] > study.rotation_null["voxels"].mean(0)[place]
    for concept in range(found.n_clusters):
        where = study.vertices(concept)
        for number, subject in enumerate(study.subjects):
            mine = sum(len(vertex) for (name, _), vertex in where.items() if name == subject)
            assert mine == found.expanded_counts()[concept, number]
        inside = sum((study.decoding.trials(subject).members["PPA"] & (labels == concept)).sum()
                     for subject, labels in zip(study.subjects, found.labels))
        assert study.fraction_in_regions(["PPA"])[concept] == inside / found.counts()[concept].sum()
    assert np.isnan(study.fraction_in_regions(["LOC"])).all() and len(
        study.roi_overlap()) == found.n_clusters
    assert {"cat", "dog", "pizza", "red"} <= set(study.words)


@pytest.mark.slow
def test_the_radius_is_chosen_without_the_draws_and_the_clusters_that_are_tested(study,
                                                                                 monkeypatch):
    """A study whose clusters of all images, and whose rotations of them, cannot be had."""
    alone = ConceptStudy(study.decoding, replace(study.spec, eps=(.05, .1, .3)))
    for name in ("weights", "rotation_null", "clusters_by_radius"):
        monkeypatch.setattr(ConceptStudy, name, property(lambda _: pytest.fail("was asked for")))
    by_chance, radius = alone.fraction_by_chance, alone.radius
    allowed = [one for one, fraction in by_chance.items() if fraction <= MAX_FRACTION_BY_CHANCE]
    assert list(by_chance) == sorted(by_chance) and set(alone.spec.eps) <= set(by_chance)
    assert allowed and radius == max(allowed)


@pytest.mark.slow
def test_the_radius_is_that_of_a_whole_grid_of_small_steps(study):
    few, many = (ConceptStudy(study.decoding, replace(study.spec, eps=eps)) for eps in (
        (.05, .1, .3), tuple(round(.05 + RADIUS_STEP * step, 2) for step in range(26))))
    assert .05 < few.radius < .1 and few.radius == few.concepts.eps == many.radius
    assert few.radii == (.05, few.radius, .1, .3) and many.radii == many.spec.eps
    assert few.rotation_null["voxels"].shape == (3, 4)
    assert set(few.fraction_by_chance) == {*many.spec.eps[:6], .3}, "steps in one interval alone"
    assert few.fraction_by_chance == {one: many.fraction_by_chance[one]
                                      for one in few.fraction_by_chance}


def test_encoding_weights_are_regressions_of_each_voxel_on_the_embedding(study):
    """Half of the images: weights of these alone; the penalty is set by the first half."""
    subject, half = study.subjects[1], TrainingVariant(half=2)
    encoding, trials = replace(study, kind=ENCODING), study.decoding.trials(subject)
    first, conditions = (study.decoding.training_pairs(trials.splits[0], TrainingVariant(half=n))[0]
                         for n in (1, 2))
    x, y = study.decoding.space.vectors[conditions].astype(float), trials.means(conditions)
    x, y = x - x.mean(0), y - y.mean(0)
    error = {alpha: leave_one_out_error(study.decoding.space.vectors[first].astype(float),
                                        trials.means(first).astype(float), alpha)
             for alpha in ALPHAS}
    alpha = min(error, key=error.get)
    by_hand = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ y).T
    found = encoding.points(half)[subject]
    assert found.shape == (trials.responses.shape[1], x.shape[1])
    np.testing.assert_allclose(found, by_hand, atol=1e-4 * np.abs(by_hand).max())
    assert select_alpha(study.decoding.space.vectors[first], trials.means(first)) == alpha


def leave_one_out_error(x, y, alpha) -> float:
    """Fit without each image in turn."""
    total = 0.0
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        mean, y_mean = x[rest].mean(0), y[rest].mean(0)
        centred = x[rest] - mean
        weights = np.linalg.solve(centred.T @ centred + alpha * np.eye(x.shape[1]),
                                  centred.T @ (y[rest] - y_mean))
        total += (((x[row] - mean) @ weights + y_mean - y[row]) ** 2).sum()
    return total


def test_encoding_weights_find_what_voxels_share_where_decoder_weights_split_it():
    """Voxels with the same signal and noise of their own, besides one that cancels the noise."""
    rng = np.random.default_rng(0)
    images = unit(rng.standard_normal((400, 8)))
    direction = unit(rng.standard_normal((2, 8)))
    signal = images @ direction.T
    responses = np.repeat(signal, 20, axis=1) + .5 * rng.standard_normal((400, 40))
    weights = unit(fit_encoding_weights(images, responses, select_alpha(images, responses)))
    cosine = weights @ direction.T
    assert cosine[:20, 0].min() > .8 and cosine[20:, 1].min() > .8
    filters = unit(fit_encoding_weights(responses, images, 1.0).T)
    assert (filters @ direction.T)[:20, 0].mean() < cosine[:20, 0].mean() - .1


@pytest.mark.slow
def test_a_study_of_encoding_weights_has_clusters_nulls_and_cards_of_its_own(study):
    encoding = replace(study, kind=ENCODING)
    assert encoding.concepts.n_clusters >= 1
    assert not np.array_equal(encoding.rotation_null["voxels"], study.rotation_null["voxels"])
    shown = Description(encoding)
    table, first = shown.table(), int(shown.order[0])
    assert table["voxels"].tolist() == sorted(table["voxels"], reverse=True)
    card, = shown.cards([first])
    assert list(card.counts) == encoding.concepts.expanded_counts()[first].tolist()
    assert len(card.nearest) == 6 and len(card.near_words) == 3
    known = encoding.known_conditions
    cosine = unit(encoding.decoding.space.vectors[known]) @ encoding.centroids[first]
    assert shown.images[0][first][0] == known[cosine.argmax()]
    assert shown.images[1][first][0] == known[cosine.argmin()]


@pytest.mark.slow
def test_percent_signal_change_is_that_of_the_voxels_that_were_clustered(study):
    subject = study.subjects[1]
    trials, test = study.decoding.trials(subject), study.test_conditions(subject)
    percent = study.percent_signal_change(subject)
    assert percent.shape == (16, trials.responses.shape[1])
    raw, place = study.decoding.cohort.percent(subject, -1.0), 7
    column = np.flatnonzero((raw.hemisphere == trials.hemisphere[place])
                            & (raw.vertex == trials.vertex[place]))[0]
    mean = np.nanmean(raw.betas[raw.rows(test)], axis=1)[:, column]
    np.testing.assert_allclose(percent[:, place], mean, rtol=1e-5)
    levels = suppression_levels(study, {subject: percent}, fraction=.25)
    one = levels.iloc[0]
    near = study.decoding.space.vectors[test] @ study.centroids[one["concept"]]
    order = np.argsort(-near)
    assert one["most"] == pytest.approx(percent[order[:4], one["voxel"]].mean(), rel=1e-5)
    assert one["least"] == pytest.approx(percent[order[-4:], one["voxel"]].mean(), rel=1e-5)
    assert suppression_levels(study, {subject: None}).empty


def test_the_test_below_baseline_is_scipys():
    values = np.random.default_rng(0).normal(-.3, 1, 12)
    assert p_below_zero(values) == pytest.approx(ttest_1samp(values, 0, alternative="less").pvalue)
    assert p_below_zero(np.full(3, -1.0)) == 0 and p_below_zero(np.zeros(3)) == 1


def test_objects_and_others_are_asked_of_held_out_images(study):
    labels = study.object_labels()
    assert labels.empty  # sixteen test images hold no object often enough
    without = study.leave_one_out()
    assert len(without) == len(study.subjects) * study.concepts.n_clusters
    assert without["again"].max() <= 1 and without["r"].dropna().between(-1, 1).all()


def test_bad_tables_are_reported():
    for wrong, said in (({"eps": (.5, .4)}, "rising radii"), ({"eps": (.5, 2.0)}, "less than 2"),
                        ({"n_nulls": 0}, "n_nulls"), ({"expansion": -.1}, "expansion")):
        with pytest.raises((ValueError, LabError), match=said):
            ConceptSpec(**wrong)
    for wrong in ({}, {"network": "x", "n_test": 5, "n_pool": 9}):
        with pytest.raises(LabError, match="no table of names|n_pool = 9 and n_test = 5"):
            DecodingSpec(**wrong)


def sheet(depth):
    """Return a sheet of 5 x 4 points, flat where its depth is 0."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0), indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), depth * np.sin(x.ravel())], axis=1)
    number = np.arange(20).reshape(5, 4)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3),
                            np.stack([b, d, c], -1).reshape(-1, 3)])
    return Surface(points, faces, np.arange(20))


def cortex(surfaces, people, outlines=()):
    return cards.Cortex(tuple(people), surfaces, dict(outlines))


def test_maps_are_drawn_flat_over_one_another_or_folded_one_by_one():
    people, inside = ["a", "b"], {("a", "lh"): np.array([1, 2]), ("b", "lh"): np.array([2, 4, 5])}
    flat = cortex({place: sheet(0) for place in inside}, people)
    axes = Figure().add_subplot(**cards.map_axes(flat))
    cards.concept_map(axes, flat, inside)
    dots = axes.collections[-1]
    shown = {tuple(place): n for place, n in zip(dots.get_offsets(), dots.get_array())}
    points = sheet(0).points[:, [1, 0]]
    assert shown == {tuple(points[k]): n for k, n in {1: 1, 2: 2, 4: 1, 5: 1}.items()}
    folded = cortex({place: sheet(1.5) for place in inside}, people)
    figure = Figure()
    axes = figure.add_subplot(**cards.map_axes(folded))
    assert axes.name == "3d"
    cards.concept_map(axes, folded, inside)
    assert len(axes.collections) == 1
    cards.concept_map(figure.add_subplot(), cortex({}, people), inside)


def test_a_region_of_half_of_the_participants_has_an_outline():
    flat = {("a", "lh"): sheet(0)}
    for inside, n in ((np.arange(20) < 8, 1), (np.zeros(20), 0), (np.ones(20), 0)):
        axes = Figure().add_subplot()
        outlined = cortex(flat, ["a"], {("lh", "faces"): inside.astype(float)})
        cards.concept_map(axes, outlined, {})
        lines = [one for one in axes.collections if "Contour" in type(one).__name__]
        assert len(lines) == n


def test_members_at_any_radius_are_found_on_the_sheet(study):
    found = study.concepts
    for concept in range(found.n_clusters):
        where = cards.member_vertices(study, found, concept)
        for number, subject in enumerate(study.subjects):
            mine = [vertex for (name, _), vertex in where.items() if name == subject]
            assert sum(map(len, mine)) == found.counts()[concept, number]


def test_cards_say_what_they_are_given():
    people, vertices = ["a", "b"], {("a", "lh"): np.array([1, 2])}
    flat = cortex({(name, "lh"): sheet(0) for name in people}, people)
    picture = Image.new("RGB", (9, 9), "red")
    one = cards.Card("7: EBA", vertices, [2, 0], [picture] * 6, [picture], ["cat 0.90"], ["near"],
                     ["far"])
    figure = Figure(figsize=(7.2, cards.card_height(2)))
    cards.draw_cards(figure, [one, one], flat)
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert {"7: EBA", "cat 0.90", "near: near", "far: far", "nearest images"} <= set(texts)
    assert cards.card_height(8) <= 9
    chosen = cards.explore_card(one, flat, "b")
    assert not [dots for dots in chosen.axes[0].collections if len(dots.get_offsets()) == 2]
    cards.draw_cards(Figure(figsize=(7.2, cards.card_height(0))), [], cortex({}, people))


def test_panels_show_what_they_are_given():
    axes = Figure().add_subplot()
    cards.image_strip(axes, [Image.new("RGB", (9, 9), c) for c in ("red", "blue")], 2)
    shown = axes.images[0].get_array()
    assert shown[5, 5].tolist() == [255, 0, 0] and shown[5, 70].tolist() == [0, 0, 255]
    axes = Figure().add_subplot()
    cards.count_bars(axes, [3, 0], ["a", "b"])
    assert [bar.get_width() for bar in axes.patches] == [3, 0]
    axes = Figure().add_subplot()
    persistence = Persistence(np.array([.1, .2]), np.array([np.inf, .5]), np.arange(2),
                              np.array([9, 3]))
    plots.persistence_bars(axes, persistence, .3)
    ends = [segment[1][0] for segment in axes.collections[0].get_segments()]
    assert ends == pytest.approx([.5, .22])
    axes = Figure().add_subplot()
    table = pd.DataFrame({"x": [3, 1], "y": [0, 1]}, index=["food", "cars"])
    plots.ground_truth_matrix(axes, table)
    np.testing.assert_allclose(axes.images[0].get_array(), [[1, 0], [.5, .5]])
    axes = Figure().add_subplot()
    plots.null_lines(axes, [.1, .2], [4, 8], {"turned": np.array([[1, 2], [3, 400]])}, .2,
                     unit="voxels")
    assert axes.lines[1].get_ydata().tolist() == [2, 201] and axes.get_ylim()[1] > 400
    axes = Figure().add_subplot()
    plots.paired_lines(axes, {"x": [.5, .6], "y": [.1, np.nan]}, "r")
    plots.null_histogram(axes, [0, 1, 1], 2, "pairs")
    assert sum(bar.get_height() for bar in axes.patches) == 3


def test_figures_of_tests_are_drawn_without_a_truth_and_without_concepts():
    empty = pd.DataFrame({"recall": []})
    shown = plots.Evidence(
        [.1, .2], .1, Persistence(np.array([.1]), np.array([np.inf]), np.zeros(1, int),
                                  np.array([9])),
        {"concepts": np.zeros(2), "voxels": np.zeros(2)},
        {"rotated": {"concepts": np.zeros((2, 2)), "voxels": np.zeros((2, 2))}},
        {"one": [np.nan]}, {"x": [np.nan], "y": [np.nan]}, .8,
        pd.DataFrame({"most": [], "usual": [], "least": []}), {"weights": empty})
    figure = Figure()
    plots.draw_evidence(figure, shown, longest=5)
    assert "no known truth" in "".join(text.get_text() for text in figure.findobj(Text))
    plots.draw_details(Figure(), shown, np.empty((0, 0)), np.zeros(3, int), 0, pd.DataFrame(),
                       pd.DataFrame())
