"""Stages on the six sets, what they tell, and matched models side by side; on planted networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import stats
from statsmodels.stats.multitest import multipletests
from torch import nn

from helpers.config.vision_language import LanguageSpec
from helpers.core.errors import LabError
from helpers.core.moments import Moments
from helpers.matched_models.block_statistics import (
    ALL_IMAGES,
    FDR_ALPHA,
    FDR_ALPHAS,
    BlockStatistics,
    HeldOutResponses,
    collect_held_out_responses,
    compute_block_statistics,
    with_block_layers,
)
from helpers.matched_models.layer_consistency import consistency, mean_consistency_matrix
from helpers.matched_models.statistics import (
    TUNING_MEASURES,
    bootstrap_tuning_strength,
    growth_with_depth,
    mean_per_network,
    mean_sign,
    name_differences,
    paired_differences,
    paired_differences_by_layer,
    selective_proportion_table,
    sum_over_domains,
    tuning_strength_table,
)
from helpers.matched_models.study import MatchedModelsStudy
from helpers.networks.activations import extract_activations
from helpers.networks.network import Network
from helpers.networks.registry import NetworkEntry, Preprocessing, seed_names
from helpers.selectivity.statistics import lifetime_sparseness, localize, min_t
from helpers.selectivity.study import NONE
from helpers.selectivity.study import stream_moments as measure_moments
from helpers.selectivity.unit_distribution import MEASURES
from helpers.stimuli.image_sets import CORE, FLOC, floc
from helpers.stimuli.six_category_localizer import (
    SIX_CATEGORIES,
    SixCategoryLocalizer,
    make_six_category_localizer,
)

CELL = {"faces": 0, "bodies": 1, "scenes": 2, "characters": 3}
"""Of 4 x 4 cells, the one that is bright in the images of a domain."""
ONCE = (10, 13)
"""Cells that are bright in the faces of one half of the images alone."""
ELSEWHERE, DARK = 8, (14, 15)
"""A second bright cell of all but faces, and two dark ones of all: no set's ground is darker."""

pytestmark = pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")


