"""The simulated cohort in NSD's files: betas, labels, ncsnr, presentations, images.

Also written: captions and object lists as COCO has them, and ``truth.json`` with ``truth.npz``:
what was planted. Only tests, notebook 00 and cells "against the truth" may read the truth.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.synthetic.cohort import (
    CohortImages,
    StimulusSchedule,
    compose_images,
    compute_noise_sd,
    get_trial_images,
    make_schedule,
    simulate_sessions,
    simulate_signal,
)
from data.synthetic.composed import category
from data.synthetic.depicted import ENERGY_CHANNELS, SEMANTIC_FEATURES
from data.synthetic.participants import (
    CONCEPTS,
    FLATMAP_SHAPE,
    HEMISPHERES,
    TUNING,
    SimulatedVertices,
    simulate_vertices,
)
from data.synthetic.writing import atomic_folder, require_positive
from helpers.brains.nsd import BETAS, FAMILIES_NSD, SCALE
from helpers.brains.reliability import ncsnr
from helpers.brains.rois import FAMILIES
from helpers.brains.splits import N_REPEATS, TRIALS
from helpers.core.console import progress
from helpers.stimuli.quantization import nearest

SEED_STREAM = 9
"""Of the seeds of the cohort's images: no other set shares one."""


def write_nsd(folder: str | os.PathLike[str], *, seed: int, n_subjects: int = 8,
              n_shared: int = 515, n_sessions: int = 6, size: int = 96,
              processes: int | None = None) -> Path:
    """Simulate a cohort and write it as NSD is laid out.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same numbers, whatever ``processes``.
    n_subjects : int
        Participants.
    n_shared : int
        Images that everyone sees three times.
    n_sessions : int
        Sessions of 750 trials; what the shared images leave shows images of one's own.
    size : int
        Side of the images, pixels.
    processes : int, optional
        That paint images. Default: as many as ``LAB_WORKERS`` says.

    Returns
    -------
    Path of ``folder``.
    """
    require_positive(n_subjects=n_subjects, n_shared=n_shared, n_sessions=n_sessions, size=size)
    schedule = make_schedule(seed=seed, n_subjects=n_subjects, n_shared=n_shared,
                             n_sessions=n_sessions)
    with atomic_folder(folder) as temp_folder:
        images = compose_images(len(schedule.shared), stream=SEED_STREAM, seed=seed, size=size,
                                processes=processes, label="painting what the brains see")
        write_images_hdf5(temp_folder / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5",
                          images.pixels)
        coco_ids = _coco_ids(seed, len(schedule.shared))
        _write_presentations(temp_folder, schedule, coco_ids)
        _write_annotations(temp_folder / "annotations", images, coco_ids)
        truth: dict[str, NDArray] = {"amounts": images.semantic_features}
        for s in progress(range(n_subjects), "simulating brains"):
            name = f"subj{s + 1:02d}"
            for hemisphere in HEMISPHERES:
                vertices = simulate_vertices(name, hemisphere, seed=seed)
                _write_labels(temp_folder / "nsddata/freesurfer" / name, hemisphere, vertices)
                truth |= _write_betas(temp_folder, name, hemisphere, vertices, images, schedule, s,
                                      seed)
        np.savez_compressed(temp_folder / "truth.npz", **truth)
        (temp_folder / "truth.json").write_text(json.dumps(_describe_ground_truth(seed), indent=1),
                                                encoding="utf-8")
    return Path(folder)


def write_images_hdf5(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write images as NSD's ``imgBrick``, in chunks of one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", libver="latest", track_order=False) as file:
        file.create_dataset("imgBrick", data=pixels, chunks=(1, *pixels.shape[1:]),
                            track_times=False)


def _coco_ids(seed: int, n: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 31]).permutation(np.arange(9, 9 + 7 * n, 7))


