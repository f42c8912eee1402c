"""Memory, disk and time that the published size needs, from files of that size: REPRODUCING.md.

    python benchmarks/paper_scale.py              measure, print the table: about ten minutes
    python benchmarks/paper_scale.py --write      and put it into REPRODUCING.md
    python benchmarks/paper_scale.py --only decoder ridge

Files have the shapes and types of the real ones: one participant's 40 sessions of NSD on the
surface and in the volume, ``nsd_stimuli.hdf5`` with 73,000 images, and Algonauts 2023 of eight
participants. Disk stays below 5 GB: all sessions are one file under many names, images that no step
reads are chunks that were never written, and responses are files with holes. (The three repeats of
an image are consecutive trials here, so that one file has a signal.) Everything lies in a temporary
folder, which is removed.

Every step runs in a process of its own, on a slice: some images, one layer, one session. Memory is
the peak of that process, with arrays at their full size unless the table says *extrapolated*. Time
is that of the slice, times the number of slices in the whole.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from unittest.mock import patch

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torchvision.transforms import functional

from docs.pages.parts import write_part
from docs.pages.reproducing import SCALE
from helpers.brains import nsd as nsd_reader
from helpers.brains.algonauts import Algonauts
from helpers.brains.cohort import Cohort, Fold
from helpers.brains.nsd import NSD
from helpers.brains.nsd_files import FAMILIES_NSD, HEMISPHERES, SPACES, STIMULI, TABLE, NSDFiles
from helpers.brains.rois import FAMILIES
from helpers.brains.splits import N_REPEATS, TRIALS
from helpers.concepts.clustering import cluster
from helpers.config.profile import load_profile
from helpers.config.shared_concepts import DecoderTraining, DecodingSpec
from helpers.core.console import echo
from helpers.core.content_digests import content_digests
from helpers.core.machine import peak_memory
from helpers.core.paths import CACHE_VARIABLE, ROOT
from helpers.decoding.contrastive_decoder import fit_decoders
from helpers.decoding.ridge_decoder import fit_ridge
from helpers.decoding.trials import read_trials
from helpers.encoding.cohort_features import UnitPools, unit_features
from helpers.encoding.cohort_responses import read_responses, used_conditions
from helpers.encoding.model_selection import EncodingJob, fit_encoding_models
from helpers.encoding.regression import SPARSE_POSITIVE
from helpers.figures.deviations import markdown_table
from helpers.finetuning import ridge_cv
from helpers.finetuning.conditions import CONDITIONS, build_model
from helpers.finetuning.data import decode_images
from helpers.finetuning.training_loop import (
    FineTuningConfig,
    PixelNormalisation,
    SubjectPairs,
    train_model,
)
from helpers.networks.activations import count_units, extract_activations, select_layer_paths
from helpers.networks.network import Network, load_network
from helpers.networks.registry import get_entry
from helpers.stimuli.image_sets import DOMAINS

SUBJECT, SEED, GB = "subj01", 0, 2**30
LIMIT_GB = 24
IMAGES_PER_SESSION = TRIALS // N_REPEATS
N_REGIONS = 309
"""Regions of Algonauts 2023 with 20 voxels or more, of eight participants and both hemispheres."""
N_PNG = 20
"""Different images of Algonauts; all others are hard links to them."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of the real data, and the slices that are measured.

    Sources: NSD's manual (sessions, vertices, volumes), the masks of Algonauts 2023, Efird et al.'s
    code (voxels of participant 1). Assumed, since unknown: ``region_vertices``, ``n_units`` (as
    many selective units a layer), ``voxels_read`` (twice the voxels that are selected).
    """

    sessions: tuple[int, ...] = (40, 40, 32, 30, 40, 32, 40, 30)
    n_shared: int = 1000
    n_special: int = 515
    n_pool: int = 4000
    surface: tuple[int, int] = (227_021, 226_601)
    volume: tuple[int, int, int] = (81, 104, 83)
    image_size: int = 425
    region_vertices: int = 1000
    n_units: int = 4000
    n_whole_layer: int = 64_896
    voxels_read: int = 35_766
    voxels: int = 17_883
    decoder_trials: int = 21_750
    n_dims: int = 512
    n_seeds: int = 50
    held_out: int = 1000
    algonauts_images: tuple[int, ...] = (9841, 9841, 9082, 8779, 9841, 9082, 9841, 8779)
    algonauts_vertices: tuple[int, int] = (19_004, 20_544)
    algonauts_region: int = 720
    n_points: int = 18_000
    epochs: int = 30
    batch: int = 1024
    network_size: int = 224
    slice_sessions: int = 1
    slice_images: int = 128
    slice_vertices: int = 1000
    slice_decoded: int = 256
    slice_iterations: int = 20
    slice_ridge: int = 4000
    slice_points: int = 4000

    @property
    def n_images(self) -> int:
        """Images that some participant sees."""
        return self.n_shared + len(self.sessions) * self.n_own

    @property
    def n_own(self) -> int:
        """Images of each participant that no other one sees."""
        return IMAGES_PER_SESSION * max(self.sessions) - self.n_shared


FULL = Sizes()
TOY = Sizes(sessions=(2, 1), n_shared=60, n_special=40, n_pool=80, surface=(900, 800),
            volume=(8, 9, 7), image_size=64, region_vertices=12, n_units=30, n_whole_layer=90,
            voxels_read=80, voxels=40, decoder_trials=300, n_dims=16, n_seeds=2, held_out=60,
            algonauts_images=(120, 110), algonauts_vertices=(900, 800), algonauts_region=24,
            n_points=60, batch=8, network_size=64, slice_images=4, slice_vertices=12,
            slice_decoded=8, slice_iterations=2, slice_ridge=20, slice_points=40)


# ---- files --------------------------------------------------------------------------------------

def write_files(root: Path, sizes: Sizes) -> None:
    """Write all files that the steps read."""
    info = write_presentations(root / "nsd" / TABLE, sizes)
    write_stimuli(root / "nsd" / STIMULI, info, sizes)
    write_surface(root / "nsd", sizes)
    write_volume(root / "nsd", sizes)
    write_algonauts(root / "algonauts", sizes)


def write_presentations(path: Path, sizes: Sizes) -> pd.DataFrame:
    """Write NSD's table; repeats of an image are consecutive trials of one session."""
    rng, n = np.random.default_rng(SEED), sizes.n_images
    columns = {"cocoId": rng.permutation(np.arange(9, 9 + 7 * n, 7)), "nsdId": np.arange(n),
               "shared1000": np.arange(n) < sizes.n_shared}
    common = IMAGES_PER_SESSION * min(sizes.sessions)
    for number in range(1, len(sizes.sessions) + 1):
        own = sizes.n_shared + (number - 1) * sizes.n_own + np.arange(sizes.n_own)
        special, late = rng.permutation(common), common + rng.permutation(
            IMAGES_PER_SESSION * max(sizes.sessions) - common)
        rest = sizes.n_shared - sizes.n_special
        place = np.full(n, -1)
        place[:sizes.n_shared] = np.r_[special[:sizes.n_special], late[:rest]]
        place[own] = rng.permutation(np.r_[special[sizes.n_special:], late[rest:]])
        for repeat in range(N_REPEATS):
            columns[f"subject{number}_rep{repeat}"] = np.where(
                place >= 0, N_REPEATS * place + repeat + 1, 0)
    path.parent.mkdir(parents=True)
    table = pd.DataFrame(columns)
    table.to_csv(path)
    return table


