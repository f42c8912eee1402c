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
    Images,
    Plan,
    image_of_trial,
    make_plan,
    noise_sd,
    paint,
    sessions,
    signals,
)
from data.synthetic.composed import category
from data.synthetic.depicted import CHANNELS, COLUMNS
from data.synthetic.participants import CONCEPTS, SHEET, SIDES, TUNING, Sheet, make_sheet
from data.synthetic.writing import counted, whole
from helpers.brains.nsd import BETAS, FAMILIES_NSD, SCALE
from helpers.brains.rois import FAMILIES
from helpers.brains.splits import N_REPEATS, TRIALS
from helpers.core.console import progress
from helpers.rsa.noise_ceilings import ncsnr
from helpers.stimuli.quantization import nearest

STREAM = 9
"""Of the seeds of the cohort's images: no other set shares one."""


def write_cohort(folder: str | os.PathLike[str], *, seed: int, n_subjects: int = 8,
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
    counted(n_subjects=n_subjects, n_shared=n_shared, n_sessions=n_sessions, size=size)
    plan = make_plan(seed=seed, n_subjects=n_subjects, n_shared=n_shared, n_sessions=n_sessions)
    with whole(folder) as part:
        images = paint(len(plan.shared), stream=STREAM, seed=seed, size=size,
                         processes=processes, label="painting what the brains see")
        write_brick(part / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", images.pixels)
        coco = _coco_ids(seed, len(plan.shared))
        _write_presentations(part, plan, coco)
        _write_annotations(part / "annotations", images, coco)
        truth: dict[str, NDArray] = {"amounts": images.amounts}
        for s in progress(range(n_subjects), "simulating brains"):
            name = f"subj{s + 1:02d}"
            for side in SIDES:
                sheet = make_sheet(name, side, seed=seed)
                _write_labels(part / "nsddata/freesurfer" / name, side, sheet)
                truth |= _write_betas(part, name, side, sheet, images, plan, s, seed)
        np.savez_compressed(part / "truth.npz", **truth)
        (part / "truth.json").write_text(json.dumps(_planted(seed), indent=1), encoding="utf-8")
    return Path(folder)


def write_brick(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write images as NSD's ``imgBrick``, in chunks of one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", libver="latest", track_order=False) as file:
        file.create_dataset("imgBrick", data=pixels, chunks=(1, *pixels.shape[1:]),
                            track_times=False)


def _coco_ids(seed: int, n: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 31]).permutation(np.arange(9, 9 + 7 * n, 7))


def _write_presentations(root: Path, plan: Plan, coco: NDArray[np.int64]) -> None:
    """Write ``nsd_stim_info_merged.csv``: trials count from 1, 0 is never."""
    n = len(plan.shared)
    table = pd.DataFrame({
        "cocoId": coco, "cocoSplit": "train2017", "cropBox": "(0, 0, 0, 0)", "loss": 0.0,
        "nsdId": np.arange(n), "flagged": False, "BOLD5000": False, "shared1000": plan.shared})
    for s, trials in enumerate(plan.trials, 1):
        table[f"subject{s}"] = (trials >= 0).any(1).astype(int)
    for s, trials in enumerate(plan.trials, 1):
        for repeat in range(N_REPEATS):
            table[f"subject{s}_rep{repeat}"] = trials[:, repeat] + 1
    path = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.parent.mkdir(parents=True)
    table.to_csv(path, lineterminator="\n")


def _write_annotations(folder: Path, images: Images, coco: NDArray[np.int64]) -> None:
    """Write captions and object lists as COCO arranges them."""
    folder.mkdir(parents=True)
    size = images.pixels.shape[1]
    names = sorted({category(item) for items in images.items for item in items})
    number = {name: i for i, name in enumerate(names, 1)}
    listed = [{"id": int(i), "file_name": f"{i:012d}.jpg", "width": size, "height": size}
              for i in coco]
    said = [{"image_id": int(i), "caption": line}
            for i, lines in zip(coco, images.captions) for line in lines]
    boxes = [{"image_id": int(i), "category_id": number[category(item)], "iscrowd": 0,
              "bbox": [round(v * size, 2) for v in item["box"]],
              "area": round(item["box"][2] * item["box"][3] * size**2, 2)}
             for i, items in zip(coco, images.items) for item in items]
    known = {category(item): item["domain"] for items in images.items for item in items}
    for stem, content in (("captions", {"images": listed, "annotations": _numbered(said)}),
                          ("instances", {"images": listed, "annotations": _numbered(boxes),
                                         "categories": [{"id": number[name], "name": name,
                                                         "supercategory": known[name]}
                                                        for name in names]})):
        (folder / f"{stem}_train2017.json").write_text(json.dumps(content), encoding="utf-8")


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": i, **row} for i, row in enumerate(rows, 1)]


def write_mgh(path: Path, values: NDArray) -> None:
    """Write one number a vertex as ``.mgh``, or compressed without a date as ``.mgz``."""
    image = nib.freesurfer.MGHImage(np.asarray(values)[:, None, None], np.eye(4))
    content = image.to_bytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".mgz" else content)


def stream_of(place: NDArray[np.float64], region: str) -> int:
    """Return NSD's stream of a vertex: early, ventral, lateral, parietal ..., or 0."""
    if not region:
        return 0
    if region[:2] in ("V1", "V2", "V3"):
        return 1
    x, y = place
    band = 0 if y < .45 else 1 if y < .78 else 2
    return (2, 3, 4)[band] if x < .5 else (5, 6, 7)[band]


def _write_labels(folder: Path, side: str, sheet: Sheet) -> None:
    """Write the label sets of a hemisphere, their names, and the flat sheet as a surface."""
    labels, surf = folder / "label", folder / "surf"
    labels.mkdir(parents=True, exist_ok=True)
    surf.mkdir(exist_ok=True)
    for family in FAMILIES_NSD:
        names = FAMILIES[family]
        if family == "streams":
            values = [stream_of(p, str(r)) for p, r in zip(sheet.places, sheet.region)]
        elif family == "nsdgeneral":
            values = sheet.region != ""
        else:
            values = [names.index(r) + 1 if r in names else 0 for r in sheet.region]
        write_mgh(labels / f"{side}.{family}.mgz", np.asarray(values, np.int32))
        lines = ["0 Unknown", *(f"{i} {name}" for i, name in enumerate(names, 1))]
        (labels / f"{family}.mgz.ctab").write_text("\n".join(lines) + "\n", encoding="utf-8")
    flip = -1 if side == "lh" else 1
    points = np.column_stack([flip * 60 * sheet.places[:, 1], 100 * sheet.places[:, 0],
                              np.zeros(len(sheet.places))])
    for surface in ("white", "inflated"):
        nib.freesurfer.write_geometry(surf / f"{side}.{surface}", points, _faces(),
                                      create_stamp="a simulated sheet")


def _faces() -> NDArray[np.int32]:
    """Return the triangles of a sheet."""
    number = np.arange(SHEET[0] * SHEET[1]).reshape(SHEET)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3),
                           np.stack([b, d, c], -1).reshape(-1, 3)]).astype(np.int32)