def _write_presentations(root: Path, schedule: StimulusSchedule,
                         coco_ids: NDArray[np.int64]) -> None:
    """Write ``nsd_stim_info_merged.csv``: trials count from 1, 0 is never."""
    n = len(schedule.shared)
    table = pd.DataFrame({
        "cocoId": coco_ids, "cocoSplit": "train2017", "cropBox": "(0, 0, 0, 0)", "loss": 0.0,
        "nsdId": np.arange(n), "flagged": False, "BOLD5000": False, "shared1000": schedule.shared})
    for s, trials in enumerate(schedule.trials, 1):
        table[f"subject{s}"] = (trials >= 0).any(1).astype(int)
    for s, trials in enumerate(schedule.trials, 1):
        for repeat in range(N_REPEATS):
            table[f"subject{s}_rep{repeat}"] = trials[:, repeat] + 1
    path = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.parent.mkdir(parents=True)
    table.to_csv(path, lineterminator="\n")


def _write_annotations(folder: Path, images: CohortImages, coco_ids: NDArray[np.int64]) -> None:
    """Write captions and object lists as COCO arranges them."""
    folder.mkdir(parents=True)
    size = images.pixels.shape[1]
    names = sorted({category(item) for items in images.items for item in items})
    category_ids = {name: i for i, name in enumerate(names, 1)}
    image_entries = [{"id": int(i), "file_name": f"{i:012d}.jpg", "width": size, "height": size}
                     for i in coco_ids]
    caption_entries = [{"image_id": int(i), "caption": caption}
                       for i, lines in zip(coco_ids, images.captions) for caption in lines]
    box_entries = [{"image_id": int(i), "category_id": category_ids[category(item)], "iscrowd": 0,
                    "bbox": [round(v * size, 2) for v in item["box"]],
                    "area": round(item["box"][2] * item["box"][3] * size**2, 2)}
                   for i, items in zip(coco_ids, images.items) for item in items]
    supercategories = {category(item): item["domain"] for items in images.items for item in items}
    for stem, content in (("captions",
                           {"images": image_entries, "annotations": _add_ids(caption_entries)}),
                          ("instances", {"images": image_entries,
                                         "annotations": _add_ids(box_entries),
                                         "categories": [{"id": category_ids[name], "name": name,
                                                         "supercategory": supercategories[name]}
                                                        for name in names]})):
        (folder / f"{stem}_train2017.json").write_text(json.dumps(content), encoding="utf-8")


def _add_ids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": i, **row} for i, row in enumerate(rows, 1)]


def write_mgh(path: Path, values: NDArray) -> None:
    """Write one number a vertex as ``.mgh``, or compressed without a date as ``.mgz``."""
    image = nib.freesurfer.MGHImage(np.asarray(values)[:, None, None], np.eye(4))
    content = image.to_bytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".mgz" else content)


def get_stream_label(position: NDArray[np.float64], region: str) -> int:
    """Return NSD's stream of a vertex: early, ventral, lateral, parietal ..., or 0."""
    if not region:
        return 0
    if region[:2] in ("V1", "V2", "V3"):
        return 1
    x, y = position
    band = 0 if y < .45 else 1 if y < .78 else 2
    return (2, 3, 4)[band] if x < .5 else (5, 6, 7)[band]


def _write_labels(folder: Path, hemisphere: str, vertices: SimulatedVertices) -> None:
    """Write the label sets of a hemisphere, their names, and the flat sheet as a surface."""
    labels, surf = folder / "label", folder / "surf"
    labels.mkdir(parents=True, exist_ok=True)
    surf.mkdir(exist_ok=True)
    for family in FAMILIES_NSD:
        names = FAMILIES[family]
        if family == "streams":
            values = [get_stream_label(p, str(r)) for p, r in zip(vertices.positions,
                                                                  vertices.region)]
        elif family == "nsdgeneral":
            values = vertices.region != ""
        else:
            values = [names.index(r) + 1 if r in names else 0 for r in vertices.region]
        write_mgh(labels / f"{hemisphere}.{family}.mgz", np.asarray(values, np.int32))
        lines = ["0 Unknown", *(f"{i} {name}" for i, name in enumerate(names, 1))]
        (labels / f"{family}.mgz.ctab").write_text("\n".join(lines) + "\n", encoding="utf-8")
    flip = -1 if hemisphere == "lh" else 1
    points = np.column_stack([flip * 60 * vertices.positions[:, 1], 100 * vertices.positions[:, 0],
                              np.zeros(len(vertices.positions))])
    for surface in ("white", "inflated"):
        nib.freesurfer.write_geometry(surf / f"{hemisphere}.{surface}", points,
                                      _flatmap_triangles(), create_stamp="a simulated sheet")


