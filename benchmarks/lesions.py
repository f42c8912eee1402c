"""Time all lesions of a network: ratios in one run, on this machine.

    python benchmarks/lesions.py            about eight minutes on two cores
    python benchmarks/lesions.py 48         with so many images

The lesions are those of the figures: the intact network, the lesion of six domains, and ten random
lesions of each, 67 outputs for every image; once in all ReLU layers, as published, once in relu5
alone, a published variant. Compared with

* the published procedure: for every lesion a copy of the network, the images decoded again, and
  a mask tiled to the batch and multiplied in at *every* layer, with a check for NaN (authors'
  lesioning.py);
* the simple way: for every lesion one full pass with hooks at the lesioned layers alone;
* the physical limit: the bare forward pass after the first lesioned layer, once per lesion.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from helpers.core.console import echo
from helpers.lesions.silencing import (
    Lesion,
    apply_lesion,
    find_relu_layers,
    make_lesions,
    run_lesions,
    select_lesion_layers,
    shuffle_units,
)
from helpers.networks.activations import count_units, exact_inference
from helpers.networks.architectures import build, layer_names
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing, get_entry
from helpers.stimuli.image_sets import ImageSet, image_folder
from helpers.training.classifiers import Classifier, attach_readout

BATCH, N_CLASSES, N_RANDOM, SIZE = 32, 1000, 10, 224
DOMAINS = ("faces", "bodies", "objects", "scenes", "characters", "scrambled")
PROPORTIONS = (0.02, 0.005, 0.01, 0.01, 0.03, 0.01)
"""Proportions of units about as the localizer selects them."""


def open_images(folder: Path, n: int) -> ImageSet:
    """Write smooth random images as JPEG files and open them as an image set."""
    rng = np.random.default_rng(0)
    (folder / "class").mkdir(parents=True)
    for number in range(n):
        noise = Image.fromarray(rng.integers(256, size=(256, 256, 3), dtype=np.uint8))
        noise.filter(ImageFilter.GaussianBlur(3)).save(folder / "class" / f"{number}.jpg")
    return image_folder(folder)


def network() -> Network:
    """Build the paper's AlexNet-GN, untrained: speed does not depend on the weights."""
    model = build("alexnet_gn", {}, seed=0)
    view = Preprocessing(256, SIZE, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return Network("alexnet-gn", get_entry("alexnet-barlow-twins"), model, layer_names(model), view,
                   "", (3, SIZE, SIZE))


def random_unit_masks(units: dict[str, int]) -> dict[str, np.ndarray]:
    """Assign units of every layer to domains in these proportions, none to two domains."""
    rng = np.random.default_rng(0)
    edges = np.cumsum(PROPORTIONS)
    return {layer: np.digitize(rng.random(n), edges)[None] == np.arange(len(DOMAINS))[:, None]
            for layer, n in units.items()}


def published(model: nn.Module, layers: dict[str, str], lesions: list[Lesion], batches: Callable,
              units: dict[str, int]) -> list[Tensor]:
    """Return the outputs of every lesion as the published code computes them."""
    outputs = []
    for lesion in lesions:
        copied = copy.deepcopy(model)
        keep = {layer: ~lesion.masks.get(layer, torch.zeros(n, dtype=torch.bool))
                for layer, n in units.items()}

        def multiply(module, _inputs, output, keep=keep, names={}):  # noqa: B006
            mask = keep[module.lesion_name].float().view(1, *output.shape[1:])
            lesioned_output = output * mask.repeat(len(output), *[1] * (output.ndim - 1))
            if torch.isnan(lesioned_output).sum() > 0:
                raise SystemExit("NaN")
            return lesioned_output

        for layer, path in layers.items():
            module = copied.get_submodule(path)
            module.lesion_name = layer
            module.register_forward_hook(multiply)
        with exact_inference(copied):
            outputs.append(torch.cat([copied(batch) for batch in batches()]))
    return outputs


def plain(model: nn.Module, layers: dict[str, str], lesions: list[Lesion],
          batches: Callable) -> list[Tensor]:
    """Return the outputs of one full pass per lesion, with masks at the lesioned layers alone."""
    outputs = []
    for lesion in lesions:
        with exact_inference(model), apply_lesion(model, layers, lesion):
            outputs.append(torch.cat([model(batch) for batch in batches()]))
    return outputs


def ours(model: nn.Module, layers: dict[str, str], lesions: list[Lesion],
         batches: Callable) -> list[Tensor]:
    """Return the outputs of `run_lesions`."""
    outputs: dict[int, list[Tensor]] = {}
    run_lesions(model, layers, lesions, batches(),
                lambda _start, number, output: outputs.setdefault(number, []).append(output))
    return [torch.cat(parts) for parts in outputs.values()]


def limit(model: nn.Module, first: str, n_outputs: int, batches: Callable) -> float:
    """Return the seconds of the bare pass after ``relu1`` ... ``relu5``, ``n_outputs`` times."""
    trunk, block = model.trunk, int(first[-1]) - 1
    before = nn.Sequential(*trunk.backbone[:block], trunk.backbone[block][:3]).eval()
    after = nn.Sequential(trunk.backbone[block][3:], *trunk.backbone[block + 1:], trunk.pool,
                          trunk.flatten, trunk.projector[:6], model.readout).eval()
    with exact_inference(before), exact_inference(after):
        begun = [before(batch) for batch in batches()]
        after(begun[0])
        begin = time.perf_counter()
        for batch in begun:
            for _ in range(n_outputs):
                after(batch)
        return time.perf_counter() - begin


def seconds(function: Callable[[], list[Tensor]]) -> tuple[float, list[Tensor]]:
    """Return the seconds of one run, and its result."""
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result


def main(n_images: int = 64) -> None:
    """Print the ratios; exit with an error if the outputs differ."""
    net = network()
    units = count_units(net.model, net.layers, torch.zeros(1, 3, SIZE, SIZE))
    classifier = attach_readout(net, torch.randn(N_CLASSES, units["relu7"]) / 64, "relu7")
    masks = random_unit_masks({layer: units[layer] for layer in classifier.layers})
    sets = [masks, *(shuffle_units(masks, seed=(0, draw)) for draw in range(N_RANDOM))]
    with tempfile.TemporaryDirectory() as folder:
        images = open_images(Path(folder), n_images)
        rows = [range(i, min(i + BATCH, n_images)) for i in range(0, n_images, BATCH)]
        for method in ("relus", "relu5"):
            lesioned = select_lesion_layers(method, list(classifier.layers),
                                            find_relu_layers(net.model, net.layers))
            lesions = [lesion for one in sets for lesion in make_lesions(one, DOMAINS, lesioned)]
            compare(method, classifier, lesioned[0], lesions,
                    {layer: units[layer] for layer in classifier.layers},
                    lambda: images.batches(rows, net.preprocessing))


def compare(method: str, classifier: Classifier, first: str, lesions: list[Lesion],
            units: dict[str, int], batches: Callable) -> None:
    """Time all ways for one lesion method."""
    model, layers = classifier.model, classifier.layers
    everything = [Lesion("intact", {}), *lesions]
    ours(model, layers, lesions[:1], batches)  # warm up
    bare = limit(model, first, len(everything), batches)
    fast, ours_outputs = seconds(lambda: ours(model, layers, lesions, batches))
    bare = (bare + limit(model, first, len(everything), batches)) / 2
    echo(f"{method}: {len(everything)} outputs for {len(ours_outputs[0])} images at {SIZE} px in "
         f"{fast:.1f} s; bare pass after {first}, once per output, {bare:.1f} s: "
         f"{fast / bare:.2f} times the limit")
    for name, way in (("one full pass per lesion", lambda: plain(model, layers, everything,
                                                                 batches)),
                      ("as published", lambda: published(model, layers, everything, batches,
                                                         units))):
        slow, expected = seconds(way)
        check(name, expected, ours_outputs)
        echo(f"  {name}: {slow:.1f} s, {slow / fast:.2f} times ours; same numbers")


def check(name: str, expected: list[Tensor], ours_outputs: list[Tensor]) -> None:
    """Exit with an error where two ways give other numbers."""
    for number, (a, b) in enumerate(zip(expected, ours_outputs, strict=True)):
        if not torch.equal(a, b):
            raise SystemExit(f"{name}: output {number} differs by {(a - b).abs().max():.2g}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