def write_stimuli(path: Path, info: pd.DataFrame, sizes: Sizes) -> None:
    """Write the images' file, of which only those that the steps read have content."""
    path.parent.mkdir(parents=True)
    shape = (len(info), sizes.image_size, sizes.image_size, 3)
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", shape, np.uint8, chunks=(1, *shape[1:]))
        for index in range(min(sizes.slice_images, len(info))):
            brick[index] = np.asarray(draw_image(index, sizes.image_size))


def draw_image(seed: int, size: int) -> Image.Image:
    """Draw a smooth random image, which compresses about as a photograph."""
    noise = np.random.default_rng(seed).integers(256, size=(size, size, 3), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))


def make_labels(n: int, family: str, size: int, seed: int) -> NDArray[np.int32]:
    """Return labels of one hemisphere: regions of equal size, spread over all vertices."""
    labels = np.zeros(n, np.int32)
    order = np.random.default_rng([seed, FAMILIES_NSD.index(family)]).permutation(n)
    for number in range(1, len(FAMILIES[family]) + 1):
        labels[order[(number - 1) * size:number * size]] = number
    return labels


def write_names(files: NSDFiles) -> None:
    """Write the names of all label sets."""
    for family in FAMILIES_NSD:
        path = files.names_file(family)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{i} {name}\n" for i, name in enumerate(
            ("Unknown", *FAMILIES[family]))))


def link_sessions(first: Path, names: list[Path]) -> None:
    """Give one file the names of all further sessions."""
    for path in names:
        path.hardlink_to(first)