def _flatmap_triangles() -> NDArray[np.int32]:
    """Return the triangles of a sheet."""
    vertex_ids = np.arange(FLATMAP_SHAPE[0] * FLATMAP_SHAPE[1]).reshape(FLATMAP_SHAPE)
    a, b, c, d = vertex_ids[:-1, :-1], vertex_ids[1:, :-1], vertex_ids[:-1, 1:], vertex_ids[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3),
                           np.stack([b, d, c], -1).reshape(-1, 3)]).astype(np.int32)


def _write_betas(root: Path, name: str, hemisphere: str, vertices: SimulatedVertices,
                 images: CohortImages, schedule: StimulusSchedule,
                 subject: int, seed: int) -> dict[str, NDArray]:
    """Write a hemisphere's sessions and its ncsnr; return what was planted."""
    folder = root / "nsddata_betas/ppdata" / name / "nativesurface" / BETAS
    folder.mkdir(parents=True, exist_ok=True)
    trial_images = get_trial_images(schedule, subject)
    signal = simulate_signal(vertices, images, trial_images)
    z_scored = np.empty((len(trial_images), len(vertices.region)))
    entropy = (seed, 50, subject, HEMISPHERES.index(hemisphere))
    for k, betas in enumerate(simulate_sessions(vertices, signal, entropy=entropy)):
        int16_betas = np.clip(nearest(betas * SCALE), -32768, 32767).astype(np.int16)
        with h5py.File(folder / f"{hemisphere}.betas_session{k + 1:02d}.hdf5", "w") as file:
            file.create_dataset("betas", data=int16_betas, track_times=False)
        values = int16_betas.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            z_scored[k * TRIALS:(k + 1) * TRIALS] = (values - values.mean(0)) / values.std(0)
    complete = schedule.trials[subject][((schedule.trials[subject] >= 0)
                                         & (schedule.trials[subject] < len(trial_images))).all(1)]
    write_mgh(folder / f"{hemisphere}.ncsnr.mgh", np.nan_to_num(ncsnr(z_scored[complete]))
              .astype(np.float32))
    key, has_signal = f"{name}/{hemisphere}", vertices.early | vertices.weights.any(1)
    return {f"{key}/{field}": getattr(vertices, field) for field in (
        "region", "weights", "exponent", "centre", "spread", "offset")} | {
        # Whatever a sheet says, a vertex that nothing drives has no signal.
        f"{key}/ncsnr": vertices.ncsnr * has_signal,
        f"{key}/signal_sd": vertices.signal_sd * has_signal,
        f"{key}/noise_sd": compute_noise_sd(vertices)}


def _describe_ground_truth(seed: int) -> dict[str, Any]:
    """Say in words what was planted; the arrays are in ``truth.npz``."""
    return {
        "seed": seed, "columns": list(SEMANTIC_FEATURES), "channels": list(ENERGY_CHANNELS),
        "regions": {name: {"driven by": domain, "and by its": kind, "besides": others}
                    for name, (domain, kind, others) in TUNING.items()},
        "driven by one domain alone": ["aTL-faces"],
        "concepts": {name: {"weights": weights, "participants": list(owners) or "all"}
                     for name, (weights, owners) in CONCEPTS.items()},
        "antipodal": [["warm", "cool"], ["warm food", "cool food"], ["round food", "long food"]],
        "differ in what a category label misses": ["warm food", "cool food", "round food",
                                                   "long food"],
        "suppressed below baseline": ["below baseline for writing"],
        "less than average, above baseline": ["less for writing, above baseline"],
        "arrays": "truth.npz: <subject>/<hemisphere>/<field>, and amounts (pictures x columns)",
    }
