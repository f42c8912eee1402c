"""Activations of many layers: right with in-place modules, on every kind of network."""

from __future__ import annotations

import pytest
import torch
import torchvision.models as zoo
from torch import nn

from helpers.core.errors import LabError
from helpers.networks.activations import (
    count_units,
    extract_activations,
    layer_hooks,
    stream_activations,
)
from helpers.networks.architectures import layer_names


def batches(n: int, size: int = 64, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(n, 3, size, size, generator=generator).split(3))


@pytest.fixture(scope="module")
def alexnet() -> nn.Module:
    torch.manual_seed(0)
    return zoo.alexnet(weights=None)


def test_first_relu_of_alexnet_does_not_overwrite_the_convolution(alexnet):
    """torchvision's ReLUs work in place; a hook that kept a reference would see them rectified."""
    assert alexnet.features[1].inplace
    images = torch.cat(batches(4))
    found = extract_activations(alexnet, {"conv1": "features.0", "relu1": "features.1"}, [images])
    expected = nn.functional.conv2d(images, alexnet.features[0].weight,
                                    alexnet.features[0].bias, stride=4, padding=2).flatten(1)
    torch.testing.assert_close(found["conv1"], expected)
    assert (found["conv1"] < 0).any()
    torch.testing.assert_close(found["relu1"], expected.relu())


def test_inputs_are_untouched_and_outputs_equal_the_bare_pass(alexnet):
    images = torch.cat(batches(4))
    before = images.clone()
    found = extract_activations(alexnet, layer_names(alexnet), [images])
    alexnet.eval()
    with torch.inference_mode():
        torch.testing.assert_close(found["fc8"], alexnet(images))
    assert torch.equal(images, before)


def test_in_place_addition_of_a_residual_block_is_seen_before_it_happens():
    torch.manual_seed(0)
    model = zoo.resnet18(weights=None).eval()
    images = torch.cat(batches(2))
    found = extract_activations(model, {"bn2": "layer1.0.bn2"}, [images])["bn2"]
    seen = {}
    model.layer1[0].bn2.register_forward_hook(lambda _m, _i, o: seen.update(o=o.clone()))
    with torch.inference_mode():
        model(images)
    torch.testing.assert_close(found, seen["o"].flatten(1))


def test_a_shared_relu_gives_every_call():
    torch.manual_seed(0)
    model = zoo.resnet18(weights=None)
    found = extract_activations(model, {"relu": "layer1.0.relu"}, batches(4))
    assert list(found) == ["relu", "relu#2"]
    assert all(len(rows) == 4 for rows in found.values())
    assert not torch.equal(found["relu"], found["relu#2"])


def test_transformer_layers_and_tuples():
    torch.manual_seed(0)
    model = zoo.vit_b_16(weights=None, image_size=32, num_classes=5)
    attention = next(p for p, m in model.named_modules() if isinstance(m, nn.MultiheadAttention))
    found = extract_activations(model,
                                {"attention": attention, "block": "encoder.layers.encoder_layer_0"},
                                batches(3, 32))
    assert found["attention"].shape == found["block"].shape == (3, 5 * 768)


def test_eval_mode_and_mode_restored(alexnet):
    alexnet.train()
    images = batches(4)
    first = extract_activations(alexnet, {"fc7": "classifier.4"}, images)["fc7"]
    second = extract_activations(alexnet, {"fc7": "classifier.4"}, images)["fc7"]
    assert torch.equal(first, second), "dropout must be off"
    assert alexnet.training


def test_batches_and_order_do_not_matter(alexnet):
    images = torch.cat(batches(7))
    layers = {"fc6": "classifier.1"}
    whole = extract_activations(alexnet, layers, [images])["fc6"]
    parts = extract_activations(alexnet, layers, images.split(2))["fc6"]
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_stream_tells_where_each_batch_starts_and_keeps_nothing(alexnet):
    starts = []
    stream_activations(alexnet, {"conv1": "features.0"}, batches(8), lambda s, n,
                       a: starts.append((s, len(a))))
    assert starts == [(0, 3), (3, 3), (6, 2)]
    assert not any(module._forward_hooks for module in alexnet.modules())


def test_hooks_are_removed_after_an_error(alexnet):
    def fail(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), layer_hooks(alexnet, {"a": "features.0"}, fail):
        alexnet(batches(1)[0])
    assert not any(module._forward_hooks for module in alexnet.modules())


def test_chosen_units_only(alexnet):
    units = {"fc6": torch.tensor([5, 1, 9])}
    whole = extract_activations(alexnet, {"fc6": "classifier.1"}, batches(3))["fc6"]
    some = extract_activations(alexnet, {"fc6": "classifier.1"}, batches(3), units)["fc6"]
    torch.testing.assert_close(some, whole[:, [5, 1, 9]])


def test_count_units(alexnet):
    counts = count_units(alexnet, {"c": "features.0", "f": "classifier.6"}, batches(1)[0])
    assert counts == {"c": 64 * 15 * 15, "f": 1000}


def test_an_unknown_layer_is_named_with_the_known_ones(alexnet):
    with pytest.raises(LabError, match="no module 'features.99'.*(?s:.)*features.0"):
        extract_activations(alexnet, {"x": "features.99"}, batches(1))