def write_surface(root: Path, sizes: Sizes) -> None:
    """Write a participant's betas, ncsnr and labels on the native surface.

    A tenth of the betas' variance is due to the image: an ncsnr of a third.
    """
    files, rng = NSDFiles(root, SPACES["nativesurface"], SUBJECT), np.random.default_rng(SEED)
    write_names(files)
    files.betas.mkdir(parents=True)
    for side, n in zip(HEMISPHERES, sizes.surface):
        paths = [files.session(side, number + 1) for number in range(sizes.sessions[0])]
        with h5py.File(paths[0], "w") as file:
            betas = rng.integers(-900, 900, (TRIALS, n), np.int16)
            betas += np.repeat(rng.integers(-300, 300, (IMAGES_PER_SESSION, n), np.int16),
                               N_REPEATS, axis=0)
            file["betas"] = betas
        link_sessions(paths[0], paths[1:])
        for path, values in [(files.ncsnr(side), np.full(n, 1 / 3, np.float32)), *(
                (files.label_file(side, family),
                 make_labels(n, family, sizes.region_vertices, HEMISPHERES.index(side)))
                for family in FAMILIES_NSD)]:
            nib.save(nib.freesurfer.MGHImage(values[:, None, None], np.eye(4)), path)


def write_volume(root: Path, sizes: Sizes) -> None:
    """Write the same in the volume, a chunk a voxel; only ``voxels`` of them have a signal."""
    files, rng = NSDFiles(root, SPACES["func1pt8mm"], SUBJECT), np.random.default_rng(SEED)
    files.betas.mkdir(parents=True)
    n = int(np.prod(sizes.volume))
    chosen = rng.permutation(n)[:sizes.voxels_read]
    ncsnr, gain = np.zeros(n, np.float32), np.zeros(n, np.float32)
    ncsnr[chosen], gain[chosen[:sizes.voxels]] = 0.5, 0.6
    gain = gain.reshape(sizes.volume).transpose(2, 1, 0)
    paths = [files.session("", number + 1) for number in range(sizes.sessions[0])]
    with h5py.File(paths[0], "w") as file:
        betas = file.create_dataset("betas", (TRIALS, *gain.shape), np.int16,
                                    chunks=(TRIALS, 1, 1, 1))
        for z, plane in enumerate(gain):
            signal = np.repeat(rng.standard_normal((IMAGES_PER_SESSION, *plane.shape), np.float32),
                               N_REPEATS, axis=0)
            noise = rng.standard_normal((TRIALS, *plane.shape), np.float32)
            betas[:, z] = 300 * (plane * signal + noise)
    link_sessions(paths[0], paths[1:])
    volumes = [(files.ncsnr(""), ncsnr), *(
        (files.label_file(side, family), make_labels(n, family, 10, number).astype(np.int16))
        for family in FAMILIES_NSD for number, side in enumerate(HEMISPHERES))]
    for path, values in volumes:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(values.reshape(sizes.volume), np.eye(4)), path)


def write_algonauts(root: Path, sizes: Sizes) -> None:
    """Write the training split of all participants: responses with holes, images as links."""
    own, rng = sizes.n_own, np.random.default_rng(SEED)
    for number, n in enumerate(sizes.algonauts_images, 1):
        folder = root / f"subj{number:02d}"
        images, masks = folder / "training_split/training_images", folder / "roi_masks"
        for path in (images, masks, folder / "training_split/training_fmri"):
            path.mkdir(parents=True)
        drawn: list[Path] = []
        ids = np.sort(rng.permutation(np.r_[np.arange(sizes.n_shared), sizes.n_shared + (
            number - 1) * own + np.arange(own)])[:n])
        for row, nsd_id in enumerate(ids, 1):
            path = images / f"train-{row:04d}_nsd-{nsd_id:05d}.png"
            if row <= N_PNG:
                draw_image(row, sizes.image_size).save(path)
                drawn.append(path)
            else:
                path.hardlink_to(drawn[row % N_PNG])
        for side, n_vertices in zip(HEMISPHERES, sizes.algonauts_vertices):
            np.lib.format.open_memmap(folder / f"training_split/training_fmri/{side}_training_fmri"
                                      ".npy", "w+", np.float32, (len(ids), n_vertices)).flush()
            for family in FAMILIES_NSD[:6]:
                np.save(masks / f"{side}.{family}_challenge_space.npy",
                        make_labels(n_vertices, family, sizes.algonauts_region, number))
        for family in FAMILIES_NSD[:6]:
            names = {0: "Unknown", **dict(enumerate(FAMILIES[family], 1))}
            np.save(masks / f"mapping_{family}.npy", np.array(names, dtype=object),
                    allow_pickle=True)


