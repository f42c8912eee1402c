"""Networks: the paper's table of units, strict files of weights, names, preprocessing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from PIL import Image
from torch import nn

from helpers.core.errors import LabError
from helpers.core.moments import float64_device
from helpers.core.paths import ROOT
from helpers.networks import activations
from helpers.networks.activations import count_units, extract_activations, stream_activations
from helpers.networks.alexnet_gn import AlexNetGN
from helpers.networks.architectures import build, layer_names
from helpers.networks.network import available_devices, load_network, select_device
from helpers.networks.registry import get_entry, parse_entry, registry
from helpers.networks.weights import read_state_dict, save_state_dict, state_digest

SHARED = Path(os.environ.get("LAB_SHARED", ROOT.parent / "shared" / "data"))

UNITS = {
    "conv1": 290400, "groupnorm1": 290400, "relu1": 290400, "maxpool1": 69984,
    "conv2": 186624, "groupnorm2": 186624, "relu2": 186624, "maxpool2": 43264,
    "conv3": 64896, "groupnorm3": 64896, "relu3": 64896,
    "conv4": 64896, "groupnorm4": 64896, "relu4": 64896,
    "conv5": 43264, "groupnorm5": 43264, "relu5": 43264, "maxpool5": 9216,
    "avgpool5": 9216, "flatten": 9216,
    "fc6": 4096, "batchnorm6": 4096, "relu6": 4096,
    "fc7": 4096, "batchnorm7": 4096, "relu7": 4096, "fc8": 4096, "batchnorm8": 4096}

SMALL = {"channels": (8, 8, 8, 8, 8), "groups": 4, "pool": 1, "projector": (12, 10, 6)}


def small_entry(**changes):
    """Return an entry of a tiny AlexNetGN."""
    view = {"resize": 64, "crop": 64, "mean": [0.5] * 3, "std": [0.25] * 3}
    return parse_entry("small", {"architecture": "alexnet_gn", "objective": "supervised",
                                 "diet": "noise", "preprocessing": view, "options": SMALL,
                                 **changes})


@pytest.fixture
def small_file(tmp_path):
    """Return a tiny network and its safetensors file."""
    model = build("alexnet_gn", SMALL, seed=1)
    save_state_dict(tmp_path / "small.safetensors", model)
    return model, tmp_path / "small.safetensors"


def test_units_of_the_papers_network():
    with torch.device("meta"):
        model = AlexNetGN().eval()
        counts = count_units(model, layer_names(model), torch.zeros(1, 3, 224, 224))
    assert list(counts) == list(UNITS)
    assert counts == UNITS
    assert sum(counts.values()) == 2_123_904


def test_names_of_tensors_are_those_of_the_published_file():
    with torch.device("meta"):
        names = set(AlexNetGN().state_dict())
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"backbone.{i}.0.weight" for i in range(5)}
    expected |= {f"backbone.{i}.1.{kind}" for i in range(5) for kind in ("weight", "bias")}
    expected |= {f"projector.{i}.weight" for i in (0, 3, 6)}
    expected |= {f"projector.{i}.{kind}" for i in (1, 4) for kind in norm}
    expected |= {f"bn.{kind}" for kind in norm[2:]}
    assert names == expected


def test_every_layer_name_is_the_right_kind_of_module():
    kinds = {"conv": nn.Conv2d, "groupnorm": nn.GroupNorm, "relu": nn.ReLU,
             "maxpool": nn.MaxPool2d, "avgpool": nn.AdaptiveAvgPool2d, "flatten": nn.Flatten,
             "fc": nn.Linear, "batchnorm": nn.BatchNorm1d, "dropout": nn.Dropout}
    with torch.device("meta"):
        for model in (AlexNetGN(), zoo.alexnet()):
            for name, path in layer_names(model).items():
                assert isinstance(model.get_submodule(path), kinds[name.rstrip("12345678")]), name
            order = [path for path, _ in model.named_modules()]
            positions = [order.index(path) for path in layer_names(model).values()]
            assert positions == sorted(positions)
            leaves = [m for m in model.modules() if not any(m.children())]
            assert len(positions) == len(leaves)


def test_every_registered_network_can_be_built():
    with torch.device("meta"):
        for known in registry().values():
            build(known.architecture, known.options, seed=0)
    assert len([name for name in registry() if "ref" in name]) == 15
    widths = {name: known.options["projector"][-1] for name, known in registry().items()
              if known.keys == "open_ipcl"}
    assert set(widths.values()) == {128, 1000}


def test_untrained_networks_are_seeded_and_touch_no_global_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    digests = [load_network(get_entry("demo-untrained"), seed=seed).digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert torch.equal(torch.get_rng_state(), before)
    twin = load_network(get_entry("demo-barlow-twins-untrained"), seed=0)
    assert twin.digest == digests[0]
    assert twin.name == "demo-barlow-twins-untrained"


def test_half_precision_file_loads_as_float32(tmp_path):
    model = build("alexnet_gn", SMALL, seed=1)
    save_state_dict(tmp_path / "half.safetensors", model, half=True)
    network = load_network(small_entry(), tmp_path / "half.safetensors")
    for name, tensor in network.model.state_dict().items():
        wanted = model.state_dict()[name]
        assert tensor.dtype == wanted.dtype
        assert torch.allclose(tensor, wanted, rtol=2**-11, atol=1e-7), name
    assert not any(module.training for module in network.model.modules())


def test_digest_follows_the_content_not_the_file(small_file, tmp_path):
    model, path = small_file
    torch.save(model.state_dict(), tmp_path / "same.pth")
    same = load_network(small_entry(), tmp_path / "same.pth")
    assert load_network(small_entry(), path).digest == same.digest
    state = model.state_dict()
    state["projector.0.weight"][0, 0] += 1e-6
    assert state_digest(state) != same.digest


def test_open_ipcl_files_are_translated(tmp_path):
    """A file with that project's names gives the same network, its output of unit length."""
    options = SMALL | {"fc_bias": True, "head": "l2norm"}
    model = build("alexnet_gn", options, seed=2)
    theirs = {"projector.0": "fc6.0", "projector.1": "fc6.1", "projector.3": "fc7.0",
              "projector.4": "fc7.1", "projector.6": "fc8.0"}
    theirs |= {f"backbone.{i}.{j}": f"conv_block_{i + 1}.{j}" for i in range(5) for j in (0, 1)}
    renamed = {}
    for name, tensor in model.state_dict().items():
        module, kind = name.rsplit(".", 1)
        renamed[f"module.{theirs[module]}.{kind}"] = tensor
    torch.save({"state_dict": renamed, "epoch": 100}, tmp_path / "ipcl.pth.tar")
    network = load_network(small_entry(options=options, state_dict_key="state_dict",
                                       prefix="module.", keys="open_ipcl"),
                           tmp_path / "ipcl.pth.tar")
    assert network.digest == state_digest(model.state_dict())
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network.model(images).norm(dim=1), torch.ones(3), atol=1e-5)
    assert list(network.layers)[-1] == "l2norm8"


