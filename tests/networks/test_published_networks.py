"""torchvision:<name>: built and filled as torchvision's own constructor does it.

No published file is at hand, so each network's random weights are saved in the form that its
publisher uses: names, versions and auxiliary heads.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from helpers.core.errors import LabError
from helpers.networks.activations import layer_hooks
from helpers.networks.architectures import build
from helpers.networks.network import load_network
from helpers.networks.registry import Preprocessing, get_entry, parse_entry
from helpers.networks.torchvision_models import list_models
from helpers.networks.weights import load_weights, read_state_dict

pytestmark = pytest.mark.slow

FAST = ["densenet121", "googlenet", "mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf",
        "shufflenet_v2_x0_5", "squeezenet1_1"]
SLOW = ["alexnet", "convnext_tiny", "efficientnet_b0", "inception_v3", "resnet18", "swin_t",
        "vgg11_bn", "vit_b_32"]
"""One of each family that is built in its own way; the others are exhaustive."""
LARGE = 100e6
"""Parameters above which names and shapes alone are compared."""


def published(name: str) -> tuple[nn.Module, OrderedDict]:
    """Return torchvision's network with its default weights, which are random, and their file."""
    whole: dict = {}

    def keep(model: nn.Module, _state: dict) -> None:
        if not is_large(name):
            shake(model)
        whole["state"] = model.state_dict()

    torch.manual_seed(0)
    with device_of(name), warnings.catch_warnings(), \
            patch.object(nn.Module, "load_state_dict", keep), \
            patch.object(zoo.WeightsEnum, "get_state_dict", lambda *_args, **_options: {}):
        warnings.simplefilter("ignore")
        model = zoo.get_model(name, weights="DEFAULT").eval()
    if is_large(name):
        whole["state"] = model.to("meta").state_dict()
    return model, published_form(name, whole["state"])


@torch.no_grad()
def shake(model: nn.Module) -> None:
    """Leave no bias, norm or head at its first 0 or 1."""
    for tensor in model.parameters():
        if tensor.ndim == 1:
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    if isinstance(model, zoo.VisionTransformer):
        nn.init.normal_(model.heads.head.weight, std=0.05)


def published_form(name: str, state: OrderedDict) -> OrderedDict:
    """Give tensors the names and versions that they have in the published files."""
    metadata = OrderedDict((module, dict(version)) for module, version in state._metadata.items())
    if name.startswith(("densenet", "vgg")):  # older than the count of batches
        state = OrderedDict((key, value) for key, value in state.items()
                            if not key.endswith("num_batches_tracked"))
        metadata = OrderedDict((module, {}) for module in metadata)
    if name.startswith("densenet"):
        state = OrderedDict((re.sub(r"(denselayer\d+\.(?:norm|relu|conv))(\d)", r"\1.\2", key),
                             value) for key, value in state.items())
    if name.startswith("vit_"):
        old = {".mlp.0.": ".mlp.linear_1.", ".mlp.3.": ".mlp.linear_2."}
        state = OrderedDict((re.sub(r"\.mlp\.[03]\.", lambda m: old[m[0]], key), value)
                            for key, value in state.items())
        metadata = OrderedDict((module, {} if module.endswith(".mlp") else version)
                               for module, version in metadata.items())
    state._metadata = metadata
    return state


def answers(model: nn.Module, paths: list[str], images: torch.Tensor) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    with torch.inference_mode(), layer_hooks(model, dict(zip(paths, paths)), lambda path, output:
                                             found.update({path: output.clone()})):
        found["output"] = model(images)
    return found