class Cells(nn.Module):
    """Brightness of 4 x 4 cells, once and twice over, and a dead map; then some of these units."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Conv2d(3, 3, 1))
        self.flat = nn.Flatten()
        self.mix = nn.Linear(48, 10)
        with torch.no_grad():
            for layer in (self.stage[1], self.mix):
                layer.weight.zero_()
                layer.bias.fill_(0)
            self.stage[1].weight[0] = 1 / 3
            self.stage[1].weight[1] = 2 / 3
            self.stage[1].bias[2] = 0.25
            for unit, cell in enumerate([*CELL.values(), *CELL.values()]):
                self.mix.weight[unit, cell] = 1 + unit
            self.mix.weight[8, :16] = 1 / 16
            self.mix.bias[9] = 0.5

    def forward(self, x):
        return self.mix(self.flat(self.stage(x)))


def planted_network(name: str = "planted", model: nn.Module | None = None) -> Network:
    view = Preprocessing(16, 16, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    entry = NetworkEntry(name, "none", view, "none", "none", {})
    return Network(name, entry, (model or Cells()).eval(), {"flat": "flat"}, view,
                   f"digest of {name}", (3, 16, 16))


def cells_of(domain: str, number: int) -> list[int]:
    own = CELL.get(domain, ELSEWHERE)
    return [own, ONCE[number % 2]] if domain == "faces" else [own, ELSEWHERE]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> SixCategoryLocalizer:
    root = tmp_path_factory.mktemp("planted") / "floc"
    rng = np.random.default_rng(0)
    for category, domain in FLOC.items():
        (root / category).mkdir(parents=True)
        for number in range(16):
            pixels = 128 + 15 * rng.standard_normal((16, 16))
            for cells, step in ((cells_of(domain, number), 60), (DARK, -60)):
                for y, x in (divmod(cell, 4) for cell in cells):
                    pixels[4 * y:4 * y + 4, 4 * x:4 * x + 4] += step
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                root / category / f"{category}-{number}.png")
    return make_six_category_localizer(floc(root))


@pytest.fixture(scope="module")
def network() -> Network:
    return with_block_layers(planted_network(), ["stage", "mix"])


@pytest.fixture(scope="module")
def activations(network, images) -> dict[str, np.ndarray]:
    batches = images.batches([range(len(images))], network.preprocessing)
    found = extract_activations(network.model, network.layers, batches)
    return {layer: values.double().numpy() for layer, values in found.items()}


@pytest.fixture(scope="module")
def blocks(network, images, tmp_path_factory) -> dict[str, BlockStatistics]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        return compute_block_statistics(network, images, batch_size=7)


def groups_of(values: np.ndarray, images: SixCategoryLocalizer, part: int) -> list[np.ndarray]:
    """Split the rows of one half, or of all images, by their set."""
    within = np.full(len(images), True) if part == ALL_IMAGES else images.halves == part
    return [values[within & (np.array(images.domains) == name)] for name in SIX_CATEGORIES]


def live(values: np.ndarray) -> np.ndarray:
    return np.ptp(values, axis=0) > 1e-6


# ---- statistics of units ------------------------------------------------------------------------

def moments_of(groups: list[np.ndarray]) -> Moments:
    groups = [torch.from_numpy(values.astype(np.float32)) for values in groups]
    moments = Moments.start(len(groups), groups[0][0])
    for index, values in enumerate(groups):
        for part in values.split(5):
            moments.update(part, index)
    return moments


def random_groups(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.maximum(rng.standard_normal((n, 60)) + rng.random(60), 0).astype(np.float32)
            for n in (9, 14, 6, 11)]


@pytest.mark.parametrize("seed", range(5))
def test_the_least_t_is_the_smallest_of_scipys(seed):
    groups = random_groups(seed)
    expected = [np.min([stats.ttest_ind(one.astype(float), other.astype(float)).statistic
                        for other in groups if other is not one], axis=0) for one in groups]
    found = min_t(moments_of(groups)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert ((found > 0).sum(0) <= 1).all() and (found > 0).any()


def test_units_that_pass_the_conjunction_test_have_a_positive_least_t():
    groups = random_groups(0)
    for domain, values in enumerate(groups):
        values[:, 10 * domain:10 * domain + 5] += 3
    moments = moments_of(groups)
    mask = localize(moments, ("a", "b", "c", "d")).mask
    assert mask.sum() >= 18 and (min_t(moments)[mask] > 0).all()


def test_units_without_a_contrast_have_no_least_t():
    groups = random_groups(0)
    for values in groups:
        values[:, 7] = 2
    found = min_t(moments_of(groups))
    assert torch.isnan(found[:, 7]).all() and torch.isfinite(found[:, :7]).all()


def test_lifetime_sparseness_by_hand():
    # Constant; one image of four; 1 to 4: (1 - 2.5**2 / 7.5) / (1 - 1 / 4); never.
    rows = np.array([[2, 0, 1, 0], [2, 5, 2, 0], [2, 0, 3, 0], [2, 0, 4, 0]], float)
    found = lifetime_sparseness(moments_of([rows[:1], rows[1:]])).numpy()
    np.testing.assert_allclose(found[:3], [0, 1, (1 - 6.25 / 7.5) * 4 / 3], atol=1e-6)
    assert np.isnan(found[3])


@pytest.mark.parametrize("seed", range(3))
def test_lifetime_sparseness_is_the_formula_over_all_images(seed):
    groups = random_groups(seed)
    rows = np.concatenate(groups).astype(float)
    expected = (1 - rows.mean(0)**2 / (rows**2).mean(0)) / (1 - 1 / len(rows))
    found = lifetime_sparseness(moments_of(groups)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    again = lifetime_sparseness(moments_of([rows[:20], rows[20:]]))
    np.testing.assert_allclose(again, expected, rtol=1e-5)


# ---- stages -------------------------------------------------------------------------------------

def test_stages_have_the_shapes_of_their_layers(blocks):
    assert list(blocks) == ["stage", "mix"]
    assert blocks["stage"].shape == (3, 4, 4) and blocks["mix"].shape == (10, 1, 1)
    for layer, n_units in (("stage", 48), ("mix", 10)):
        one = blocks[layer]
        assert one.sets == SIX_CATEGORIES and one.labels.shape == (len(FDR_ALPHAS), 3, n_units)
        assert one.mean.shape == one.selectivity_index.shape == one.d_prime.shape == (6, 2, n_units)
        assert one.min_t.shape == (6, 2, n_units) and one.sparseness.shape == (2, n_units)


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("layer", ["stage", "mix"])
def test_fields_are_those_of_collected_activations(blocks, activations, images, layer, half):
    found, values = blocks[layer], activations[layer]
    groups, alive = groups_of(values, images, half), live(values)
    rows = np.concatenate(groups)
    sparseness = (1 - rows.mean(0)**2 / (rows**2).mean(0)) / (1 - 1 / len(rows))
    np.testing.assert_allclose(found.sparseness[half], sparseness, rtol=1e-4, atol=1e-6)
    for of, own in enumerate(groups):
        rest = [values for place, values in enumerate(groups) if place != of]
        mean, mean_rest = own.mean(0), np.mean([values.mean(0) for values in rest], axis=0)
        pooled = np.concatenate(rest)
        deviation = np.sqrt((own.var(0, ddof=1) + pooled.var(0, ddof=1)) / 2)
        deviation[~alive] = np.nan
        t = np.min([stats.ttest_ind(own, values).statistic for values in rest], axis=0)
        for field, expected in (
                ("mean", mean), ("selectivity_index", (mean - mean_rest) / (mean + mean_rest)),
                ("d_prime", (own.mean(0) - pooled.mean(0)) / deviation), ("min_t", t)):
            np.testing.assert_allclose(getattr(found, field)[of, half, alive], expected[alive],
                                       rtol=1e-3, atol=1e-4, err_msg=field)
    assert np.isnan(found.min_t[:, half, ~alive]).all() and (~alive).any()


@pytest.mark.parametrize("part", [0, 1, ALL_IMAGES])
def test_labels_are_those_of_scipy_and_statsmodels_at_every_rate(blocks, activations, images,
                                                                 part):
    values = activations["stage"]
    groups, alive = groups_of(values, images, part), live(values)
    for place, fdr_alpha in enumerate(FDR_ALPHAS):
        expected = np.full(values.shape[1], NONE)
        for of, own in enumerate(groups):
            passed = alive.copy()
            for other in groups:
                if other is not own:
                    t, p = stats.ttest_ind(own, other)
                    p = np.where(alive, np.nan_to_num(p, nan=1), 1)
                    passed &= multipletests(p, fdr_alpha, method="fdr_by")[0] & (t > 0)
            expected[passed] = of
        np.testing.assert_array_equal(blocks["stage"].labels[place, part], expected)


def test_planted_units_are_selective_and_stand_at_their_place(blocks):
    for domain, cell in CELL.items():
        whole = blocks["stage"].to_feature_maps(blocks["stage"].selective_mask(domain))
        assert whole.shape == (3, 4, 4)
        y, x = divmod(cell, 4)
        assert whole[0, y, x] and whole[1, y, x] and not whole[2].any()
        assert np.flatnonzero(blocks["mix"].selective_mask(domain)).tolist() == [cell, cell + 4]
    assert not blocks["mix"].selective_mask("scrambled scenes").any()


def test_halves_find_what_they_show(blocks):
    one = blocks["stage"]
    for half, cell in enumerate(ONCE):
        found = np.flatnonzero(one.selective_mask("faces", half)).tolist()
        assert found == [0, cell, 16, 16 + cell]


def test_selective_reads_the_rate(blocks):
    one = blocks["stage"]
    for fdr_alpha in FDR_ALPHAS:
        np.testing.assert_array_equal(one.selective_mask("scenes", 1, fdr_alpha),
                                      one.labels[FDR_ALPHAS.index(fdr_alpha), 1] == 2)
    np.testing.assert_array_equal(one.selective_mask("scenes"),
                                  one.selective_mask("scenes", ALL_IMAGES, FDR_ALPHA))


def stage_of(**fields: np.ndarray) -> BlockStatistics:
    """Make a stage of two sets and six units by hand."""
    plain = {"labels": np.full((len(FDR_ALPHAS), 3, 6), NONE, np.uint8),
             "sparseness": np.zeros((2, 6), np.float32),
             **{name: np.zeros((2, 2, 6), np.float32)
                for name in ("mean", "selectivity_index", "d_prime", "min_t")}}
    return BlockStatistics(("faces", "scenes"), (2, 3, 1), **(plain | fields))


def test_the_best_units_are_those_of_the_largest_least_t_of_a_half():
    t = np.zeros((2, 2, 6), np.float32)
    t[1, 0] = [np.nan, 3, np.inf, -np.inf, 5, 3]
    t[1, 1] = [1, 2, 3, 4, 5, 6]
    one = stage_of(min_t=t)
    assert one.top_units("scenes", 0, 2).tolist() == [2, 4]
    assert one.top_units("scenes", 0, 4).tolist() == [2, 4, 1, 5], "the first of equal ones first"
    assert one.top_units("scenes", 0, 9).tolist() == [2, 4, 1, 5, 3], "no dead unit"
    assert one.top_units("scenes", 1, 2).tolist() == [5, 4]
    assert stage_of(min_t=t * np.nan).top_units("faces", 0, 3).tolist() == []


def test_maps_lie_as_the_layer_lays_them_out():
    found = stage_of().to_feature_maps(np.arange(6) == 4)
    assert found.shape == (2, 3, 1) and np.argwhere(found).tolist() == [[1, 1, 0]]


def test_with_stages_takes_modules_that_have_parts_and_refuses_absent_ones():
    plain = planted_network()
    assert with_block_layers(plain, ["mix", "stage"]).layers == {"mix": "mix", "stage": "stage"}
    assert plain.layers == {"flat": "flat"}
    with pytest.raises(LabError, match="no module 'nowhere'"):
        with_block_layers(plain, ["stage", "nowhere"])


class Rows(nn.Module):
    """A layer whose output has three axes, as those of transformers."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Flatten(2)
        self.last = nn.Linear(256, 2)

    def forward(self, x):
        return self.last(self.rows(x))


