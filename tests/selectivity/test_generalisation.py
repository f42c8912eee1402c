"""Same preference on independent images: by hand, with correlated units, and on a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from support.tiny_cohort import RandomImages, network

from helpers.core.bootstrap import draw_weights
from helpers.core.intervals import proportion_interval
from helpers.core.moments import t_values
from helpers.networks.activations import extract_activations
from helpers.networks.registry import NetworkEntry
from helpers.selectivity import generalisation
from helpers.selectivity.generalisation import measure_same_preference, same_preference_intervals
from helpers.selectivity.statistics import resampled_moments, subtract_minimum
from helpers.selectivity.study import localize_network, measure_generalisation
from helpers.stimuli.image_sets import DOMAINS, ImageSet

LABELS = np.repeat([0, 1, 2, 3], 12)
CANDIDATES = np.arange(3)


def same_preference_interval(*arguments, **settings) -> tuple[float, float, float]:
    """Of the units of all candidates."""
    return tuple(same_preference_intervals(*arguments, **settings)[-1])


def fraction_by_hand(x, labels, defined) -> float:
    t = np.array([np.mean([stats.ttest_ind(x[labels == d], x[labels == e]).statistic
                           for e in range(4) if e != d], axis=0) for d in CANDIDATES])
    return float((t.argmax(0) == defined).mean())


def test_the_fraction_is_that_of_scipys_t_and_chunks_do_not_change_it(monkeypatch):
    rng = np.random.default_rng(0)
    x, defined = rng.normal(size=(48, 30)).astype(np.float32), rng.integers(3, size=30)
    x[LABELS == 1, :8] += 1
    expected = fraction_by_hand(x, LABELS, defined)
    whole = same_preference_interval(x, LABELS, defined, CANDIDATES, seed=1, n_resamples=50)
    assert whole[0] == pytest.approx(expected) and whole[1] < expected < whole[2]
    monkeypatch.setattr(generalisation, "CHUNK", 1000)
    assert whole == same_preference_interval(x, LABELS, defined, CANDIDATES, seed=1, n_resamples=50)


def test_each_domains_row_is_that_of_its_units_alone():
    rng = np.random.default_rng(2)
    x, defined = rng.normal(size=(48, 40)), rng.integers(2, size=40)
    x[LABELS == 1, :20] += 0.5
    rows = same_preference_intervals(x, LABELS, defined, CANDIDATES, seed=1, n_resamples=50)
    for candidate in (0, 1):
        own = defined == candidate
        assert tuple(rows[candidate]) == same_preference_interval(
            x[:, own], LABELS, defined[own], CANDIDATES, seed=1, n_resamples=50)
    assert np.isnan(rows[2]).all()


def test_the_interval_is_that_of_images_drawn_again_within_domains():
    """The half width is 1.96 standard deviations of a plain bootstrap."""
    rng = np.random.default_rng(3)
    defined = np.array([0, 1, 2] * 4)
    x = rng.normal(size=(48, 12)) + 0.6 * np.eye(4)[LABELS][:, defined]
    plain = []
    for _ in range(100):
        rows = np.concatenate([rng.choice(np.flatnonzero(LABELS == d), 12) for d in range(4)])
        plain.append(fraction_by_hand(x[rows], LABELS, defined))
    fraction, low, high = same_preference_interval(x, LABELS, defined, CANDIDATES, seed=0)
    assert fraction - low == pytest.approx(1.96 * np.std(plain), rel=0.3)
    assert high == pytest.approx(min(1, 2 * fraction - low))


def test_correlated_units_without_a_preference_stay_around_chance():
    """Copies of five units: the expected fraction is 1 / 3; a binomial interval misses it often."""
    rng, covered, binomial = np.random.default_rng(1), [], []
    for _ in range(60):
        x = np.repeat(rng.normal(size=(48, 5)), 20, axis=1) + 0.05 * rng.normal(size=(48, 100))
        defined = np.repeat(rng.integers(3, size=5), 20)
        fraction, low, high = same_preference_interval(x, LABELS, defined, CANDIDATES, seed=0,
                                                       n_resamples=99)
        covered.append(low <= 1 / 3 <= high)
        naive = proportion_interval(round(100 * fraction), 100)
        binomial.append(naive[0] <= 1 / 3 <= naive[1])
    assert np.mean(covered) >= 0.85 and np.mean(binomial) < 0.6


def test_planted_preferences_are_all_found_and_dead_units_have_none():
    defined = np.array([0, 1, 2, 0])
    x = np.random.default_rng(0).normal(size=(48, 4)) + 20 * np.eye(4)[LABELS][:, defined]
    assert same_preference_interval(x, LABELS, defined, CANDIDATES, seed=0) == (1, 1, 1)
    assert same_preference_interval(x, LABELS, (defined + 1) % 3, CANDIDATES, seed=0) == (0, 0, 0)
    x[:, 3] = 0.1
    assert same_preference_interval(x, LABELS, defined, CANDIDATES, seed=0)[0] == 0.75
    none = same_preference_interval(x[:, :0], LABELS, defined[:0], CANDIDATES, seed=0)
    assert np.isnan(none).all()


def test_units_silent_in_two_domains_keep_their_preference_in_every_resample():
    """Between the two, t is NaN, not one rounding error over another."""
    rng, labels = np.random.default_rng(3), np.repeat(np.arange(4), 12)
    activations = rng.gamma(2, 1, (48, 400)).astype(np.float32) / 7
    activations[:24] = 0
    activations[24:36] *= rng.random((12, 400)) < 0.5
    activations[36:] += 3
    for values in (activations, -activations):
        weights = draw_weights(labels, seed=0, n_resamples=50)
        own = torch.from_numpy(weights * (labels == np.arange(4)[:, None, None]))
        t, _ = t_values(resampled_moments(subtract_minimum(values), own), 0, 1)
        assert t.isnan().all()
    found = same_preference_intervals(activations, labels, np.full(400, 3), np.arange(4), seed=0)
    np.testing.assert_array_equal(found[[3, 4]], 1)


def test_a_unit_that_separates_perfectly_prefers_what_it_separates():
    x = np.eye(4)[LABELS][:, [0, 1]]
    assert same_preference_interval(x, LABELS, np.array([0, 1]), CANDIDATES, seed=0) == (1, 1, 1)


def write_images(root, order, seed) -> ImageSet:
    """Write twelve images of random colours for each domain."""
    pixels, domains = RandomImages(48, seed=seed), tuple(np.repeat(order, 12).tolist())
    files = tuple(f"{number}.png" for number in range(len(pixels)))
    root.mkdir()
    for number, name in enumerate(files):
        pixels.open(number).save(root / name)
    return ImageSet(root, files, domains, domains, tuple(order))


@pytest.fixture
def arbitrary(private):
    """A network, arbitrary labels of its units, and independent images."""
    tiny = network()
    tiny = replace(tiny, entry=NetworkEntry("tiny-net", "tiny", tiny.preprocessing, "none", "none",
                                            {"width": 1}))
    defining = write_images(private / "defining", DOMAINS[:4], 0)
    independent = write_images(private / "independent", DOMAINS[3::-1], 1)
    result = localize_network(tiny, defining)
    rng = np.random.default_rng(0)
    return tiny, replace(result, labels={
        layer: rng.integers(4, size=labels.size).astype(np.uint8)
        for layer, labels in result.labels.items()}), independent


def test_all_layers_of_a_network_are_pooled_as_the_table_counts_them(arbitrary):
    """Units of every layer, whatever the domains' order and the batches."""
    tiny, result, independent = arbitrary
    table = measure_generalisation(result, localize_network(tiny, independent)).dropna()
    expected = (table["n_units"] * table["same_preference"]).sum() / table["n_units"].sum()
    assert table["layer"].nunique() == 3
    fraction, low, high = measure_same_preference(tiny, result, independent, seed=0,
                                                  batch_size=7)["all"]
    assert fraction == pytest.approx(expected) and low < expected < high
    row = table.set_index(["layer", "domain"]).loc[("conv", "faces"), "same_preference"]
    conv = measure_same_preference(tiny, result, independent, seed=0, layers=["conv"])
    assert conv["faces"][0] == pytest.approx(row) != fraction
    assert list(conv) == [*table["domain"].unique(), "all"]