# ---- steps --------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Measured:
    """What one step took.

    Attributes
    ----------
    seconds : float
        Of ``done`` slices, of which the whole has ``whole``.
    done, whole : float
    unit : str
        What is counted.
    rest : float
        Seconds that are spent once, whatever the number of slices.
    extra_bytes : int
        Memory that the whole holds beside what the slice held; 0: arrays had their full size.
    factor : float
        Or how many times the memory of the slice the whole needs.
    """

    seconds: float
    done: float
    whole: float
    unit: str
    rest: float = 0.0
    extra_bytes: int = 0
    factor: float = 1.0


@contextmanager
def slice_of_sessions(n: int) -> Iterator[list[float]]:
    """Read the first ``n`` sessions; values of the last of them stand for all further ones."""
    read, seconds, last = nsd_reader.read_session, [], {}

    def sliced(path: Path, columns: NDArray, **settings: object) -> NDArray[np.float32]:
        part = path.name.split("betas")[0], len(columns)
        count, values = last.get(part, (0, None))
        if count < n:
            start = time.perf_counter()
            values = read(path, columns, **settings)
            seconds.append(time.perf_counter() - start)
        last[part] = count + 1, values
        return values.copy()

    with patch.object(nsd_reader, "read_session", sliced):
        yield seconds


def open_nsd(root: Path, sizes: Sizes, space: str) -> NSD:
    """Open the participant."""
    return NSD(root / "nsd", n_pool=sizes.n_pool, n_shared=0, space=space)


def read_sliced(sizes: Sizes, read: Callable[[], object], n_files: int) -> Measured:
    """Time the reading of sessions, and what is done with them."""
    with slice_of_sessions(sizes.slice_sessions) as seconds:
        start = time.perf_counter()
        read()
        whole = time.perf_counter() - start
    return Measured(sum(seconds), len(seconds), n_files, "file of a session",
                    rest=whole - sum(seconds))


def surface(root: Path, sizes: Sizes) -> Measured:
    """Read one participant's eleven regions on the surface."""
    cohort = open_nsd(root, sizes, "nativesurface")
    rois = load_profile("paper").table("encoding").rois
    return read_sliced(sizes, lambda: cohort.responses(SUBJECT, rois), 2 * sizes.sessions[0])


def digests(root: Path, sizes: Sizes) -> Measured:
    """Identify the files by content, which is remembered."""
    path = NSDFiles(root / "nsd", SPACES["nativesurface"], SUBJECT).session("lh", 1)
    start = time.perf_counter()
    content_digests([path])
    return Measured(time.perf_counter() - start, path.stat().st_size / GB,
                    sum(n for name, n in disk(sizes).items() if name.startswith("NSD")) / GB, "GB")


def features(root: Path, sizes: Sizes) -> Measured:
    """Pass one participant's images through AlexNet, and keep the selective units of 18 layers."""
    cohort = open_nsd(root, sizes, "nativesurface")
    network = untrained("alexnet-barlow-twins")
    layers = load_profile("paper").table("encoding").layers
    units = {layer: np.arange(sizes.n_units) for layer in layers}
    conditions = np.arange(sizes.slice_images)
    start = time.perf_counter()
    unit_features(network, UnitPools(units, {"faces": units}), cohort, conditions, label="scale",
                  batch_size=64)
    n = len(used_conditions(cohort.folds(SUBJECT)))
    return Measured(time.perf_counter() - start, len(conditions), n, "image",
                    extra_bytes=2 * 4 * (n - len(conditions)) * sizes.n_units * len(layers))


def untrained(name: str) -> Network:
    """Build a registered network without weights: neither memory nor speed depends on them."""
    return load_network(get_entry(f"{name}-untrained"))