def test_layers_without_feature_maps_are_refused(private, images):
    strange = with_block_layers(planted_network("strange", Rows()), ["rows"])
    with pytest.raises(LabError, match=r"rows of strange gives \(1, 3, 256\)"):
        compute_block_statistics(strange, images, batch_size=9)


def test_a_second_call_reads_the_cache_and_content_changes_the_key(private, network, images,
                                                                   blocks, monkeypatch):
    calls = []
    monkeypatch.setattr("helpers.matched_models.block_statistics.stream_moments",
                        lambda *a, **k: calls.append(1) or measure_moments(*a, **k))
    for _ in range(2):
        found = compute_block_statistics(network, images, batch_size=64)
        np.testing.assert_allclose(found["mix"].mean, blocks["mix"].mean, rtol=1e-5)
    assert len(calls) == 1
    compute_block_statistics(replace(network, digest="other weights"), images, batch_size=64)
    compute_block_statistics(network, images.select(range(90)), batch_size=64)
    few = compute_block_statistics(replace(network, layers={"mix": "mix"}), images, batch_size=64)
    assert list(few) == ["mix"] and len(calls) == 4


# ---- answers of chosen units --------------------------------------------------------------------

def test_answers_are_those_of_the_first_halfs_units_to_the_second(private, network, images,
                                                                  blocks, activations):
    found = collect_held_out_responses(network, images, blocks, CORE, max_units=9, seed=0,
                                       batch_size=11)
    second = images.halves == 1
    for layer, responses in found.items():
        units = [np.flatnonzero(blocks[layer].selective_mask(domain, 0)) for domain in CORE]
        assert responses.domain.tolist() == [domain for domain, its in zip(CORE, units)
                                             for _ in its]
        np.testing.assert_allclose(responses.values,
                                   activations[layer][second][:, np.concatenate(units)], rtol=1e-5)
    assert found["stage"].domain.tolist().count("faces") == 4


