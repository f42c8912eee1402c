"""What `helpers.compare` is given, checked by name before anything is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from helpers.brains.files import Files
from helpers.brains.reliability import ncsnr_noise_ceiling
from helpers.config.validation import suggest
from helpers.core.errors import LabError, one_of
from helpers.core.paths import data_dir
from helpers.networks.activations import exact_inference
from helpers.networks.channel_axes import TRACE_BATCH_SIZE, call_name, trial_pass
from helpers.networks.network import Network, load_network, select_device
from helpers.networks.own_networks import IMAGENET
from helpers.networks.registry import Preprocessing, get_entry
from helpers.networks.weight_files import weights_file
from helpers.stimuli.folders import list_images, subfolders
from helpers.stimuli.image_sets import ImageSet, image_folder
from helpers.stimuli.image_source import ImageSource

MIN_IMAGES = 15
"""Five folds of three images, below which a correlation says nothing."""
MIN_PER_CATEGORY = 2
DATA = "data"


@dataclass(frozen=True)
class Measured:
    """Responses to the images.

    Attributes
    ----------
    means : array, float64, shape (n_images, n_voxels)
    members : dict, ROI -> bool, shape (n_voxels,)
    noise_ceiling : array, float64, shape (n_voxels,)
        The largest correlation with the means that a model can reach; NaN where it is not known.
    """

    means: NDArray[np.float64]
    members: dict[str, NDArray[np.bool_]]
    noise_ceiling: NDArray[np.float64]


@dataclass(frozen=True)
class OwnNetwork:
    """A network and the layers that are compared.

    Attributes
    ----------
    model : nn.Module
    paths : dict, layer -> module path
        Without the number of a call (``relu#2``).
    n_units : dict, layer -> int
    preprocessing : Preprocessing
    """

    model: nn.Module
    paths: dict[str, str]
    n_units: dict[str, int]
    preprocessing: Preprocessing


# ---- images --------------------------------------------------------------------------------------

def check_images(images: object, labels: Sequence[str] | None, *,
                 labelled: bool = True) -> tuple[ImageSource, tuple[str, ...]]:
    """Open images; return them and the category of each, refusing too few of either.

    Parameters are those of `helpers.compare.compare`; ``labelled``: whether categories are needed;
    without them, none are returned.
    """
    source = images if isinstance(images, ImageSource) else _open_images(images, labels, labelled)
    if len(source) < MIN_IMAGES:
        raise LabError(f"{len(source)} images", expected=f"{MIN_IMAGES} or more",
                       remedy="add images: each of five folds tests three or more")
    if not labelled:
        return source, ()
    if labels is None and not isinstance(source, ImageSet):
        raise LabError(f"{len(source)} images without categories",
                       expected="a category for each of them",
                       remedy="pass labels=[...], or a folder with one sub-folder per category")
    names = tuple(map(str, source.domains if labels is None else labels))
    if len(names) != len(source):
        raise LabError(f"{len(names)} labels and {len(source)} images",
                       expected="one label for each image, in their order",
                       remedy="correct labels=")
    counts = Counter(names)
    small = [name for name, n in counts.items() if n < MIN_PER_CATEGORY]
    if len(counts) < 2 or small:
        raise LabError(f"{counts[small[0]]} image of the category {small[0]!r}" if small else
                       f"all images are of one category, {names[0]!r}",
                       expected=f"two categories or more, each of {MIN_PER_CATEGORY} images or "
                       "more: selectivity is a difference between categories",
                       remedy="pass labels=, or give classes.csv (class, domain) to the folder")
    return source, names


def _open_images(images: object, labels: Sequence[str] | None, labelled: bool) -> ImageSource:
    if isinstance(images, str | Path):
        folder = Path(images)
        if (labels is not None or not labelled) and folder.is_dir() and not subfolders(folder):
            return _files([folder / name for name in list_images(folder)], folder)
        return image_folder(folder)
    if not isinstance(images, Sequence) or not all(isinstance(path, str | Path) for path in images):
        raise LabError(f"images of type {type(images).__name__}",
                       expected="a folder, a list of paths, or images that were opened",
                       remedy="pass one of these")
    return _files([Path(path) for path in images], "the list")


def _files(paths: list[Path], where: object) -> Files:
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise LabError(f"no file {missing[0]}" if missing else f"no image in {where}",
                       expected="images that are there", remedy="correct images=")
    return Files(paths)


# ---- responses -----------------------------------------------------------------------------------

def check_responses(responses: NDArray, rois: object, ncsnr: NDArray | None, n_repeats: int | None,
                    n_images: int) -> Measured:
    """Average repeats and read regions, refusing whatever does not fit.

    Parameters are those of `helpers.compare.compare`.
    """
    values = np.asarray(responses)
    if values.dtype.kind not in "fiu" or values.ndim not in (2, 3) or 0 in values.shape:
        raise LabError(f"responses of shape {values.shape}, {values.dtype}",
                       expected="numbers, images x voxels or images x repeats x voxels",
                       remedy="pass an array of numbers with these axes")
    if len(values) != n_images:
        raise LabError(f"{len(values)} rows of responses and {n_images} images",
                       expected="one row for each image, in the order of the images",
                       remedy="pass responses.T" if values.shape[-1] == n_images else
                       "leave out the images without a response, or the responses without an image")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        row, *_, voxel = np.argwhere(~np.isfinite(values))[0]
        raise LabError(f"the response of voxel {voxel} to image {row} (from 0) is not finite",
                       expected="finite responses", remedy="leave out voxels or images without "
                       "responses; the layout 'arrays' of a profile allows gaps "
                       "(docs/own_brain.md)")
    n_voxels = values.shape[-1]
    known = np.full(n_voxels, np.nan) if ncsnr is None else np.asarray(ncsnr, np.float64)
    if known.shape != (n_voxels,) or (known < 0).any():
        raise LabError(f"ncsnr of shape {known.shape}" + ", negative" * bool((known < 0).any()),
                       expected=f"{n_voxels} numbers, 0 or more, or NaN", remedy="correct ncsnr=")
    repeats = values.reshape(n_images, -1, n_voxels)
    ceiling = np.sqrt(ncsnr_noise_ceiling(known, n_repeats or repeats.shape[1]))
    return Measured(repeats.mean(1), _members(rois, n_voxels), ceiling)


def _members(rois: object, n_voxels: int) -> dict[str, NDArray[np.bool_]]:
    if rois is None:
        return {"all": np.ones(n_voxels, bool)}
    if isinstance(rois, Mapping):
        members = {str(name): _mask(name, mask, n_voxels) for name, mask in rois.items()}
    else:
        names = np.array(list(map(str, rois)))
        if len(names) != n_voxels:
            raise LabError(f"{len(names)} names of regions and {n_voxels} voxels",
                           expected="a name for each voxel, empty for none",
                           remedy="correct rois=, or pass a mapping of names to masks")
        members = {name: names == name for name in dict.fromkeys(names.tolist()) if name}
    empty = [name for name, mask in members.items() if not mask.any()]
    if empty or not members:
        raise LabError(f"the region {empty[0]!r} has no voxel" if empty else "no region",
                       expected="a voxel or more in each region", remedy="correct rois=")
    return members


def _mask(name: object, voxels: object, n_voxels: int) -> NDArray[np.bool_]:
    """Return a region's mask, given as a mask or as numbers of voxels."""
    values = np.asarray(voxels)
    is_mask = values.dtype.kind == "b" and values.shape == (n_voxels,)
    are_numbers = values.dtype.kind in "iu" and ((0 <= values) & (values < n_voxels)).all()
    if not (is_mask or are_numbers):
        raise LabError(f"the region {name!r} is given as {values.dtype} of shape {values.shape}",
                       expected=f"true and false for each of {n_voxels} voxels, or their numbers "
                       f"from 0 to {n_voxels - 1}", remedy="correct rois=")
    mask = np.zeros(n_voxels, bool)
    mask[values] = True
    return mask


# ---- network -------------------------------------------------------------------------------------

def open_own_network(model: nn.Module | Network | str | Callable[[], nn.Module],
                     layers: Sequence[str], preprocessing: Preprocessing | None) -> OwnNetwork:
    """Open a network and find its layers in a trial pass.

    Parameters are those of `helpers.compare.compare`.
    """
    if isinstance(model, str):
        entry = get_entry(model)
        model = load_network(entry, weights_file(entry, data_dir(DATA)), device=select_device())
    named: Mapping[str, str] = {}
    if isinstance(model, Network):
        named, preprocessing = model.layers, preprocessing or model.preprocessing
        model = model.model
    model = _build(model)
    preprocessing = preprocessing or Preprocessing(**IMAGENET)
    names = {**{path: path for path, _ in model.named_modules() if path}, **named}
    outputs = _trial_outputs(model, names, preprocessing.crop)
    if isinstance(layers, str) or not len(layers):
        raise LabError(f"layers = {layers!r}", expected="a list of layers, " + one_of(outputs),
                       remedy="name one or more of them")
    for layer in layers:
        if layer not in outputs:
            silent = " that gives a tensor with a row per image" * (layer.split("#")[0] in names)
            raise LabError(f"the network has no layer {layer!r}{silent}", expected=one_of(outputs),
                           remedy=suggest(layer, outputs) or "choose a layer from this list")
    return OwnNetwork(model, {layer: names[layer.split("#")[0]] for layer in layers},
                      {layer: prod(outputs[layer][1:]) for layer in layers}, preprocessing)


def _build(model: object) -> nn.Module:
    """Return a module, or what a user's callable makes, whatever may go wrong in it."""
    try:
        made = model() if callable(model) and not isinstance(model, nn.Module) else model
    except Exception as error:  # a user's code raises anything
        name = getattr(model, "__name__", repr(model))
        raise LabError(f"{name}() raised {type(error).__name__}: {error}",
                       expected="a callable without arguments that returns a module",
                       remedy=f"call {name}() by itself until it returns one") from error
    if not isinstance(made, nn.Module):
        raise LabError(f"a model of type {type(made).__name__}",
                       expected="a module of PyTorch (torch.nn.Module), a callable that returns "
                       "one, or the name of a network", remedy="pass or return the module itself")
    return made


def _trial_outputs(model: nn.Module, names: Mapping[str, str],
                   side: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's outputs in a trial pass; a second call is ``name#2``.

    Only of layers that give a row per image.
    """
    with exact_inference(model):
        calls = trial_pass(model, (3, side, side))
    return {call_name(name, n): call.shape for name, path in names.items()
            for n, call in enumerate(calls.get(path, ()), 1)
            if call.shape[:1] == (TRACE_BATCH_SIZE,)}
