"""Networks that name classes: by themselves, or through a linear readout.

The readout's training at work: images streamed from disk, cropped and mirrored at random,
through the frozen network, with a bar, kept after every epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.transforms import functional

from helpers.config.contrastive_coding import ReadoutSpec
from helpers.core.cache import cached, key
from helpers.core.console import manual_bar
from helpers.core.digest import code_digest, defining_modules
from helpers.core.errors import LabError, one_of
from helpers.core.paths import cache_dir
from helpers.lab import Laboratory
from helpers.networks.named_layers import layers_before_last_weights
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing
from helpers.networks.weight_files import readout_file
from helpers.networks.weights import read_state_dict, state_digest
from helpers.stimuli.image_sets import ImageSet
from helpers.training.augmentation import Augmentation, resize_and_normalise
from helpers.training.random_crops import RandomCrops
from helpers.training.readout import (
    FeatureBatch,
    NetworkWithReadout,
    extract_layer_features,
    train_readout,
)

READOUT_TENSOR = "readout.weight"
"""Name of the tensor in our own files of readouts."""


@dataclass(frozen=True)
class Classifier:
    """A network ready to name classes, and to be lesioned.

    Attributes
    ----------
    name : str
    network : Network
        As it is without the readout; its units are those that the localizer tests.
    model : nn.Module
        Maps images to one value per class.
    layers : dict of str to str
        Layer name -> module path in ``model``, of the layers before the readout, in order.
    preprocessing : Preprocessing
        Of the images to be named.
    digest : str
        Of all weights, the readout's among them.
    weight : Tensor, optional
        The linear readout's, float32 (n_classes, n_units); None for a network's own classifier.
    """

    name: str
    network: Network
    model: nn.Module
    layers: dict[str, str]
    preprocessing: Preprocessing
    digest: str
    weight: Tensor | None = None

    @property
    def parts(self) -> dict[str, object]:
        """All that its answers depend on, for keys."""
        return {"network": self.network.parts, "weights": self.digest,
                "layers": [list(pair) for pair in self.layers.items()],
                "preprocessing": self.preprocessing}

    def summarise_weights(self) -> dict[str, float]:
        """Return fraction of readout weights below .001, mean and SD of their magnitude ."""
        if self.weight is None:
            return {}
        size = self.weight.abs()
        return {"share below 0.001": float((size < 0.001).float().mean()),
                "mean magnitude": float(size.mean()), "sd of magnitude": float(size.std())}

    def select_lesionable_layers(self, names: Iterable[str]) -> list[str]:
        """Keep the layer names (``name#2``: a second call) that come before the readout."""
        return [name for name in names if name.split("#")[0] in self.layers]


def open_classifier(laboratory: Laboratory, name: str) -> Classifier:
    """Open a network that names classes: by itself, or through its readout.

    The readout is the zoo's, a published one, or trained now on the images that the profile's
    table [readout] names; from the layer that the registry names, or from the last one before the
    network's own output.

    Raises
    ------
    LabError
        If there is no readout, and the profile does not say how to train one.
    """
    network = laboratory.network(name)
    if network.entry.classifies_imagenet:
        return builtin_classifier(network)
    listed = network.entry.readout
    layer = listed.layer if listed else list(layers_before_last_weights(network))[-1]
    path, profile = readout_file(network.entry, laboratory.data), laboratory.profile
    if path:
        weight = read_readout_weight(path, count_layer_units(network, layer))
    elif profile.readout is None:
        raise LabError(f"the readout of {network.name} is missing, and the profile "
                       f"{profile.name!r} does not say how to train one",
                       expected="a table [readout] in the profile: images, epochs, learning rates",
                       remedy="copy [readout] from helpers/profiles/paper.toml; it is then "
                       "trained on first use, with a progress bar, and kept")
    else:
        images = laboratory.images(profile.readout.images, profile.readout.part)
        weight = cached_readout(network, layer, images, profile.readout, seed=profile.seed)
    classifier = attach_readout(network, weight, layer, resize=listed.resize if listed else 0)
    laboratory.record(f"readout of {name}", classifier.digest)
    return classifier


def builtin_classifier(network: Network) -> Classifier:
    """Use a network's own classifier; its last convolution or linear layer is the readout."""
    layers = layers_before_last_weights(network)
    return Classifier(network.name, network, network.model, layers, network.preprocessing,
                      network.digest)


def attach_readout(network: Network, weight: Tensor, layer: str, *, resize: int = 0) -> Classifier:
    """Put a linear readout behind a layer of a network.

    Parameters
    ----------
    network : Network
    weight : Tensor
        float32 (n_classes, n_units).
    layer : str
    resize : int
        Shorter side of the images before the crop, px; 0 as for the network.

    Raises
    ------
    LabError
        If the network has no such layer, or the weights do not fit it.
    """
    n_units = count_layer_units(network, layer)
    if weight.ndim != 2 or weight.shape[1] != n_units:
        raise LabError(f"a readout {tuple(weight.shape)} for {layer} of {network.name}",
                       expected=f"(n_classes, {n_units})",
                       remedy="train the readout on this network, from this layer")
    device = next(network.model.parameters()).device
    names = list(network.layers)
    layers = {name: f"trunk.{network.layers[name]}" for name in names[:names.index(layer) + 1]}
    weight = weight.float()
    model = NetworkWithReadout(network.model, network.layers[layer], weight.to(device)).eval()
    return Classifier(
        network.name, network, model, layers,
        replace(network.preprocessing, resize=resize or network.preprocessing.resize),
        key(network=network.digest, readout=state_digest({READOUT_TENSOR: weight}), layer=layer),
        weight)


def count_layer_units(network: Network, layer: str) -> int:
    """Count the units of a layer for images of the network's own size.

    Raises
    ------
    LabError
        If the network has no such layer.
    """
    if layer not in network.layers:
        raise LabError(f"{network.name} has no layer {layer!r} to be read out",
                       expected=one_of(network.layers),
                       remedy="correct `readout` in helpers/networks/registry.toml")
    device = next(network.model.parameters()).device
    blank = torch.zeros(1, *network.input_shape, device=device)
    return extract_layer_features(network.model, network.layers[layer], blank).shape[1]


def read_readout_weight(path: Path, n_units: int) -> Tensor:
    """Read the weights of a readout: our own file, or a published checkpoint of a whole network.

    Parameters
    ----------
    path : Path
        Holds the tensor ``readout.weight``, by itself or after those of the network that is read,
        as published: within a training state (authors' training.py, ``main_training_loop``).
    n_units : int
        Width of the layer that is read.

    Returns
    -------
    Tensor, float32, shape (n_classes, n_units)

    Raises
    ------
    LabError
        If the file has no readout, or one of another layer.
    """
    state = read_state_dict(path)
    matching = [tensor for name, tensor in state.items() if "readout" in name.split(".")
                and tensor.ndim == 2 and tensor.shape[1] == n_units]
    if not matching:
        raise LabError(f"{path} has no readout of {n_units} units: " + ", ".join(
                           f"{name} {tuple(tensor.shape)}" for name, tensor in state.items())[:200],
                       expected=f"{READOUT_TENSOR} (n_classes, {n_units})",
                       remedy="put the readout of this network and layer there; where none is, it "
                       "is fetched or trained")
    return matching[-1].float()


def make_epoch_iterator(network: Network, layer: str, images: ImageSet, spec: ReadoutSpec, *,
                        seed: int) -> Callable[[int], Iterator[FeatureBatch]]:
    """Return what makes the batches of an epoch: the same batches for the same number.

    Every image is cropped and mirrored at random (`helpers.training.random_crops`) and shown to the
    network; the last batch may be smaller, as published.
    """
    normalisation = Augmentation(size=spec.size, mean=network.preprocessing.mean,
                                 std=network.preprocessing.std)
    device = next(network.model.parameters()).device
    labels = torch.from_numpy(images.labels)

    def epoch(epoch_number: int) -> Iterator[FeatureBatch]:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(
            1000 * seed + epoch_number))
        views = RandomCrops(images, spec.size, spec.min_crop_fraction, (seed, epoch_number))
        rows = order.split(spec.batch_size)
        for batch_rows, batch in zip(rows, views.batches(rows, functional.pil_to_tensor)):
            shown = resize_and_normalise(batch.to(device), normalisation)
            yield (extract_layer_features(network.model, network.layers[layer], shown),
                   labels[batch_rows].to(device))

    return epoch