def test_answers_of_many_units_are_of_some_the_same_for_the_same_seed(private, network, images,
                                                                      blocks):
    first, again, other = (
        collect_held_out_responses(network, images, blocks, CORE, max_units=1, seed=seed,
                                   batch_size=64)
        for seed in (0, 0, 3))
    assert first["mix"].domain.tolist() == list(CORE)
    np.testing.assert_array_equal(first["stage"].values, again["stage"].values)
    assert (first["stage"].values != other["stage"].values).any()


def test_where_no_unit_is_selective_there_are_no_answers(private, network, images, blocks):
    silent = {layer: replace(one, labels=np.full_like(one.labels, NONE))
              for layer, one in blocks.items()}
    found = collect_held_out_responses(network, images, silent, CORE, max_units=9, seed=0,
                                       batch_size=64)
    assert found["mix"].values.shape == (48, 0) and not len(found["mix"].domain)
    table = bootstrap_tuning_strength(found, np.array(images.domains)[images.halves == 1], CORE,
                                      seed=0, n_boot=3)
    assert table["draw"].tolist() == [-1, 0, 1, 2] and table[["CSI", "d'"]].isna().all().all()


# ---- shares -------------------------------------------------------------------------------------

def at_fdr_alpha(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["fdr_alpha"] == FDR_ALPHA]


def test_shares_are_counted_at_every_rate_and_grow_with_it(private, images):
    """Units that mix cells at random prefer a set more or less clearly."""
    model = Cells()
    with torch.no_grad():
        model.mix = nn.Linear(48, 300)
        weights = torch.rand(300, 16, generator=torch.Generator().manual_seed(0))
        model.mix.weight.zero_()[:, :16] = weights**4
        model.mix.bias.zero_()
    mixed = with_block_layers(planted_network("mixed", model), ["stage", "mix"])
    table = selective_proportion_table(compute_block_statistics(mixed, images, batch_size=64), CORE)
    assert len(table) == 2 * len(FDR_ALPHAS) * 4
    assert table.groupby("layer", sort=False)["depth"].first().to_dict() == {"stage": 0, "mix": 1}
    for (layer, _), its in table.groupby(["layer", "domain"]):
        counts = its.sort_values("fdr_alpha")["n_units"]
        assert counts.is_monotonic_increasing
        assert layer == "stage" or counts.iloc[0] < counts.iloc[-1]


def test_shares_by_hand(blocks):
    row = at_fdr_alpha(selective_proportion_table(blocks, CORE)).set_index(["layer", "domain"])
    assert row.loc[("mix", "bodies"), ["n_units", "proportion",
                                       "proportion_replicated"]].tolist() == [2, 2 / 10, 1]
    # The first half finds four units for faces, and the second two of them.
    assert row.loc[("stage", "faces"), "proportion_replicated"] == pytest.approx(1 / 2)
    n = blocks["stage"].selective_mask("faces").sum()
    assert row.loc[("stage", "faces"), "proportion"] == pytest.approx(n / 48)


def test_units_found_again_are_a_share_of_those_of_the_first_half():
    labels = np.full((len(FDR_ALPHAS), 3, 6), NONE, np.uint8)
    labels[:, 0, :4], labels[:, 1, 3] = 1, 1
    found = selective_proportion_table({"only": stage_of(labels=labels)}, ["faces", "scenes"])
    assert found["proportion_replicated"].groupby(found["domain"]).first().to_dict() == {
        "faces": pytest.approx(np.nan, nan_ok=True), "scenes": 1 / 4}
    assert found["proportion_replicated"].isna().sum() == len(FDR_ALPHAS)