def test_weights_that_do_not_fit_are_refused(small_file, tmp_path):
    model, path = small_file
    with pytest.raises(LabError, match=r"projector\.6\.weight \(6, 10\) for \(7, 10\)"):
        load_network(small_entry(options=SMALL | {"projector": (12, 10, 7)}), path)
    state = model.state_dict()
    state["extra.weight"] = state.pop("bn.running_var")
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(LabError, match="missing: bn.running_var; 1 unexpected: extra.weight"):
        load_network(small_entry(), tmp_path / "odd.pth")
    with pytest.raises(LabError, match="no file of weights"):
        load_network(small_entry())


class Trap:
    """Would make a folder when unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_code_in_a_file_of_weights_is_not_run(tmp_path):
    torch.save({"state_dict": Trap(str(tmp_path / "trapped"))}, tmp_path / "trap.pth")
    with pytest.raises(LabError, match=r"no state dict, but.*state_dict \(posix.mkdir\)"):
        read_state_dict(tmp_path / "trap.pth")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("share", [0, 0.01, 0.6])
def test_damaged_files_are_named(small_file, tmp_path, suffix, share):
    model, path = small_file
    if suffix == "pth":
        path = tmp_path / "whole.pth"
        torch.save(model.state_dict(), path)
    damaged = tmp_path / f"damaged.{suffix}"
    damaged.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
    with pytest.raises(LabError, match=rf"damaged\.{suffix}"):
        read_state_dict(damaged)


def test_absent_files_and_keys_are_named(small_file, tmp_path):
    with pytest.raises(LabError, match="there are no weights"):
        read_state_dict(tmp_path / "nothing.pth")
    torch.save({"state_dict": small_file[0].state_dict(), "epoch": 3}, tmp_path / "check.pth")
    with pytest.raises(LabError, match=r"no state dict 'model'(?s:.)*tensors are in state_dict"):
        read_state_dict(tmp_path / "check.pth", key="model")
    plain, nested = read_state_dict(small_file[1], key="model"), read_state_dict(
        tmp_path / "check.pth")
    assert state_digest(plain) == state_digest(nested)


@pytest.mark.parametrize("name, near", [
    ("alexnet-barlow-twin", "alexnet-barlow-twins"), ("demo-barlow", "demo-barlow-twins"),
    ("torchvision:resnet51", "torchvision:resnet50"), ("resnet50-supervized-untrained", "resnet")])
def test_unknown_names_get_the_nearest_known_ones(name, near):
    with pytest.raises(LabError) as caught:
        get_entry(name)
    assert near in caught.value.expected


def test_the_registry_is_read_strictly():
    with pytest.raises(LabError, match="licens"):
        small_entry(licens="MIT")
    with pytest.raises(LabError, match="crop"):
        small_entry(preprocessing={"resize": 64, "mean": [0.5] * 3, "std": [0.25] * 3})
    with pytest.raises(LabError, match="cannot be built"):
        load_network(small_entry(options={"chanels": 3}, objective="none"))
    with pytest.raises(LabError, match="head 'softmax' is unknown"):
        load_network(small_entry(options={"head": "softmax"}, objective="none"))


@pytest.mark.parametrize("model", ["alexnet", "resnet50", "efficientnet_b0"])
def test_any_torchvision_network_can_be_asked_for(model):
    found = get_entry(f"torchvision:{model}")
    weights = zoo.get_model_weights(model).DEFAULT
    assert found.url == weights.url
    assert weights.url.endswith(f"-{found.digest.removeprefix('sha256:')}.pth")
    rng = np.random.default_rng(0)
    for shape in ((300, 400, 3), (260, 300)):
        image = Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8))
        wanted = weights.transforms()(image.convert("RGB"))
        assert torch.allclose(found.preprocessing(image), wanted, atol=1e-6)


def test_the_registry_agrees_with_torchvision():
    for name in ("alexnet-supervised", "squeezenet1_0-imagenet", "resnet50-supervised"):
        ours = registry()[name]
        theirs = get_entry(ours.architecture)
        assert (ours.url, ours.digest, ours.preprocessing, ours.bytes) == (
            theirs.url, theirs.digest, theirs.preprocessing, theirs.bytes)


def test_layers_are_not_overwritten_by_the_next():
    """In torchvision's own SqueezeNet a ReLU works in place, and a kept output turns positive."""
    network = load_network(get_entry("torchvision:squeezenet1_1-untrained"), seed=0)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept = []
    hook = network.model.features[0].register_forward_hook(lambda _m, _i, out: kept.append(out))
    with torch.no_grad():
        network.model(image)
        hook.remove()
        assert torch.equal(kept[0], network.model.features[0](image))