def fit_readout(network: Network, layer: str, images: ImageSet, spec: ReadoutSpec, *, seed: int,
                state: Path | None = None, steps: int | None = None
                ) -> tuple[Tensor, list[float]]:
    """Train a readout on an image set, with a bar; weights and mean losses of the epochs.

    ``state`` and ``steps`` are those of `helpers.training.readout.train_readout`.
    """
    iter_epoch = make_epoch_iterator(network, layer, images, spec, seed=seed)
    steps_per_epoch = math.ceil(len(images) / spec.batch_size)
    shape = (len(images.classes), count_layer_units(network, layer))
    with manual_bar(f"training the readout of {network.name}",
                    spec.epochs * steps_per_epoch) as progress_bar:
        def on_step(step: int, loss: float) -> None:
            progress_bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            progress_bar.update(step - progress_bar.n)

        return train_readout(iter_epoch, shape, steps_per_epoch, spec, seed=seed, state=state,
                             steps=steps, on_step=on_step,
                             device=next(network.model.parameters()).device)


def cached_readout(network: Network, layer: str, images: ImageSet, spec: ReadoutSpec, *,
                   seed: int) -> Tensor:
    """Train a readout once; later calls read the cache, interrupted ones go on where they were."""
    parts = {"network": network.parts, "layer": layer, "images": images.digest, "seed": seed,
             "spec": spec,
             "code": code_digest(["helpers.training.classifiers", *defining_modules(images)])}
    name = network.name.replace(":", "-")
    state = cache_dir() / "readouts" / f"{name}-{key(**parts)}.state.safetensors"

    def make() -> dict:
        weight, losses = fit_readout(network, layer, images, spec, seed=seed, state=state)
        return {"weight": weight.numpy(), "losses": torch.tensor(losses).numpy()}

    return torch.from_numpy(cached("readouts", name, parts, make)["weight"])