def test_shares_of_all_domains_are_added_up(blocks):
    table = selective_proportion_table(blocks, CORE).assign(condition="captions", seed=0)
    total = sum_over_domains(table).set_index(["layer", "fdr_alpha"])["proportion"]
    assert len(total) == 2 * len(FDR_ALPHAS)
    assert total["mix", FDR_ALPHA] == pytest.approx(8 / 10)
    one = blocks["stage"].labels[FDR_ALPHAS.index(1e-3), ALL_IMAGES]
    assert total["stage", 1e-3] == pytest.approx((one < 4).mean())


def test_units_that_nobody_finds_are_not_found_again(blocks):
    silent = {layer: replace(one, labels=np.full_like(one.labels, NONE))
              for layer, one in blocks.items()}
    table = selective_proportion_table(silent, CORE)
    assert (table["n_units"] == 0).all() and table["proportion_replicated"].isna().all()


# ---- strength -----------------------------------------------------------------------------------

def only(stage: BlockStatistics, units: list[int]) -> BlockStatistics:
    """Keep some units of a stage."""
    return replace(stage, shape=(len(units), 1, 1), **{
        name: getattr(stage, name)[..., units]
        for name in ("labels", "mean", "selectivity_index", "d_prime", "min_t", "sparseness")})


def by_measure(table: pd.DataFrame, layer: str, domain: str) -> pd.Series:
    its = table[(table["layer"] == layer) & (table["domain"] == domain)]
    return its.set_index("measure")["value"]


def test_strength_is_that_on_the_other_half_both_ways_round(blocks, activations, images):
    found = by_measure(tuning_strength_table(blocks, CORE), "stage", "faces")
    assert tuple(found.index) == TUNING_MEASURES
    expected = []
    for half, cell in enumerate(ONCE):
        units = [0, cell, 16, 16 + cell]
        groups = groups_of(activations["stage"], images, 1 - half)
        own, pooled = groups[0][:, units], np.concatenate(groups[1:])[:, units]
        every = np.concatenate(groups)[:, units]
        rest = np.mean([values[:, units].mean(0) for values in groups[1:]], axis=0)
        expected.append([
            np.mean((own.mean(0) - rest) / (own.mean(0) + rest)),
            np.mean((own.mean(0) - pooled.mean(0))
                    / np.sqrt((own.var(0, ddof=1) + pooled.var(0, ddof=1)) / 2)),
            np.mean((1 - every.mean(0)**2 / (every**2).mean(0)) / (1 - 1 / len(every))),
            own.mean() / np.concatenate(groups).mean()])
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-4)


def test_units_that_prefer_faces_in_one_half_alone_are_not_selective_for_faces(blocks):
    """Measured on the images that chose them they would look strong: d' is about 10 there."""
    twice = {"stage": only(blocks["stage"], [*ONCE])}
    one = twice["stage"]
    assert [one.selective_mask("faces", half).tolist() for half in (0, 1)] == [[True, False],
                                                                               [False, True]]
    assert one.d_prime[0, 0, 0] > 3 and one.d_prime[0, 1, 1] > 3
    for n_best in (0, 1):
        found = tuning_strength_table(twice, ["faces"], n_best=n_best)
        assert (found["n_units"] == 1).all()
        values = by_measure(found, "stage", "faces")
        assert abs(values["d'"]) < 0.5 and abs(values["CSI"]) < 0.05


def test_strength_without_units_on_one_half_is_unknown(blocks):
    found = tuning_strength_table({"stage": only(blocks["stage"], [ONCE[0], 47])}, ["faces"])
    assert found["value"].isna().all() and (found["n_units"] == 0.5).all()


def test_as_many_units_are_compared_whatever_the_test_says(blocks):
    silent = {layer: replace(one, labels=np.full_like(one.labels, NONE))
              for layer, one in blocks.items()}
    found = tuning_strength_table(silent, CORE, n_best=2)
    assert (found["n_units"] == 2).all()
    pd.testing.assert_frame_equal(found, tuning_strength_table(blocks, CORE, n_best=2))
    assert by_measure(found, "mix", "bodies")["d'"] > 3
    units = [blocks["stage"].top_units("scenes", half, 2) for half in (0, 1)]
    expected = np.mean([blocks["stage"].selectivity_index[2, 1 - half, its].mean()
                        for half, its in enumerate(units)])
    assert by_measure(found, "stage", "scenes")["CSI"] == pytest.approx(expected, rel=1e-5)


def test_strength_does_not_depend_on_the_order_of_units(blocks):
    order = np.random.default_rng(0).permutation(48)
    moved = {"stage": only(blocks["stage"], order.tolist())}
    for n_best in (0, 2):
        there = tuning_strength_table({"stage": blocks["stage"]}, CORE, n_best=n_best)
        np.testing.assert_allclose(tuning_strength_table(moved, CORE, n_best=n_best)["value"],
                                   there["value"], rtol=1e-5)