def encoding_job(sizes: Sizes, rois: tuple[str, ...], n_vertices: int, alpha: float) -> EncodingJob:
    """Draw one layer's selective units and responses that are noisy sums of a dozen of them."""
    rng = np.random.default_rng(SEED)
    n_fit = sizes.n_pool // 4
    n = 2 * n_fit + sizes.n_special
    common = rng.standard_normal((n, 60), np.float32) @ rng.standard_normal((60, sizes.n_units),
                                                                            np.float32) / 8
    x = np.maximum(common + 0.7 * rng.standard_normal(common.shape, np.float32), 0)
    responses = {}
    for roi in rois:
        y = x[:, rng.choice(sizes.n_units, 12 * n_vertices)].reshape(n, n_vertices, 12).sum(2)
        y = y / y.std(0) + 1.5 * rng.standard_normal(y.shape, np.float32)
        responses[roi] = (y / y.std(0)).astype(np.float32)
    fit, choose, test = np.split(np.arange(n), [n_fit, 2 * n_fit])
    return EncodingJob(SUBJECT, "scale", {"conv5": x}, {"faces": {"conv5": np.arange(
        sizes.n_units)}}, responses, (Fold(fit, test, ((fit, choose),)),),
        tuple((roi, "faces", SPARSE_POSITIVE, (alpha,)) for roi in rois))


def n_fits() -> int:
    """Count the main network's sparse positive fits of a participant: region, layer, penalty."""
    spec = load_profile("paper").table("encoding")
    own = len(spec.rois) * (1 + len(spec.alphas_standardised))
    return len(spec.layers) * (own + (len(DOMAINS) - 1) * len(spec.curve_rois))


def fit_region(root: Path, sizes: Sizes) -> Measured:
    """Fit one region from one layer, sparse positive at the published penalty."""
    fit_encoding_models([encoding_job(TOY, ("FFA-1",), 3, 0.1)])  # compiles, once
    job = encoding_job(sizes, ("FFA-1",), sizes.slice_vertices, 0.1)
    start = time.perf_counter()
    fit_encoding_models([job])
    return Measured(time.perf_counter() - start, 1, n_fits(), "region x layer x penalty")


