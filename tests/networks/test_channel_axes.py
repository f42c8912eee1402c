"""Channels and positions: told apart in every family of networks, or refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision.models as zoo
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.matched_models.block_statistics import measure_blocks, with_block_layers
from helpers.networks.activations import channel_means, extract_activations, stream_activations
from helpers.networks.architectures import build, layer_names
from helpers.networks.channel_axes import (
    TRACE_BATCH_SIZE,
    channel_axes,
    select_tensor_layers,
    trace_outputs,
)
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.saliency.attribution import saliency_maps

pytestmark = pytest.mark.slow


def images(n: int = 3, side: int = 64) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def output_at(model: nn.Module, path: str, shown: Tensor) -> Tensor:
    """Return a module's output by a hook of this test's own."""
    kept = []
    with torch.inference_mode():
        handle = model.get_submodule(path).register_forward_hook(lambda _m, _i, o: kept.append(o))
        model(shown)
        handle.remove()
    return kept[0]


def tiny(name: str) -> nn.Module:
    """Return a network of a family whose activations have channels last, made small."""
    torch.manual_seed(0)
    swin = {"patch_size": [4, 4], "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4],
            "window_size": [4, 4], "num_classes": 7}
    return {
        "swin": lambda: zoo.SwinTransformer(**swin),
        "swin_v2": lambda: zoo.SwinTransformer(
            **swin, block=zoo.swin_transformer.SwinTransformerBlockV2,
            downsample_layer=zoo.swin_transformer.PatchMergingV2),
        "convnext": lambda: zoo.ConvNeXt([zoo.convnext.CNBlockConfig(24, 48, 2),
                                          zoo.convnext.CNBlockConfig(48, None, 2)],
                                         num_classes=7),
        "vit": lambda: zoo.VisionTransformer(64, 16, 2, 2, 24, 72, num_classes=7),
    }[name]().eval()


@pytest.mark.parametrize("name, path, channels, space", [
    ("swin", "features.0.0", 24, (2, 3)),            # convolution, before its Permute
    ("swin", "features.0.1", 24, (1, 2)),            # the Permute
    ("swin", "features.1.0.norm1", 24, (1, 2)),
    ("swin", "features.1.1.mlp.1", 96, (1, 2)),      # GELU
    ("swin", "features.1.1", 24, (1, 2)),            # a block, which ends with a sum
    ("swin", "features.2.reduction", 48, (1, 2)),
    ("swin", "permute", 48, (2, 3)),
    ("convnext", "features.0.1", 24, (2, 3)),        # LayerNorm2d
    ("convnext", "features.1.0.block.2", 24, (1, 2)),
    ("convnext", "features.1.0.block.4", 96, (1, 2)),
    ("convnext", "features.1.0.block.6", 24, (2, 3)),
    ("convnext", "features.1.1", 24, (2, 3)),
    ("vit", "conv_proj", 24, (2, 3)),
    ("vit", "encoder.layers.encoder_layer_1.ln_1", 24, (1,)),
    ("vit", "encoder.layers.encoder_layer_1.mlp.1", 72, (1,)),
    ("vit", "encoder.layers.encoder_layer_1", 24, (1,)),
    ("vit", "encoder.dropout", 24, (1,))])
def test_means_are_over_positions_in_networks_of_either_order(name, path, channels, space):
    model = tiny(name)
    found = extract_activations(model, {"layer": path}, [images()], read=channel_means)["layer"]
    assert found.shape == (3, channels)
    torch.testing.assert_close(found, output_at(model, path, images()).mean(space))


def test_means_of_networks_with_channels_first_are_as_before_bit_by_bit():
    model = build("torchvision:resnet18", {}, seed=0)
    layers = {name: path for name, path in layer_names(model).items()
              if name in ("conv1", "maxpool", "layer2.0.conv2", "layer4.1.relu", "avgpool", "fc")}
    found = extract_activations(model, layers, [images()], read=channel_means)
    for name, rows in found.items():
        if "#" not in name:
            output = output_at(model, layers[name], images())
            assert torch.equal(rows, output.flatten(2).mean(2) if output.ndim > 2 else output)


EXPECTED = {"alexnet": {1}, "densenet121": {1}, "efficientnet_b0": {1}, "googlenet": {1},
            "mobilenet_v3_small": {1}, "regnet_y_400mf": {1}, "resnet18": {1},
            "squeezenet1_1": {1}, "vgg11_bn": {1}}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_output_of_classical_networks_has_its_channels_first(name):
    """Also those of blocks, which end with sums and concatenations."""
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = zoo.get_model(name, weights=None, **options).eval()
    calls = trace_outputs(model, torch.empty(TRACE_BATCH_SIZE, 3, 224, 224, device="meta"))
    assert {answer.axis for found in calls.values() for answer in found} == EXPECTED[name]


@pytest.mark.parametrize("name, block, axis", [
    ("swin_t", "features.3.1", 3), ("swin_v2_t", "features.3.1", 3), ("swin_t", "features.4", 3),
    ("convnext_tiny", "features.3.2", 1), ("vit_b_32", "encoder.layers.encoder_layer_5", 2),
    ("maxvit_t", "blocks.1", 1), ("maxvit_t", "blocks.0.layers.0.layers.MBconv", 1)])
def test_blocks_have_the_order_of_what_takes_them_next(name, block, axis):
    with torch.device("meta"):
        model = zoo.get_model(name, weights=None).eval()
    calls = trace_outputs(model, torch.empty(TRACE_BATCH_SIZE, 3, 224, 224, device="meta"))
    (answer,) = calls[block]
    assert answer.axis == axis


class Turned(nn.Module):
    """Code between modules that turns square maps, of as many rows as channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Exchange channels and columns."""
        return x.transpose(1, 3)


def test_what_cannot_be_told_is_refused_with_layer_and_shape():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), Turned(), nn.ReLU()).eval()
    for place in ("1", "2"):
        with pytest.raises(LabError, match=r"the layer turned.*\(2, 8, 8, 8\)"):
            extract_activations(model, {"turned": place}, [images(2, 8)], read=channel_means)
    assert extract_activations(model, {"conv": "0"}, [images(2, 8)],
                               read=channel_means)["conv"].shape == (2, 8)
    assert extract_activations(model, {"turned": "1"}, [images(2, 8)])["turned"].shape == (2, 512)
    known = nn.Sequential(model, nn.Linear(8, 5)).eval()
    found = extract_activations(known, {"turned": "0.1"}, [images(2, 8)],
                                read=channel_means)["turned"]
    torch.testing.assert_close(found, output_at(known, "0.1", images(2, 8)).mean((1, 2)))


def test_rows_that_are_no_images_are_refused_with_layer_and_shape():
    """In Swin v2 a small network turns distances, not images, into biases: (1, 7, 7, 512)."""
    model, path = tiny("swin_v2"), "features.1.0.attn.cpb_mlp.0"
    assert path not in select_tensor_layers(model, layer_names(model), (3, 64, 64))
    with pytest.raises(LabError, match=r"the layer bias gives \(1, 7, 7, 512\) for 2 images"):
        stream_activations(model, {"bias": path}, [images(2)], lambda *_: None)


@pytest.mark.parametrize("name, left_out", [
    ("vit", "encoder.layers.encoder_layer_0.self_attention.out_proj"),
    ("swin", "features.1.0.attn.qkv"), ("swin_v2", "features.1.0.attn.cpb_mlp.2"),
    ("googlenet", "aux1.conv.conv"), ("shufflenet_v2_x0_5", "stage2.1.branch1")])
def test_only_layers_that_answer_are_listed(name, left_out):
    model = tiny(name) if name in ("vit", "swin", "swin_v2") else zoo.get_model(
        name, weights=None, **({"init_weights": False} if name == "googlenet" else {})).eval()
    names = layer_names(model)
    listed = select_tensor_layers(model, names, (3, 64, 64))
    assert left_out in names and left_out not in listed
    found = extract_activations(model, listed, [images(1)], read=channel_means)
    assert {call.split("#")[0] for call in found} == set(listed)
    assert list(listed) == [name for name in names if name in listed], "in their order"


def test_networks_are_opened_with_the_layers_that_answer():
    network = load_network(get_entry("torchvision:shufflenet_v2_x0_5-untrained"))
    assert "stage2.1.branch1" not in network.layers and list(network.layers)[-1] == "fc"
    demo = load_network(get_entry("demo-untrained"))
    assert demo.layers == layer_names(demo.model), "all of the paper's network answer"


class Pair(nn.Module):
    """Gives a tuple, or a mapping."""

    def __init__(self, *, mapping: bool) -> None:
        super().__init__()
        self.mapping = mapping

    def forward(self, x: Tensor) -> object:
        """Return the same twice."""
        return {"a": x, "b": x} if self.mapping else (x, x)


class Odd(nn.Module):
    """One layer of every sort that gives no rows of images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()
        self.pair, self.mapping = Pair(mapping=False), Pair(mapping=True)
        self.never, self.flat = nn.Linear(2, 2), nn.Flatten(0)
        self.register_buffer("place", torch.arange(6.0))
        self.bias = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Call all but one."""
        x = self.mapping(self.pair(self.relu(self.conv(x)))[0])["a"]
        self.flat(x)
        return x + self.bias(self.place)[:, None, None]


def test_tuples_mappings_and_unused_layers_are_not_listed():
    model = Odd().eval()
    names = {path: path for path, _ in model.named_modules() if path}
    assert list(select_tensor_layers(model, names, (3, 8, 8))) == ["conv", "relu"]
    assert next(model.parameters()).device.type == "cpu", "the network is left as it was"
    assert not any(module._forward_hooks for module in model.modules())


def test_the_trial_leaves_no_trace_and_is_the_same_with_and_without_values():
    model = tiny("swin")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    real = trace_outputs(model, images(TRACE_BATCH_SIZE, 64))
    empty = trace_outputs(model, torch.empty(TRACE_BATCH_SIZE, 3, 64, 64, device="meta"))
    assert real == empty
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_images_that_a_network_cannot_take_are_named_on_loading():
    listed = get_entry("torchvision:alexnet-untrained")
    view = listed.preprocessing.__class__(16, 16, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(LabError, match="cannot take images of 16 x 16"):
        load_network(listed.__class__(**{**vars(listed), "preprocessing": view}))


def test_saliency_of_a_layer_with_channels_last_is_summed_over_channels():
    """The same network in either order gives the same maps."""
    class Last(nn.Module):
        def __init__(self, *, turned: bool) -> None:
            super().__init__()
            torch.manual_seed(1)
            self.turned, self.conv = turned, nn.Conv2d(3, 5, 3)
            self.mix, self.out = nn.Linear(5, 6), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.mix(self.conv(x).permute(0, 2, 3, 1))
            return self.out(x.square().mean((1, 2)))

    model, shown, classes = Last(turned=True).eval(), images(3, 10), torch.tensor([0, 1, 3])
    _, maps = saliency_maps(model, {"mix": model.mix}, shown, classes)
    x = model.mix(model.conv(shown).permute(0, 2, 3, 1)).detach().requires_grad_()
    model.out(x.square().mean((1, 2)))[torch.arange(3), classes].sum().backward()
    weight = x.grad.mean((1, 2), keepdim=True)
    torch.testing.assert_close(maps["Grad-CAM", "mix"], (weight * x).sum(3).clamp(min=0).detach())
    torch.testing.assert_close(maps["HiResCAM", "mix"],
                               (x.grad * x).sum(3).clamp(min=0).detach())


def test_stages_with_channels_last_are_refused():
    network = with_block_layers(replace(load_network(get_entry("demo-untrained")),
                                        model=tiny("swin"),
                                        input_shape=(3, 64, 64)), ["features.1"])
    with pytest.raises(LabError, match=r"the layer features\.1 of .*channels on axis 3"):
        measure_blocks(network, None, batch_size=2)


def test_a_layer_called_twice_is_reported_call_by_call():
    model = build("torchvision:resnet18", {}, seed=0)
    found = channel_axes(model, {"relu": "layer1.0.relu"}, images(2))
    assert list(found) == ["relu", "relu#2"] and {answer.axis for answer in found.values()} == {1}