def test_of_many_units_some_are_drawn_and_only_these_are_measured(arbitrary, monkeypatch):
    """Drawn from all layers; the domains count by all of their units."""
    tiny, result, independent = arbitrary
    whole, measured = measure_same_preference(tiny, result, independent, seed=0), []

    def extract(model, layers, batches, units):
        measured.append({layer: len(own) for layer, own in units.items()})
        return extract_activations(model, layers, batches, units)

    monkeypatch.setattr(generalisation, "extract_activations", extract)
    monkeypatch.setattr(generalisation, "MAX_UNITS", 40)
    some = measure_same_preference(tiny, result, independent, seed=0)
    n_units = {domain: sum(int((labels == index).sum()) for labels in result.labels.values())
               for index, domain in enumerate(result.domains)}
    assert sum(measured[0].values()) == sum(min(40, n) for n in n_units.values())
    assert all(measured[0].values()), "units of every layer"
    pooled = sum(n * some[domain][0] for domain, n in n_units.items()) / sum(n_units.values())
    assert some["all"][0] == pytest.approx(pooled)
    for domain, (fraction, _, _) in some.items():
        error = np.sqrt(whole[domain][0] * (1 - whole[domain][0]) / 40)
        assert fraction == pytest.approx(whole[domain][0], abs=4 * error)