def _write_betas(root: Path, name: str, side: str, sheet: Sheet, images: Images, plan: Plan,
                 subject: int, seed: int) -> dict[str, NDArray]:
    """Write a hemisphere's sessions and its ncsnr; return what was planted."""
    folder = root / "nsddata_betas/ppdata" / name / "nativesurface" / BETAS
    folder.mkdir(parents=True, exist_ok=True)
    shown = image_of_trial(plan, subject)
    signal = signals(sheet, images, shown)
    scored = np.empty((len(shown), len(sheet.region)))
    entropy = (seed, 50, subject, SIDES.index(side))
    for k, betas in enumerate(sessions(sheet, signal, entropy=entropy)):
        stored = np.clip(nearest(betas * SCALE), -32768, 32767).astype(np.int16)
        with h5py.File(folder / f"{side}.betas_session{k + 1:02d}.hdf5", "w") as file:
            file.create_dataset("betas", data=stored, track_times=False)
        values = stored.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            scored[k * TRIALS:(k + 1) * TRIALS] = (values - values.mean(0)) / values.std(0)
    complete = plan.trials[subject][((plan.trials[subject] >= 0)
                                     & (plan.trials[subject] < len(shown))).all(1)]
    write_mgh(folder / f"{side}.ncsnr.mgh", np.nan_to_num(ncsnr(scored[complete]))
              .astype(np.float32))
    key, driven = f"{name}/{side}", sheet.early | sheet.weights.any(1)
    return {f"{key}/{field}": getattr(sheet, field) for field in (
        "region", "weights", "exponent", "centre", "spread", "offset")} | {
        # Whatever a sheet says, a vertex that nothing drives has no signal.
        f"{key}/ncsnr": sheet.ncsnr * driven, f"{key}/signal_sd": sheet.signal_sd * driven,
        f"{key}/noise_sd": noise_sd(sheet)}


def _planted(seed: int) -> dict[str, Any]:
    """Say in words what was planted; the arrays are in ``truth.npz``."""
    return {
        "seed": seed, "columns": list(COLUMNS), "channels": list(CHANNELS),
        "regions": {name: {"driven by": domain, "and": others}
                    for name, (domain, others) in TUNING.items()},
        "driven by one domain alone": ["aTL-faces"],
        "concepts": {name: {"weights": weights, "participants": list(owners) or "all"}
                     for name, (weights, owners) in CONCEPTS.items()},
        "antipodal": [["warm", "cool"], ["warm food", "cool food"]],
        "differ in what a category label misses": ["warm food", "cool food"],
        "suppressed below baseline": ["below baseline for writing"],
        "less than average, above baseline": ["less for writing, above baseline"],
        "arrays": "truth.npz: <subject>/<hemisphere>/<field>, and amounts (pictures x columns)",
    }