def test_devices():
    assert select_device("cpu") == torch.device("cpu")
    assert select_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(LabError, match="'gpu' cannot be used.*\n.*one of auto, .*cpu"):
        select_device("gpu")


@pytest.mark.parametrize("n_cuda, mps, found", [
    (0, False, ["cpu"]), (0, True, ["mps", "cpu"]), (1, False, ["cuda", "cpu"]),
    (2, True, ["cuda", "cuda:1", "mps", "cpu"]),
])
def test_auto_takes_the_first_device_that_is_there(monkeypatch, n_cuda, mps, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert available_devices() == found
    assert select_device("auto") == torch.device(found[0])
    with pytest.raises(LabError, match="one of auto, " + ", ".join(found)):
        select_device("tpu")


@pytest.mark.parametrize("device, receiver", [("mps", "cpu"), ("mps:0", "cpu"), ("cpu", "cpu"),
                                              ("cuda:1", "cuda:1")])
def test_float64_is_computed_where_there_is_float64(device, receiver):
    assert torch.device(float64_device(torch.device(device))) == torch.device(receiver)
    assert float64_device(device) == receiver


def test_activations_are_handed_on_where_float64_can_be_computed(monkeypatch):
    """A device without float64 is played by "meta" here, whose tensors hold nothing."""
    seen = []
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    for answer in ("cpu", "meta"):
        monkeypatch.setattr(activations, "float64_device", lambda _, answer=answer: answer)
        stream_activations(model, {"conv": "0"}, [torch.zeros(2, 3, 8, 8)],
                           lambda _start, _name, values: seen.append(values.device.type))
    assert seen == ["cpu", "meta"]


@pytest.mark.slow
def test_a_real_network_recognises_real_photographs():
    folder = SHARED / "imagenet" / "val"
    known = get_entry("squeezenet1_0-imagenet")
    weights = SHARED / "networks" / known.local
    if not (folder.is_dir() and weights.is_file()):
        pytest.skip(f"needs {weights.name} and photographs in {SHARED} (set LAB_SHARED)")
    network = load_network(known, weights)
    classes = sorted(folder.iterdir())[::25]
    images = torch.stack([network.preprocessing(Image.open(next(wnid.iterdir())))
                          for wnid in classes])
    scores = extract_activations(network.model, {"out": "classifier.3"}, [images])["out"]
    hits = (scores.argmax(1) == torch.arange(0, 1000, 25)).float().mean()
    assert hits > 0.45