# ---- images drawn anew ------------------------------------------------------------------------

SETS = np.repeat(["faces", "bodies", "scenes", "characters", "noise"], [8, 7, 9, 8, 10])


def random_answers(seed: int = 0) -> dict[str, HeldOutResponses]:
    """Draw units that prefer faces or scenes, in two layers, one of them without scenes."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer, domains in (("first", ["faces"] * 3), ("second", ["faces", "scenes", "scenes"])):
        gain = (SETS[:, None] == np.array(domains)) * 1.0
        values = rng.gamma(2, 0.3, (len(SETS), 3)) + gain
        found[layer] = HeldOutResponses(np.array(domains), values.astype(np.float32))
    return found


def plain_strength(responses: dict[str, HeldOutResponses], rows: np.ndarray) -> np.ndarray:
    """Return mean CSI and d' of some images, by the formulas."""
    every = []
    for one in responses.values():
        for domain in dict.fromkeys(one.domain):
            values, sets = one.values[rows][:, one.domain == domain].astype(float), SETS[rows]
            own, pooled = values[sets == domain], values[sets != domain]
            rest = np.mean([values[sets == name].mean(0) for name in np.unique(SETS)
                            if name != domain], axis=0)
            mean = own.mean(0)
            d_prime = (mean - pooled.mean(0)) / np.sqrt(
                (own.var(0, ddof=1) + pooled.var(0, ddof=1)) / 2)
            every.append([((mean - rest) / (mean + rest)).mean(), d_prime.mean()])
    return np.mean(every, axis=0)


def test_images_as_they_are_give_the_plain_means():
    responses = random_answers()
    table = bootstrap_tuning_strength(responses, SETS, CORE, seed=0, n_boot=4)
    assert table["draw"].tolist() == [-1, 0, 1, 2, 3]
    np.testing.assert_allclose(table.loc[0, ["CSI", "d'"]].astype(float),
                               plain_strength(responses, np.arange(len(SETS))), rtol=1e-6)


def test_draws_scatter_as_a_bootstrap_within_sets():
    responses, rng = random_answers(), np.random.default_rng(1)
    expected = []
    for _ in range(400):
        rows = np.concatenate([rng.choice(np.flatnonzero(SETS == name), (SETS == name).sum())
                               for name in dict.fromkeys(SETS)])
        expected.append(plain_strength(responses, rows))
    found = bootstrap_tuning_strength(responses, SETS, CORE, seed=0, n_boot=400)
    for place, name in enumerate(("CSI", "d'")):
        plain, draws, reference = found[name][0], found[name][1:], np.array(expected)[:, place]
        assert draws.min() < plain < draws.max()
        assert draws.std() == pytest.approx(reference.std(), rel=0.15)
        assert draws.mean() == pytest.approx(reference.mean(), abs=0.3 * reference.std())


def test_networks_that_saw_the_same_images_get_the_same_draws():
    """A gain changes neither measure: equal in every draw, if the draws are the same."""
    responses = random_answers()
    louder = {layer: HeldOutResponses(one.domain,
                                      4 * one.values) for layer, one in responses.items()}
    first, second, other = (
        bootstrap_tuning_strength(some, SETS, CORE, seed=seed, n_boot=20)
        for some, seed in ((responses, 1), (louder, 1), (louder, 2)))
    pd.testing.assert_frame_equal(first, second, rtol=1e-5)
    assert not np.allclose(first["CSI"][1:], other["CSI"][1:])


def test_sets_may_lie_in_any_order_in_the_images_as_they_are():
    responses = random_answers()
    order = np.random.default_rng(0).permutation(len(SETS))
    moved = {layer: HeldOutResponses(one.domain,
                                     one.values[order]) for layer, one in responses.items()}
    there, back = (bootstrap_tuning_strength(some, sets, CORE, seed=0, n_boot=2).iloc[0]
                   for some, sets in ((responses, SETS), (moved, SETS[order])))
    np.testing.assert_allclose(there, back, rtol=1e-6)


# ---- networks as replicates ---------------------------------------------------------------------

def test_a_network_is_the_mean_of_its_rows():
    table = pd.DataFrame({"condition": ["b", "b", "a", "b", "b"], "seed": [0, 0, 0, 1, 1],
                          "value": [1, 3, 7, np.nan, 5]})
    found = mean_per_network(table)
    assert found.to_dict() == {("b", 0): 2, ("a", 0): 7, ("b", 1): 5}
    assert mean_per_network(table.rename(columns={"value": "r"}), "r").equals(found.rename("r"))