def fit_all_regions(root: Path, sizes: Sizes) -> Measured:
    """Fit eleven regions at once, at a penalty that leaves few weights: for its memory."""
    rois = load_profile("paper").table("encoding").rois
    job = encoding_job(sizes, rois, 8 * sizes.slice_vertices // len(rois), 1.0)
    start = time.perf_counter()
    fit_encoding_models([job])
    return Measured(time.perf_counter() - start, 1, 1, "layer")


def count_face_units() -> int:
    """Count the units of all layers of the network trained on faces; AlexNet has as many."""
    network, layers = untrained("alexnet-supervised"), load_profile("paper").encoding.face_layers
    return sum(count_units(network.model, select_layer_paths(network.layers, layers),
                           torch.zeros(1, *network.input_shape)).values())


def fit_whole_layer(root: Path, sizes: Sizes) -> Measured:
    """Fit five regions from all 64,896 units of one of VGGFace's layers, all held: its memory."""
    wide = replace(sizes, n_units=sizes.n_whole_layer)
    spec = load_profile("paper").table("encoding")
    job = encoding_job(wide, ("OFA", "FFA-1", "FFA-2", *spec.face_curve_rois),
                       sizes.slice_vertices, 1.0)
    others = 2 * count_face_units() - sizes.n_whole_layer  # read, and put in order
    start = time.perf_counter()
    fit_encoding_models([job])
    return Measured(time.perf_counter() - start, 1, len(spec.face_layers), "layer",
                    extra_bytes=4 * len(job.features["conv5"]) * others)


def open_algonauts(root: Path, sizes: Sizes) -> Measured:
    """List the images of eight participants and read their labels."""
    start = time.perf_counter()
    Algonauts(root / "algonauts")
    return Measured(time.perf_counter() - start, 1, 1, "cohort")


def algonauts_responses(root: Path, sizes: Sizes) -> Measured:
    """Read the responses of one participant's 22 regions into the cache."""
    cohort: Cohort = Algonauts(root / "algonauts", subjects=[SUBJECT])
    start = time.perf_counter()
    read_responses(cohort, SUBJECT, load_profile("paper").table("finetuning").rois)
    return Measured(time.perf_counter() - start, 1, 1, "participant")


def decode(root: Path, sizes: Sizes) -> Measured:
    """Decode one participant's images for fine-tuning."""
    cohort = Algonauts(root / "algonauts", subjects=[SUBJECT])
    size = [sizes.network_size] * 2
    start = time.perf_counter()
    decode_images(cohort.stimuli, np.arange(sizes.slice_decoded), lambda image: (
        functional.pil_to_tensor(functional.resize(image, size, antialias=True))), "decoding")
    n = sizes.algonauts_images[0]
    return Measured(time.perf_counter() - start, sizes.slice_decoded, n, "image",
                    extra_bytes=2 * (n - sizes.slice_decoded) * 3 * sizes.network_size**2)


def epoch(root: Path, sizes: Sizes) -> Measured:
    """Fine-tune AlexNet contrastively to one region, one batch of the published size."""
    network, spec = untrained("alexnet-supervised"), load_profile("paper").table("finetuning")
    rng, n_voxels = np.random.default_rng(SEED), sizes.algonauts_region
    model = build_model(CONDITIONS["contrastive"], network.model, {SUBJECT: n_voxels}, spec,
                        image_size=sizes.network_size, max_voxels=n_voxels, seed=SEED)
    pixels = rng.integers(256, size=(sizes.batch, 3, *[sizes.network_size] * 2), dtype=np.uint8)
    pairs = SubjectPairs(SUBJECT, pixels, np.arange(sizes.batch),
                         rng.standard_normal((sizes.batch, n_voxels), np.float32))
    start = time.perf_counter()
    train_model(model, (pairs,), FineTuningConfig(1, sizes.batch, spec.learning_rate),
                PixelNormalisation(network.preprocessing.mean, network.preprocessing.std),
                seed=SEED)
    n_train = int(0.85 * sizes.algonauts_images[0])
    return Measured(time.perf_counter() - start, sizes.batch, sizes.epochs * n_train,
                    "image and epoch", extra_bytes=(n_train - sizes.batch) * pixels[0].nbytes)


def evaluation_features(root: Path, sizes: Sizes) -> Measured:
    """Pass held-out images through one fine-tuned network: the features of eight layers."""
    network, spec = untrained("alexnet-supervised"), load_profile("paper").table("finetuning")
    images = np.random.default_rng(SEED).standard_normal(
        (sizes.slice_images, 3, *[sizes.network_size] * 2), np.float32)
    start = time.perf_counter()
    found = extract_activations(network.model, select_layer_paths(network.layers, spec.layers),
                                torch.from_numpy(images).split(128))
    n = held_out(sizes)
    n_bytes = sum(values.numel() for values in found.values()) // len(images) * 4
    return Measured(time.perf_counter() - start, len(images), n, "image",
                    extra_bytes=(n - len(images)) * n_bytes)


def held_out(sizes: Sizes) -> int:
    """Count a participant's held-out images of Algonauts."""
    return sizes.algonauts_images[0] - int(0.85 * sizes.algonauts_images[0])


def evaluation_folds(root: Path, sizes: Sizes) -> Measured:
    """Predict one region from one layer by nested cross-validation (relu3, the largest one)."""
    rng, n = np.random.default_rng(SEED), held_out(sizes)
    n_features = 64_896 * sizes.network_size**2 // 224**2
    values = rng.standard_normal((n, n_features), np.float32)
    y = rng.standard_normal((n, sizes.algonauts_region), np.float32)
    folds = ridge_cv.make_folds(n)
    start = time.perf_counter()
    ridge_cv.compute_fold_scores(ridge_cv.linear_kernel(values), y, folds)
    return Measured(time.perf_counter() - start, 1, 8, "layer")


def volume(root: Path, sizes: Sizes) -> Measured:
    """Read one participant's single trials in the volume and select reliable voxels."""
    cohort = open_nsd(root, sizes, "func1pt8mm")
    return read_sliced(sizes, lambda: read_trials(
        cohort, SUBJECT, np.arange(sizes.n_images), min_noise_ceiling=8.0, n_test=sizes.held_out,
        n_validation=sizes.held_out, seed=SEED), sizes.sessions[0])


def draw_trials(n: int, n_voxels: int, n_dims: int) -> tuple[NDArray, NDArray]:
    """Draw responses and targets."""
    rng = np.random.default_rng(SEED)
    return (rng.standard_normal((n, n_voxels), np.float32),
            rng.standard_normal((n, n_dims), np.float32))


def decoder(root: Path, sizes: Sizes) -> Measured:
    """Train contrastive decoders: some iterations of one seed."""
    x, y = draw_trials(sizes.decoder_trials, sizes.voxels, sizes.n_dims)
    training = DecoderTraining(iterations=sizes.slice_iterations, n_seeds=1)
    start = time.perf_counter()
    fit_decoders(x, y, training)
    return Measured(time.perf_counter() - start, sizes.slice_iterations,
                    DecoderTraining().iterations, "iteration of one seed")


def decoder_seeds(root: Path, sizes: Sizes) -> Measured:
    """Train one iteration of all seeds: for its memory."""
    x, y = draw_trials(sizes.decoder_trials, sizes.voxels, sizes.n_dims)
    training = DecoderTraining(iterations=1, n_seeds=sizes.n_seeds)
    start = time.perf_counter()
    fit_decoders(x, y, training)
    return Measured(time.perf_counter() - start, 1, 1, "iteration of all seeds")


def ridge(root: Path, sizes: Sizes) -> Measured:
    """Fit ridge for all penalties, at a size smaller in voxels and trials alike."""
    scale = sizes.voxels / sizes.slice_ridge
    n = int(sizes.decoder_trials / scale)
    x, y = draw_trials(n, sizes.slice_ridge, sizes.n_dims)
    n_images = max(2, int(sizes.held_out / scale))
    own = np.repeat(np.arange(n_images), N_REPEATS)
    start = time.perf_counter()
    fit_ridge(x, y, (x[:len(own)], y[:n_images], own), DecodingSpec("any").alphas)
    return Measured(time.perf_counter() - start, 1, scale**3, "fit of a participant",
                    factor=scale**2)


def draw_points(n: int, n_dims: int) -> list[NDArray[np.float32]]:
    """Draw eight participants' weights: two hundred concepts of all strengths."""
    rng = np.random.default_rng(SEED)
    spread = ((1 + np.arange(n_dims)) ** -0.35).astype(np.float32)
    concepts = rng.standard_normal((200, n_dims), np.float32) * spread
    return [rng.standard_normal((n, n_dims), np.float32) * spread
            + 1.6 * rng.beta(1.2, 2.5, (n, 1)).astype(np.float32)
            * concepts[rng.integers(0, 200, n)] for _ in range(8)]


def clustering(root: Path, sizes: Sizes) -> Measured:
    """Cluster eight participants' weights at six radii."""
    cluster(draw_points(TOY.slice_points, TOY.n_dims))  # compiles, once
    points = draw_points(sizes.slice_points, sizes.n_dims)
    start = time.perf_counter()
    cluster(points)
    scale = sizes.n_points / sizes.slice_points
    return Measured(time.perf_counter() - start, 1, scale**2, "pairs of these points",
                    factor=scale)


STEPS: dict[str, tuple[str, Callable[[Path, Sizes], Measured]]] = {
    "surface": ("03", surface), "digests": ("03, 10", digests), "features": ("03", features),
    "fit one region": ("03", fit_region), "fit all regions": ("03", fit_all_regions),
    "fit whole layer": ("03", fit_whole_layer),
    "open cohort": ("05", open_algonauts), "responses": ("05", algonauts_responses),
    "decode": ("05", decode), "epoch": ("05", epoch),
    "evaluation features": ("05", evaluation_features),
    "evaluation folds": ("05", evaluation_folds), "volume": ("10", volume),
    "decoder": ("10", decoder), "decoder seeds": ("10", decoder_seeds), "ridge": ("10", ridge),
    "clustering": ("11", clustering)}
"""Name -> notebook, and the step; the first line of its docstring stands in the table."""

TOTALS = (
    ("03", "main network, eight participants (the published network alone)",
     {"digests": 1, "surface": 8, "features": 8, "fit one region": 8}),
    ("05", f"{N_REGIONS} contrastive networks, one for each region, hemisphere and participant, "
     "fine-tuned and evaluated",
     {"responses": 8, "decode": 8, "epoch": N_REGIONS, "evaluation features": N_REGIONS,
      "evaluation folds": N_REGIONS}),
    ("10", "50 decoders and one ridge of each of eight participants",
     {"digests": 1, "volume": 8, "decoder": 8 * 50, "ridge": 8}),
    ("11", "clusters of eight participants at six radii", {"clustering": 1}))
"""Notebook, what is done, and how many times it does each step."""


def disk(sizes: Sizes) -> dict[str, int]:
    """Return the bytes of the real files, from their shapes and types, and of our cache."""
    stored = sum(sizes.algonauts_images)
    return {
        "NSD, betas of one participant, native surface": (
            2 * TRIALS * sizes.sessions[0] * sum(sizes.surface)),
        "NSD, betas of one participant, volume": (
            2 * TRIALS * sizes.sessions[0] * int(np.prod(sizes.volume))),
        "NSD, images": sizes.n_images * 3 * sizes.image_size**2,
        "Algonauts 2023, responses of eight participants": (
            4 * stored * sum(sizes.algonauts_vertices)),
        "cache, whole layers of VGGFace for eight participants' images": (
            4 * count_face_units() * (sizes.n_special + len(sizes.sessions) * sizes.n_pool // 2)),
        "cache, decoded images of eight participants, 224 px": stored * 3 * sizes.network_size**2,
        "cache, responses of eight participants' regions": (
            4 * stored * 2 * sizes.algonauts_region * 22)}


# ---- measuring ----------------------------------------------------------------------------------

def run_step(name: str, root: Path, sizes: Sizes) -> dict[str, float | str]:
    """Run a step in this process; return what it took, with memory in bytes."""
    base = psutil.Process().memory_info().rss
    measured = STEPS[name][1](root, sizes)
    peak = peak_memory()
    return {**asdict(measured), "base": base, "peak": peak}


def measure(name: str, root: Path, toy: bool) -> dict[str, float | str]:
    """Run a step in a process of its own, with a cache of its own."""
    with tempfile.TemporaryDirectory(dir=root) as cache:
        command = [sys.executable, __file__, "--step", name, "--root", str(root)]
        result = subprocess.run(command + ["--toy"] * toy, capture_output=True, text=True, env={
            **os.environ, CACHE_VARIABLE: cache, "PYTHONPATH": str(ROOT), "LAB_HEADLESS": "1",
            "TQDM_DISABLE": "1"})
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip() and line[0] != " "]
        if result.returncode < 0:
            return {"failed": f"ended by {signal.Signals(-result.returncode).name}"}
        return {"failed": (lines or ["no message"])[-1][:200]}
    return json.loads(result.stdout.splitlines()[-1])


def table_row(name: str, found: dict) -> tuple[str, ...]:
    """Describe a step in one row of the table."""
    notebook, step = STEPS[name]
    label = step.__doc__.split("\n")[0].rstrip(".")
    if "failed" in found:
        return notebook, label, "", f"cannot run at this size: {found['failed']}", "", ""
    peak = found["base"] + (found["peak"] - found["base"]) * found["factor"] + found["extra_bytes"]
    whole = total_seconds(found)
    return (notebook, label, f"{found['done']:.3g} of {found['whole']:.6g} ({found['unit']})",
            f"{peak / GB:.1f} GB" + ", extrapolated" * (peak != found["peak"])
            + f", **above {LIMIT_GB} GB**" * (peak > LIMIT_GB * GB),
            f"{found['seconds'] / found['done']:.3g} s",
            format_time(whole) + ", extrapolated" * (found["done"] != found["whole"]))


def format_time(seconds: float) -> str:
    """Write seconds, minutes or hours."""
    return (f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
            if seconds < 6000 else f"{seconds / 3600:,.0f} h" if seconds >= 36_000
            else f"{seconds / 3600:.1f} h")


def total_seconds(found: dict) -> float:
    """Return the time of the whole of a step; NaN where it failed."""
    if "failed" in found:
        return np.nan
    return found["seconds"] / found["done"] * found["whole"] + found["rest"]


def totals(found: dict[str, dict]) -> str:
    """Return the table of whole notebooks; those of which a step was left out are left out."""
    rows = [(notebook, what, format_time(sum(times * total_seconds(found[name])
                                             for name, times in parts.items())) + ", extrapolated")
            for notebook, what, parts in TOTALS if parts.keys() <= found.keys()]
    return markdown_table(("notebook", "what is done", "time on this machine"), rows)


def report(found: dict[str, dict], sizes: Sizes) -> str:
    """Return the tables of steps, of whole notebooks and of disk, in Markdown."""
    steps = markdown_table(("notebook", "step", "slice", "peak memory of the whole",
                            "per unit", "whole"),
                           (table_row(name, result) for name, result in found.items()))
    space = markdown_table(("files", "disk"), ((name, f"{n / GB:.1f} GB")
                                               for name, n in disk(sizes).items()))
    return (f"Measured on {date.today().isoformat()}, {os.cpu_count()} cores, CPU; files were in "
            "the page cache.\n\n"
            f"{steps}\n\n{totals(found)}\n\n{space}")


def main(arguments: list[str] | None = None) -> None:
    """Write the files, run the steps, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--write", action="store_true", help="put the tables into REPRODUCING.md")
    parser.add_argument("--toy", action="store_true", help="tiny sizes: to test this program")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    sizes = TOY if given.toy else FULL
    if given.step:
        print(json.dumps(run_step(given.step, given.root, sizes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_files(Path(folder), sizes)
        echo(f"files written: {time.perf_counter() - start:.0f} s")
        found = {}
        for name in given.only:
            start = time.perf_counter()
            found[name] = measure(name, Path(folder), given.toy)
            echo(f"{name}, {time.perf_counter() - start:.0f} s: {found[name]}")
    content = report(found, sizes)
    echo(content)
    if given.write:
        write_part(SCALE, content)


if __name__ == "__main__":
    main()
