"""The localizer: streaming, halves, cache; on a network of known units and on real images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from helpers import lab
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.lesions.study import unit_masks
from helpers.networks.activations import extract_activations
from helpers.networks.network import Network
from helpers.networks.registry import NetworkEntry, Preprocessing
from helpers.selectivity.localizer_result import NONE
from helpers.selectivity.study import (
    localize_network,
    measure_generalisation,
    select_units_to_plot,
    split_half_agreement,
    stream_moments,
)
from helpers.stimuli.image_sets import FLOC, floc

REAL = ROOT.parent / "shared" / "data"


class Averages(nn.Module):
    """Units that report the mean of one colour channel, and one that is dead."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.mix = nn.Linear(3, 8)
        with torch.no_grad():
            self.mix.weight.zero_()
            self.mix.bias.fill_(0.3)
            self.mix.weight[:3] = torch.eye(3)
            self.mix.weight[3:6] = -torch.eye(3)

    def forward(self, x):
        return self.mix(self.flat(self.pool(x)))


@pytest.fixture
def planted(private):
    """fLoc folders in which faces are red, scenes green and words blue."""
    colour = {"faces": 0, "scenes": 1, "characters": 2}
    rng = np.random.default_rng(0)
    for category, domain in FLOC.items():
        folder = private / "data" / "floc" / category
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(60, 120, (8, 8, 3), dtype=np.uint8)
            if domain in colour:
                pixels[..., colour[domain]] += 100
            Image.fromarray(pixels).save(folder / f"{category}-{number}.png")
    model = Averages().eval()
    view = Preprocessing(8, 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    entry = NetworkEntry("planted", "none", view, "none", "none", {})
    layers = {"flat": "flat", "mix": "mix"}
    return Network("planted", entry, model, layers, view, "digest", (3, 8, 8)), floc(
        private / "data" / "floc")


def test_units_of_known_preference_are_selected_and_no_others(planted):
    network, images = planted
    result = localize_network(network, images, batch_size=7)
    names = [result.domains[i] if i != NONE else None for i in result.labels["mix"]]
    assert names == ["faces", "scenes", "characters", None, None, None, None, None]
    assert result.units("mix", "scenes").tolist() == [1]
    assert np.isnan(result.t_mean["mix"][:, 6:]).all(), "dead units have no t"
    table = result.table().query("layer == 'mix' and domain == 'faces'").iloc[0]
    assert table["proportion"] == 1 / 8 and table["proportion_replicated"] == 1 and table[
        "held_out_d_prime"] > 3


def test_units_that_one_half_defines_are_measured_on_the_other(planted):
    """Faces are red on every second image only: what the first half selects does not replicate."""
    network, images = planted
    rng = np.random.default_rng(1)
    for index in np.flatnonzero(images.halves == 1):
        if images.domains[index] == "faces":
            pixels = rng.integers(60, 120, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(images.root / images.files[index])
    result = localize_network(network, floc(images.root))
    assert result.half_labels["mix"][:, 0].tolist() == [result.domains.index("faces"), NONE]
    row = result.table().query("layer == 'mix' and domain == 'faces'").iloc[0]
    assert row["n_selective_half"] == 1 and row["proportion_replicated"] == 0
    assert abs(row["held_out_d_prime"]) < 1.5


def test_moments_equal_those_of_collected_activations(planted):
    network, images = planted
    moments = stream_moments(network, images, batch_size=9)["mix"]
    batches = images.batches([range(len(images))], network.preprocessing)
    rows = extract_activations(network.model, {"mix": "mix"}, batches)["mix"].double().numpy()
    for index, domain in enumerate(images.domain_names):
        for half in (0, 1):
            selected = (np.array(images.domains) == domain) & (images.halves == half)
            assert int(moments.count[2 * index + half]) == selected.sum()
            np.testing.assert_allclose(moments.mean[2 * index + half], rows[selected].mean(0),
                                       rtol=1e-5)


def test_second_call_reads_the_cache_and_content_changes_the_key(planted, private, monkeypatch):
    network, images = planted
    first = localize_network(network, images)
    calls = []
    monkeypatch.setattr("helpers.selectivity.study.stream_moments",
                        lambda *a, **k: calls.append(1) or stream_moments(*a, **k))
    again = localize_network(network, images)
    assert not calls
    np.testing.assert_array_equal(first.t_mean["mix"], again.t_mean["mix"])
    Image.new("RGB", (8, 8)).save(images.root / images.files[0])
    localize_network(network, floc(images.root))
    localize_network(network, images, alpha=0.01)
    few = localize_network(replace(network, layers={"mix": "mix"}), images)
    assert few.layers == ("mix",)
    darker = Preprocessing(8, 8, (0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
    localize_network(replace(network, preprocessing=darker), images)
    assert len(calls) == 4


def test_generalisation_and_units_to_plot(planted):
    network, images = planted
    result = localize_network(network, images)
    table = measure_generalisation(result, result).query("layer == 'mix'").set_index("domain")
    assert table.loc["faces", "same_preference"] == 1
    assert table.loc["faces", "t_independent"] == table.loc["faces", "t_defining"]
    assert np.isnan(table.loc["bodies", "same_preference"])
    backwards = replace(result, domains=result.domains[::-1],
                        t_mean={layer: t[::-1] for layer, t in result.t_mean.items()})
    pd.testing.assert_frame_equal(measure_generalisation(result, backwards),
                                  measure_generalisation(result, result))
    opposite = replace(result, t_mean={layer: -t for layer, t in result.t_mean.items()})
    other = measure_generalisation(result, opposite).query("layer == 'mix'").set_index("domain")
    assert other.loc["faces", "same_preference"] == 0
    assert other.loc["faces", "t_independent"] == -other.loc["faces", "t_defining"]
    groups = select_units_to_plot(result, "mix", ["faces", "bodies"], max_units=3, seed=0)
    assert [(name, len(units)) for name, units in groups] == [("faces", 1), ("bodies", 0),
                                                              ("rest", 3)]
    assert 0 not in groups[2][1]


def test_halves_of_the_images_agree_on_planted_units_and_on_no_others(planted):
    """One unit of 8 is planted: it is the best of a permuted half in one of 8, so p is 1 / 8."""
    network, images = planted
    p = split_half_agreement(network, images, "mix", seed=0)
    assert p.keys() == set(images.domain_names)
    for domain in ("faces", "scenes", "characters"):
        assert 0.02 < p[domain] < 0.3
    assert p["bodies"] == p["scrambled"] == 1
    assert split_half_agreement(network, images, "mix", seed=0, batch_size=7) == p


def test_t_of_one_layer_is_the_paper_s_mean_over_its_selective_units(planted):
    """Authors' nb1: per layer, mean t of the units that pass, on the images that define them."""
    network, images = planted
    result = localize_network(network, images)
    for layer in result.layers:
        t = result.t_mean[layer][result.domains.index("faces"), result.units(layer, "faces")]
        assert result.t_of_selective_units("faces", [layer]).tolist() == t.tolist() != []
    assert len(result.t_of_selective_units("faces")) == 2


class Saturating(Averages):
    """ReLU6 units of one colour channel each: at 6 for what has the colour, at 0 for the rest."""

    def __init__(self):
        super().__init__()
        self.clip = nn.ReLU6()
        with torch.no_grad():
            self.mix.weight.mul_(100)
            self.mix.bias.fill_(-50)

    def forward(self, x):
        return self.clip(super().forward(x))


def test_units_with_infinite_t_give_finite_tables(planted, capsys):
    """Constant within domains: t is infinite; counted by layer, left out of means and claims."""
    network, images = planted
    layers = {"flat": "flat", "mix": "mix", "clip": "clip"}
    network = replace(network, model=Saturating().eval(), layers=layers)
    result = localize_network(network, images)
    assert result.n_infinite == {"clip": 3}
    assert "infinite t" in capsys.readouterr().out
    assert np.flatnonzero(result.infinite_contrasts["clip"].any(0)).tolist() == [0, 1, 2]
    assert [int(result.labels["clip"][unit]) for unit in range(3)] == [
        result.domains.index(domain) for domain in ("faces", "scenes", "characters")]
    assert not any(np.isinf(t).any() for t in result.t_mean.values())
    table, follow = result.table(), measure_generalisation(result, result)
    numbers = [*table.select_dtypes("number"), *follow.select_dtypes("number")]
    assert not np.isinf(pd.concat([table, follow])[list(dict.fromkeys(numbers))]).any(axis=None)
    clipped = follow[follow["layer"] == "clip"].set_index("domain")
    assert clipped.loc[["faces", "scenes", "characters"], "same_preference"].tolist() == [1, 1, 1]
    top = unit_masks(result, ["clip"], fraction=0.2)["clip"]
    assert top[:, :3].any(0).all(), "what separates perfectly is ranked first"
    (_, units), _ = select_units_to_plot(result, "clip", ["faces"], max_units=3, seed=0)
    assert units.tolist() == [0]
    for domain in ("faces", "scenes", "characters"):
        assert np.isfinite(result.t_of_selective_units(domain)).all()


def test_activations_that_are_not_finite_are_refused_by_layer_and_number(planted):
    network, images = planted
    model = Averages().eval()
    with torch.no_grad():
        model.mix.bias[:2] = torch.tensor([torch.inf, torch.nan])
    with pytest.raises(LabError, match="2 units of mix in planted have activations that are not"):
        stream_moments(replace(network, model=model), images)


def test_a_unit_that_is_dead_on_new_images_prefers_no_domain_there(planted):
    network, images = planted
    result = localize_network(network, images)
    dead = replace(result, t_mean={layer: t * np.nan for layer, t in result.t_mean.items()})
    table = measure_generalisation(result, dead).query("layer == 'mix'").set_index("domain")
    row = table.loc["faces"]
    assert row["same_preference"] == 0 and np.isnan(row["t_independent"])
    silent = replace(result, held_out_d_prime={layer: d * np.nan for layer, d in
                                               result.held_out_d_prime.items()})
    row = silent.table().query("layer == 'mix' and domain == 'faces'").iloc[0]
    assert row["same_preference"] == 0 and np.isnan(row["held_out_d_prime"])


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "networks").is_dir(), reason="no ../shared/data here")
def test_real_photographs_through_a_real_network(private, monkeypatch):
    """A few fLoc images through the real SqueezeNet: faces and words late, hardly any early."""
    monkeypatch.setenv("LAB_DATA", str(REAL))
    laboratory = lab.open("mini", notebook="test")
    images = laboratory.images("localizer")
    few = images.select([i for i in range(len(images)) if i % 144 < 24])
    network = laboratory.network("squeezenet1_0-imagenet")
    ends = {"first": "features.0", "last": "features.12.expand3x3"}
    small = Network(network.name, network.entry, network.model, ends, network.preprocessing,
                    network.digest, network.input_shape)
    table = localize_network(small, few).table().set_index(["layer", "domain"])["proportion"]
    assert table["last", "faces"] > 0.01 > table["first", "faces"]
    assert table["last", "characters"] > table["first", "characters"]