def compare(name: str, folder: Path) -> None:
    """Load a network's file through the registry; its layers answer as the publisher's own."""
    own, state = published(name)
    known = get_entry(f"torchvision:{name}")
    if is_large(name):
        del own
        with device_of(name):
            model = build(known.architecture, known.options, seed=0).to("meta")
        load_weights(model, state, name)
        return
    torch.save(state, folder / known.file)
    network = load_network(known, folder / known.file)
    paths = list(network.layers.values())
    some = [*paths[:3], *paths[3:-3:max(1, len(paths) // 12)], *paths[-3:]]
    images = torch.randn(1, *network.input_shape, generator=torch.Generator().manual_seed(1))
    own = own.to(memory_format=torch.channels_last)  # as ours: rounding depends on it
    wanted, found = answers(own, some, images), answers(network.model, some, images)
    assert wanted["output"].std() > 0
    for path, output in wanted.items():
        assert torch.equal(found[path], output), (path, (found[path] - output).abs().max())


def is_large(name: str) -> bool:
    return zoo.get_model_weights(name).DEFAULT.meta["num_params"] > LARGE


def device_of(name: str) -> torch.device:
    """Large networks have no values, but for RegNet, which computes its widths with tensors."""
    return torch.device("meta" if is_large(name) and not name.startswith("regnet") else "cpu")


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize("name", [
    *FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
    *(pytest.param(name, marks=pytest.mark.exhaustive) for name in list_models()
      if name not in (*FAST, *SLOW))])
def test_published_files_give_the_publishers_activations(name, tmp_path):
    compare(name, tmp_path)


def test_every_name_of_torchvision_is_tested():
    assert {*FAST, *SLOW} <= set(list_models()) and len(list_models()) >= 80


def test_the_input_of_googlenet_is_rescaled_as_published():
    for name in ("googlenet", "inception_v3"):
        assert get_entry(f"torchvision:{name}").options["transform_input"] is True
        untrained = get_entry(f"torchvision:{name}-untrained").options
        assert untrained["transform_input"] is True and untrained["init_weights"] is True


def test_all_preprocessings_are_torchvisions():
    """Sides, crop and filter in full; the pixels themselves for small ones of every kind."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(256, size=(260, 330, 3), dtype=np.uint8))
    kinds: dict[tuple, str] = {}
    for name in list_models():
        theirs = zoo.get_model_weights(name).DEFAULT.transforms()
        view = Preprocessing(*theirs.resize_size, *theirs.crop_size, tuple(theirs.mean),
                             tuple(theirs.std), theirs.interpolation.value)
        assert get_entry(f"torchvision:{name}").preprocessing == view and theirs.antialias
        kinds.setdefault((view.resize, view.crop, view.interpolation), name)
    assert get_entry("torchvision:inception_v3").preprocessing.geometry == (342, 299, "bilinear")
    for _, name in sorted(kinds.items())[:6]:
        wanted = zoo.get_model_weights(name).DEFAULT.transforms()(image)
        assert torch.allclose(get_entry(f"torchvision:{name}").preprocessing(image), wanted,
                              atol=1e-6)


def own_entry(architecture: str, **options):
    view = {"resize": 64, "crop": 64, "mean": [0.5] * 3, "std": [0.25] * 3}
    return parse_entry("mine", {"architecture": architecture, "objective": "supervised",
                                "diet": "mine", "file": "x.pth", "preprocessing": view,
                                "options": {"num_classes": 5, **options}})


def test_weights_that_do_not_say_whether_the_input_is_rescaled_are_refused(tmp_path):
    model = zoo.googlenet(num_classes=5, init_weights=False)
    torch.save(model.state_dict(), tmp_path / "x.pth")
    plain = {"aux_logits": True, "init_weights": False}
    with pytest.raises(LabError, match="transform_input = true"):
        load_network(own_entry("torchvision:googlenet", **plain), tmp_path / "x.pth")
    for stated in (True, False):
        network = load_network(own_entry("torchvision:googlenet", transform_input=stated, **plain),
                               tmp_path / "x.pth")
        assert network.model.transform_input is stated


@pytest.mark.parametrize("name", ["mnasnet0_5", "shufflenet_v2_x0_5"])
def test_files_without_versions_load_where_all_names_agree(name, tmp_path):
    """MNASNet's own loader wants a version, which safetensors files do not have."""
    model = zoo.get_model(name, weights=None, num_classes=5).eval()
    shake(model)
    save_file(model.state_dict(), tmp_path / "x.safetensors")
    network = load_network(own_entry(f"torchvision:{name}"), tmp_path / "x.safetensors")
    images = torch.randn(2, 3, 64, 64)
    model = model.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.equal(network.model(images), model(images))


def test_versions_survive_a_prefix_and_a_key(tmp_path):
    """By its version MNASNet knows its first form, whose stem is wider."""
    state = zoo.mnasnet0_5(weights=None, num_classes=5).state_dict()
    wrapped = OrderedDict((f"module.{name}", tensor) for name, tensor in state.items())
    wrapped._metadata = OrderedDict((f"module.{name}".rstrip("."), version)
                                    for name, version in state._metadata.items())
    torch.save({"state_dict": wrapped}, tmp_path / "x.pth")
    read = read_state_dict(tmp_path / "x.pth", key="state_dict", prefix="module.")
    assert read._metadata == state._metadata
    load_weights(zoo.mnasnet0_5(weights=None, num_classes=5), read, "mnasnet")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, value, suffix):
    state = zoo.squeezenet1_1(num_classes=5).state_dict()
    state["features.3.squeeze.weight"][0, 1] = value
    path = tmp_path / f"x.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    with pytest.raises(LabError, match=r"1 of 1024 values in features\.3\.squeeze\.weight"):
        load_network(own_entry("torchvision:squeezenet1_1"), path)