def test_growth_is_the_last_block_minus_the_first_of_each_network():
    rows = [("b", 0, "stem", 1.0), ("b", 0, "stem", 3.0), ("b", 0, "middle", 90.0),
            ("b", 0, "end", 7.0), ("b", 1, "end", 5.0), ("b", 1, "stem", 9.0),
            ("a", 0, "end", 1.0)]
    table = pd.DataFrame(rows, columns=["condition", "seed", "layer", "r"])
    found = growth_with_depth(table, ["stem", "middle", "end"], "r")
    assert found.dropna().to_dict() == {("b", 0): 5, ("b", 1): -4}  # no first block: not known
    assert growth_with_depth(table, ["end", "middle", "stem"], "r")["b", 1] == 4


def test_differences_are_of_the_same_seed():
    index = pd.MultiIndex.from_tuples(
        [("captions", 2), ("captions", 0), ("captions", 1), ("seen", 0), ("seen", 1), ("seen", 3)],
        names=["condition", "seed"])
    values = pd.Series([50.0, 10, 20, 1, 5, 9], index, name="value")
    assert sorted(paired_differences(values, "captions", "seen")) == [9, 15]
    assert sorted(paired_differences(values, "seen", "captions")) == [-15, -9]
    assert paired_differences(values, "captions", "absent").shape == (0,)
    assert paired_differences(values[:0], "captions", "seen").shape == (0,)


@pytest.mark.parametrize(("differences", "sign"), [
    ([0.1, 0.3], 1), ([-0.5, 0.1], -1), ([0.5, -0.5], np.nan), ([0.0, 0.0], np.nan), ([], np.nan)])
def test_a_mean_of_zero_has_no_direction(differences, sign):
    """A direction of 0 would turn every difference into 0, and so decide nothing as something."""
    np.testing.assert_equal(mean_sign(np.array(differences)), sign)


def test_matrices_of_a_kind_are_averaged_over_seeds():
    rows = [{"condition": condition, "seed": seed, "layer": a, "other": b, "r": r}
            for condition, seed, numbers in (("captions", 0, [1, .2, .2, 1]),
                                             ("captions", 1, [1, .6, .6, 1]),
                                             ("seen", 0, [1, .9, .9, np.nan]))
            for (a, b), r in zip([("z", "z"), ("z", "a"), ("a", "z"), ("a", "a")], numbers)]
    rows.append({"condition": "captions", "seed": 0, "layer": "all", "other": "all", "r": 5})
    found = mean_consistency_matrix(pd.DataFrame(rows), "captions", ["z", "a"])
    np.testing.assert_allclose(found, [[1, .4], [.4, 1]])
    np.testing.assert_allclose(mean_consistency_matrix(pd.DataFrame(rows), "seen", ["z", "a"]),
                               [[1, .9], [.9, np.nan]])


# ---- matched models
# -----------------------------------------------------------------------------------

KINDS = {"captions": "planted-captions", "seen": "planted-seen"}
SPEC = LanguageSpec(conditions=KINDS, layers=("stage", "mix"), vision="seen", untrained="captions",
                    n_units=2, max_units=2, n_boot=5, n_nulls=5)


def matched_models_study(images: SixCategoryLocalizer, opened: list[str] | None = None, *,
                         gain: float = 1.0) -> MatchedModelsStudy:
    def open_one(name: str) -> Network:
        model = Cells()
        if name == "planted-seen":
            with torch.no_grad():  # blind to faces
                model.mix.weight[[0, 4]] = 0
        if opened is not None:
            opened.append(name)
        return replace(planted_network(name, model), digest=f"{name} {gain}")

    return MatchedModelsStudy(SPEC, images, open_one, seed=3, batch_size=32)


@pytest.fixture
def study(private, images) -> MatchedModelsStudy:
    return matched_models_study(images)


def test_members_are_networks_of_every_kind_and_seed(study):
    assert list(study.iter_networks()) == [("captions", 0, "planted-captions"),
                                           ("seen", 0, "planted-seen")]
    spec = replace(SPEC, conditions={"captions": "demo-resnet-captions", "seen": "demo-clip"})
    assert list(replace(study, spec=spec).iter_networks()) == [
        *[("captions", k, name) for k, name in enumerate(seed_names("demo-resnet-captions"))],
        ("seen", 0, "demo-clip")]
    assert seed_names("demo-resnet-captions")[1] == "demo-resnet-captions-seed1"


def test_networks_are_opened_once_and_measured_once(private, images, monkeypatch):
    opened, calls = [], []
    monkeypatch.setattr("helpers.matched_models.block_statistics.stream_moments",
                        lambda *a, **k: calls.append(1) or measure_moments(*a, **k))
    one = matched_models_study(images, opened)
    one.proportions(), one.tuning_strengths(), one.tuning_strengths(n_best=2)
    assert opened == ["planted-captions", "planted-seen"] and len(calls) == 2
    assert tuple(one.network("planted-captions").layers) == SPEC.layers
    assert one.network("planted-captions") is one.network("planted-captions") and len(opened) == 2


