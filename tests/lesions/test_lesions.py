"""Lesions: exact on every kind of network, one pass for all of them, and refused where unfit."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from helpers.core.errors import LabError
from helpers.lesions.silencing import (
    Lesion,
    apply_lesion,
    find_relu_layers,
    make_lesions,
    run_lesions,
    select_lesion_layers,
    shuffle_units,
    top_fraction,
)
from helpers.networks.activations import count_units, exact_inference
from helpers.networks.architectures import build, layer_names
from helpers.networks.partial_forward import PartialForward

SMALL = {"channels": [32, 32, 32, 32, 32], "pool": 2, "projector": [32, 32, 16]}


def random_images(n: int, size: int) -> torch.Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def vision_transformer() -> nn.Module:
    torch.manual_seed(0)
    model = zoo.VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2,
                                  hidden_dim=32, mlp_dim=64, num_classes=7)
    nn.init.normal_(model.heads.head.weight)  # torchvision begins with zeros there
    return model.eval()


class Shared(nn.Module):
    """Blocks that share one activation module, and write into each other's outputs."""

    class Block(nn.Module):
        def __init__(self, act: nn.Module) -> None:
            super().__init__()
            self.linear, self.act = nn.Linear(12, 12), act

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.linear(x))

    def __init__(self) -> None:
        super().__init__()
        act = nn.ReLU()
        self.first, self.second, self.third = (self.Block(act) for _ in range(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.first(images.flatten(1)[:, :12])
        out = self.second(x)
        out += x
        return self.third(out)


NETWORKS = {
    "alexnet_gn": lambda: (build("alexnet_gn", SMALL, seed=0), 64),
    "alexnet": lambda: (zoo.alexnet(weights=None), 64),
    "resnet18": lambda: (zoo.resnet18(weights=None), 32),
    "squeezenet": lambda: (zoo.squeezenet1_0(weights=None), 64),
    "densenet": lambda: (zoo.densenet121(weights=None), 32),
    "mobilenet": lambda: (zoo.mobilenet_v3_small(weights=None), 32),
    "transformer": lambda: (vision_transformer(), 32),
    "shared": lambda: (Shared(), 8),
}


def run(model, layers, lesions, batches, **options) -> dict[int, torch.Tensor]:
    result: dict[int, list] = {}
    run_lesions(model, layers, lesions, batches,
                lambda _start, number, output: result.setdefault(number, []).append(output.clone()),
                **options)
    return {number: torch.cat(parts) for number, parts in result.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_battery_gives_the_numbers_of_one_lesion_at_a_time(name):
    """Random units of random layers, early and late, bit for bit; and without any unit, nothing."""
    torch.manual_seed(0)
    model, size = NETWORKS[name]()
    model, layers, images = model.eval(), layer_names(model), random_images(5, size)
    units, rng = count_units(model, layers, images), np.random.default_rng(0)
    lesions = [Lesion("nothing", {layer: torch.zeros(units[layer], dtype=torch.bool)
                                  for layer in units})]
    for number in range(6):
        some = rng.choice(list(units), min(3, len(units)), replace=False)
        lesions.append(Lesion(f"random {number}", {
            layer: torch.from_numpy(rng.random(units[layer]) < 0.4) for layer in some}))
    result = run(model, layers, lesions, images.split(3))
    for number, lesion in enumerate(lesions, start=1):
        with exact_inference(model), apply_lesion(model, layers, lesion):
            expected = torch.cat([model(part) for part in images.split(3)])
        assert torch.equal(result[number], expected), lesion.name
    with exact_inference(model):
        intact = torch.cat([model(part) for part in images.split(3)])
    assert torch.equal(result[0], intact) and torch.equal(result[1], intact)
    assert any(not torch.equal(result[number], intact) for number in range(2, 8))
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("layer", ["conv2", "relu3", "maxpool5", "fc6"])
def test_a_mask_of_all_units_equals_zeroing_the_layer(layer):
    model = build("alexnet_gn", SMALL, seed=0)
    layers, images = layer_names(model), random_images(3, 64)
    n_units = count_units(model, layers, images)[layer]
    result = run(model, layers, [Lesion("all", {layer: torch.ones(n_units, dtype=torch.bool)})],
                 [images])[1]

    class Zeros(nn.Module):
        def __init__(self, inside: nn.Module) -> None:
            super().__init__()
            self.inside = inside

        def forward(self, x):
            return torch.zeros_like(self.inside(x))

    silent = copy.deepcopy(model)
    parent, _, leaf = layers[layer].rpartition(".")
    setattr(silent.get_submodule(parent), leaf, Zeros(silent.get_submodule(layers[layer])))
    with exact_inference(silent):
        assert torch.equal(result, silent(images))


def test_a_residual_network_matches_a_forward_pass_written_by_hand():
    """Masks on the first ReLU and on both calls of a block's shared ReLU, skip path included."""
    torch.manual_seed(0)
    model = zoo.resnet18(weights=None).eval()
    layers, images = layer_names(model), random_images(4, 64)
    units = count_units(model, layers, images)
    rng = np.random.default_rng(1)
    masks = {name: torch.from_numpy(rng.random(units[name]) < 0.5)
             for name in ("relu", "layer1.0.relu", "layer1.0.relu#2", "layer4.1.relu#2")}
    result = run(model, layers, [Lesion("both", masks)], [images])[1]

    def rectify(x, name):
        x = functional.relu(x)
        return x * (~masks[name]).float().view(x.shape[1:]) if name in masks else x

    with torch.inference_mode():
        x = model.maxpool(rectify(model.bn1(model.conv1(images)), "relu"))
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            for index, block in enumerate(getattr(model, stage)):
                skip = block.downsample(x) if block.downsample else x
                y = rectify(block.bn1(block.conv1(x)), f"{stage}.{index}.relu")
                x = rectify(block.bn2(block.conv2(y)) + skip, f"{stage}.{index}.relu#2")
        expected = model.fc(model.avgpool(x).flatten(1))
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


def test_outputs_that_are_written_into_further_on_are_kept_whole():
    """``out += skip`` writes into what the main path made before the skip path was lesioned."""
    torch.manual_seed(0)
    model = zoo.resnet18(weights=None).eval()
    layers, images = layer_names(model), random_images(3, 64)
    name, rng = "layer2.0.downsample.1", np.random.default_rng(0)
    n_units = count_units(model, layers, images)[name]
    lesions = [Lesion(str(i), {name: torch.from_numpy(rng.random(n_units) < 0.5)})
               for i in range(3)]
    result = run(model, layers, lesions, [images])
    for number, lesion in enumerate(lesions, start=1):
        with exact_inference(model), apply_lesion(model, layers, lesion):
            assert torch.equal(result[number], model(images)), number


def test_no_more_is_kept_than_repeated_passes_need():
    """Of a chain of blocks: whole blocks before the lesion, and single layers within its own."""
    model = build("alexnet_gn", SMALL, seed=0)
    with PartialForward(model, layer_names(model)) as partial_forward:
        partial_forward.trace(random_images(1, 64))
        partial_forward.cache_outputs_before(["relu5"])
        partial_forward.run(random_images(2, 64))
        kept = {id(call.module) for call in partial_forward._calls if call.output is not None}
        assert kept == {id(module) for module in (*model.backbone[:4], *model.backbone[4][:3])}


def test_every_image_is_taken_once_and_the_beginning_is_computed_once_a_batch():
    model = build("alexnet_gn", SMALL, seed=0)
    layers, images = layer_names(model), random_images(6, 64)
    units = count_units(model, layers, images)
    calls, taken = Counter(), 0
    for name in ("conv1", "conv3", "fc7"):
        module = model.get_submodule(layers[name])
        original = module.forward
        module.forward = lambda x, name=name, original=original: (calls.update([name]),
                                                                  original(x))[1]

    def batches():
        nonlocal taken
        for part in images.split(2):
            taken += len(part)
            yield part

    lesions = [Lesion(str(i), {"relu2": torch.arange(units["relu2"]) % 7 == i}) for i in range(5)]
    run(model, layers, lesions, batches())
    assert taken == 6
    assert calls == {"conv1": 3 + 1, "conv3": 3 * 6 + 1, "fc7": 3 * 6 + 1}  # + 1: the first look


def test_activations_of_the_intact_network_can_be_watched():
    model = build("alexnet_gn", SMALL, seed=0)
    layers, images = layer_names(model), random_images(4, 64)
    n_units = count_units(model, layers, images)["relu1"]
    seen = {}
    run(model, layers, [Lesion("all", {"relu1": torch.ones(n_units, dtype=torch.bool)})],
        images.split(2), watch=lambda start, name, a: seen.update({(start, name): a.clone()}))
    with exact_inference(model):
        expected = model.backbone[0][:3](images).flatten(1)
    assert torch.equal(torch.cat([seen[0, "relu1"], seen[2, "relu1"]]), expected)
    assert {name for _, name in seen} == set(layers)


# ---- bad input ----------------------------------------------------------------------------------

@pytest.mark.parametrize("way", ["run_lesions", "apply_lesion"])
def test_a_mask_of_the_wrong_shape_names_the_layer_and_both_shapes(way):
    model = build("alexnet_gn", SMALL, seed=0)
    layers, images = layer_names(model), random_images(2, 64)
    lesion = Lesion("faces", {"relu6": torch.ones(31, dtype=torch.bool)})
    with pytest.raises(LabError, match=r"'faces'.*'relu6'.*\(31,\).*\(32,\)(?s:.)*\(32,\), one"):
        if way == "run_lesions":
            run(model, layers, [lesion], [images])
        else:
            with exact_inference(model), apply_lesion(model, layers, lesion):
                model(images)
    assert not any("forward" in vars(module) for module in model.modules())


def test_masks_are_booleans():
    model = build("alexnet_gn", SMALL, seed=0)
    with pytest.raises(LabError, match="torch.float32(?s:.)*torch.bool"):
        run(model, layer_names(model), [Lesion("faces", {"relu6": torch.ones(32)})],
            [random_images(2, 64)])


def test_an_unknown_layer_is_named_with_those_there_are():
    model = build("alexnet_gn", SMALL, seed=0)
    layers = layer_names(model)
    lesion = Lesion("faces", {"relu9": torch.ones(32, dtype=torch.bool)})
    for attempt in (lambda: run(model, layers, [lesion], [random_images(2, 64)]),
                    lambda: apply_lesion(model, layers, lesion).__enter__()):
        with pytest.raises(LabError, match="no layer 'relu9'(?s:.)*conv1, groupnorm1"):
            attempt()


def test_a_layer_that_is_never_computed_is_reported():
    """Attention uses the weights of its output projection without calling that module."""
    model = vision_transformer()
    name = "encoder.layers.encoder_layer_0.self_attention.out_proj"
    assert name in layer_names(model)
    with pytest.raises(LabError, match="computes no layer .*out_proj'"):
        run(model, layer_names(model), [Lesion("x", {name: torch.ones(5, dtype=torch.bool)})],
            [random_images(2, 32)])


def test_a_network_that_takes_another_path_is_refused():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, images):
            x = self.a(images.flatten(1)[:, :4])
            return self.c(x) if (x == 0).all() else self.b(x)

    model = Fickle()
    lesion = Lesion("all", {"a": torch.ones(4, dtype=torch.bool)})
    with pytest.raises(LabError, match="another path"):
        run(model, layer_names(model), [lesion], [random_images(2, 4)])
    assert not any("forward" in vars(module) for module in model.modules())


# ---- which layers, which units ------------------------------------------------------------------

def test_the_published_kinds_of_lesion_on_the_published_network():
    model = build("alexnet_gn", SMALL, seed=0)
    names = layer_names(model)
    before = list(names)[:list(names).index("relu7") + 1]
    relus = find_relu_layers(model, names)
    assert select_lesion_layers("relus", before, relus) == [f"relu{i}" for i in range(1, 8)]
    assert select_lesion_layers("full", before, relus) == before
    assert select_lesion_layers("relus_1-5", before, relus) == [f"relu{i}" for i in range(1, 6)]
    # The authors leave out the last five of their chain: relu6 to relu7, and the readout.
    assert select_lesion_layers("until_relu6", before, relus) == before[:before.index("relu6")]
    for layer in ("fc6", "avgpool5", "relu5"):
        assert select_lesion_layers(layer, before, relus) == [layer]


def test_relus_of_other_networks_with_all_their_calls():
    resnet, transformer = zoo.resnet18(weights=None), vision_transformer()
    calls = [*count_units(resnet, layer_names(resnet), random_images(1, 32))]
    relus = find_relu_layers(resnet, layer_names(resnet))
    assert len(select_lesion_layers("relus", calls, relus)) == 17 and len(relus) == 9
    assert select_lesion_layers("layer1.0.relu", calls, relus) == ["layer1.0.relu",
                                                                   "layer1.0.relu#2"]
    assert len(find_relu_layers(transformer, layer_names(transformer))) == 2  # its GELUs
    with pytest.raises(LabError, match="no layer for a lesion 'until_relu6'"):
        select_lesion_layers("until_relu6", calls, relus)


def test_random_lesions_take_as_many_units_of_each_domain_in_each_layer():
    rng = np.random.default_rng(0)
    labels = {"a": rng.integers(0, 4, 500), "b": rng.integers(0, 9, 300)}
    masks = {layer: values == np.arange(3)[:, None] for layer, values in labels.items()}
    drawn = [shuffle_units(masks, seed=(7, i)) for i in range(3)]
    for one in drawn:
        for layer in masks:
            assert (one[layer].sum(1) == masks[layer].sum(1)).all()
            assert (one[layer].sum(0) <= 1).all()  # still no unit of two domains
    assert not (drawn[0]["a"] == drawn[1]["a"]).all()
    again = shuffle_units(masks, seed=(7, 0))
    assert all((again[layer] == drawn[0][layer]).all() for layer in masks)
    overlap = (drawn[0]["a"] & masks["a"]).sum() / masks["a"].sum()
    assert overlap == pytest.approx(0.25, abs=0.08)  # by chance, no more


def test_lesions_are_made_from_masks_by_domain():
    masks = {"a": np.array([[True, False], [False, True]]), "b": np.array([[True], [False]])}
    faces, bodies = make_lesions(masks, ("faces", "bodies"), ["a"])
    assert (faces.name, bodies.name) == ("faces", "bodies") and set(faces.masks) == {"a"}
    assert bodies.masks["a"].tolist() == [False, True]


@pytest.mark.parametrize("n_infinite", [0, 3, 50, 60])
def test_top_fraction_includes_infinite_units_besides_the_others(n_infinite):
    t = np.linspace(-4, 4, 1000)[None].copy()
    t[0, :n_infinite] = np.inf
    t[0, 70:75] = -np.inf
    t[0, 80] = np.nan
    selected = top_fraction(t, 0.05)[0]
    assert selected[:n_infinite].all() and selected.sum() == max(50, n_infinite)
    assert not selected[70:81].any()


def test_top_fraction_is_numpys_percentile():
    rng = np.random.default_rng(4)
    t = rng.standard_normal((3, 1001)).astype(np.float32)
    t[0, :10] = np.nan
    expected = np.stack([row > np.nanquantile(row, 0.95) for row in t])
    np.testing.assert_array_equal(top_fraction(t, 0.05), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=7), st.floats(0.01, 0.99))
def test_top_fraction_is_numpys_percentile_of_few_units_with_ties(values, fraction):
    t = np.array([values]) / 4
    expected = t > np.quantile(t, 1 - fraction)
    np.testing.assert_array_equal(top_fraction(t, fraction), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_top_fraction_selects_no_dead_unit(dtype):
    t = np.array([[np.nan, np.nan, np.nan], [1.0, np.nan, 2.0]], dtype)
    assert top_fraction(t, 0.5).tolist() == [[False] * 3, [False, False, True]]


@pytest.mark.parametrize("fraction", [0, 1, 1.5])
def test_top_fraction_is_a_fraction(fraction):
    with pytest.raises(LabError, match=f"fraction = {fraction}"):
        top_fraction(np.ones((2, 3)), fraction)