def test_shares_and_strengths_are_those_of_each_network(study):
    proportions = at_fdr_alpha(study.proportions()).set_index(["condition", "layer",
                                                               "domain"])["n_units"]
    assert proportions["captions", "mix", "faces"] == 2 and proportions["seen", "mix", "faces"] == 0
    assert proportions["seen", "mix", "bodies"] == 2
    tuning_strengths = study.tuning_strengths(n_best=2)
    for condition, name in KINDS.items():
        expected = tuning_strength_table(study.blocks(name), CORE, n_best=2)
        its = tuning_strengths[tuning_strengths["condition"] == condition].reset_index(drop=True)
        pd.testing.assert_frame_equal(its[expected.columns], expected)
        assert (its["seed"] == 0).all()


def test_resampled_strengths_begin_with_the_plain_ones_and_share_draws(study, images):
    table = study.bootstrap_strengths()
    assert table.groupby("condition")["draw"].apply(list).to_dict() == dict.fromkeys(
        ("seen", "captions"), [-1, 0, 1, 2, 3, 4])
    sets = np.array(images.domains)[images.halves == 1]
    expected = bootstrap_tuning_strength(study.responses("planted-seen"), sets, CORE, seed=3,
                                         n_boot=5)
    its = table[table["condition"] == "seen"].reset_index(drop=True)
    pd.testing.assert_frame_equal(its[expected.columns], expected)


def test_spreads_measure_the_maps_of_selective_units(study):
    table = study.unit_distributions()
    assert "corrected" in table and len(table) == 2 * 2 * len(CORE) * len(MEASURES)
    row = table.set_index(["condition", "layer", "domain", "measure"])
    stage = study.blocks("planted-captions")["stage"]
    mask = stage.selective_mask("bodies").reshape(3, 4, 4)
    for name, measure in MEASURES.items():
        assert row.loc[("captions", "stage", "bodies", name), "observed"] == pytest.approx(
            measure(mask), nan_ok=True)
    assert row.loc[("captions", "mix", "bodies", "entropy over maps"), "n_units"] == 2
    empty = row.loc[("seen", "mix", "faces", "Gini over maps")]
    assert empty["n_units"] == 0 and np.isnan(empty["observed"])


def test_agreements_are_of_intact_images_that_chose_no_unit(study, images):
    table = study.layer_consistencies()
    sets = np.array(images.domains)[images.halves == 1]
    intact = np.isin(sets, CORE)
    found = consistency([one.values[intact]
                         for one in study.responses("planted-captions").values()],
                        seed=3, n_boot=5)
    np.testing.assert_allclose(mean_consistency_matrix(table, "captions", ["stage", "mix"]),
                               found.matrix)
    mean = table[(table["layer"] == "all") & (table["condition"] == "captions")].iloc[0]
    assert (mean["r"], mean["low"], mean["high"]) == (found.mean, found.low, found.high)
    assert 0.3 < found.mean < 1, "both layers tell the same four domains"


def test_tables_are_kept_and_made_again_for_other_weights(private, images, monkeypatch):
    first = matched_models_study(images)
    unit_distributions = first.unit_distributions()
    layer_consistencies = first.layer_consistencies()
    with monkeypatch.context() as patch:
        for name in ("statistics.unit_distribution_table", "consistency_table"):
            patch.setattr(f"helpers.matched_models.study.{name}", None)
        again = matched_models_study(images)
        pd.testing.assert_frame_equal(again.unit_distributions(), unit_distributions)
        pd.testing.assert_frame_equal(again.layer_consistencies(), layer_consistencies)
        with pytest.raises(TypeError):
            matched_models_study(images, gain=2.0).unit_distributions()


def test_kinds_are_compared_where_both_have_units():
    rows = [("a", 0, "layer1", "faces", 1.0), ("a", 0, "layer1", "bodies", 5.0),
            ("b", 0, "layer1", "faces", 0.5), ("b", 0, "layer1", "bodies", np.nan),
            ("a", 1, "layer1", "faces", 2.0), ("b", 1, "layer1", "faces", 4.0),
            ("b", 2, "layer1", "faces", 9.0)]
    table = pd.DataFrame(rows, columns=["condition", "seed", "layer", "domain", "value"])
    assert paired_differences_by_layer(table, "a", "b").tolist() == [0.5, -2.0]
    assert len(paired_differences_by_layer(table, "a", "c")) == 0
    assert len(paired_differences_by_layer(table, "", "b")) == 0


def test_differences_are_named_by_their_conditions():
    spec = LanguageSpec({"x": "n", "y": "m"}, ("layer1",), vision="x", untrained="y", language="y")
    assert name_differences(spec) == {
        "language": "y minus x",
        "text-embedding targets": "text-embedding targets (none here) minus x",
        "captions − object labels": "y minus object labels (none here)",
        "captions − shuffled captions": "y minus shuffled captions (none here)",
        "captions − views": "y minus views (none here)",
        "labels − object labels": "x minus object labels (none here)"}
    alone = LanguageSpec({"x": "n", "y": "m"}, ("layer1",), vision="x", untrained="y")
    assert len(set(name_differences(alone).values())) == 6, "no two claims have one statement"
