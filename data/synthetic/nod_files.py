"""A second, smaller cohort that sees other images, in NOD's ciftify layout.

Its participants are other people than those of the NSD layout, from the same world; signals are
weaker and single trials are all there is, as at 3 tesla.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from data.synthetic.cohort import (
    CohortImages,
    compose_images,
    compute_noise_sd,
    simulate_sessions,
    simulate_signal,
)
from data.synthetic.composed import category
from data.synthetic.participants import (
    FLATMAP_SHAPE,
    HEMISPHERES,
    SimulatedVertices,
    simulate_vertices,
)
from data.synthetic.writing import atomic_folder, require_positive
from helpers.brains.splits import TRIALS
from helpers.core.console import progress
from helpers.stimuli.quantization import on_grid

SEED_STREAM = 10
"""Of the seeds of these images: no other set shares one."""
FIRST_SUBJECT_NUMBER = 21
"""Number, among all simulated people, of the first of this cohort."""
N_TRIALS, N_SLOTS, LEAD_IN, SLOT_DURATION = 100, 120, 16.0, 4.0
"""Trials of a run, among so many slots; seconds before the first one, and of each."""
PRF_SCREEN_WIDTH = 200
"""Width of the pRF display, pixels, as the release counts them."""
NOISE_FACTOR = 2.0
"""How much stronger the noise is than in the first cohort."""

GLASSER: dict[str, int] = {"V1": 1, "V2": 4, "V3": 5, "V4": 6, "RSC": 14, "FFC": 18, "V3B": 19,
                           "LO2": 21, "PIT": 22}
"""Areas of the multi-modal parcellation that the simulated sheets have, of its 180."""
AREA_OF_REGION = {"V1v": "V1", "V1d": "V1", "V2v": "V2", "V2d": "V2", "V3v": "V3", "V3d": "V3",
           "hV4": "V4", "RSC": "RSC", "FFA-1": "FFC", "FFA-2": "FFC", "OPA": "V3B", "EBA": "LO2",
           "OFA": "PIT"}
"""Simulated region: the area that it lies in."""
BETA_BITS = 10
"""Betas are multiples of 2**-10 percent signal change, which float32 holds exactly."""
N_LABELS = 180
"""Areas of a hemisphere; the right one's are counted on."""


def write_nod(folder: str | os.PathLike[str], *, seed: int, n_subjects: int = 3,
              n_sessions: int = 1, n_runs: int = 10, size: int = 96,
              processes: int | None = None) -> Path:
    """Simulate a second cohort and write it as NOD is laid out.

    Parameters
    ----------
    folder : path
        Must not exist, or be empty.
    seed : int
        Same seed, same bytes, whatever ``processes``.
    n_subjects, n_sessions, n_runs : int
        Participants; sessions of each; runs of 100 trials of each session. Every trial shows
        another image.
    size : int
        Side of the images, pixels.
    processes : int, optional
        That paint images. Default: as many as ``LAB_WORKERS`` says.

    Returns
    -------
    Path of ``folder``.

    Notes
    -----
    Gong et al. (2023); contrastive-finetuning spec, appendix C.
    """
    require_positive(n_subjects=n_subjects, n_sessions=n_sessions, n_runs=n_runs, size=size)
    n_trials_per_subject = n_sessions * n_runs * N_TRIALS
    with atomic_folder(folder) as temp_folder:
        images = compose_images(n_subjects * n_trials_per_subject, stream=SEED_STREAM, seed=seed,
                                size=size,
                         processes=processes, label="painting what a second cohort sees")
        files = _write_stimuli(temp_folder / "stimuli", images)
        subjects = [[simulate_vertices(f"subj{FIRST_SUBJECT_NUMBER + s}", hemisphere,
                                       seed=seed) for hemisphere in HEMISPHERES]
                  for s in range(n_subjects)]
        for s, hemispheres in enumerate(progress(subjects, "simulating a second cohort")):
            trial_images = np.arange(s * n_trials_per_subject, (s + 1) * n_trials_per_subject)
            betas = _simulate_betas(hemispheres, images, trial_images, entropy=(seed, 60, s))
            _write_subject(temp_folder, f"sub-{s + 1:02d}", hemispheres, betas,
                           [files[i] for i in trial_images],
                           n_runs, np.random.default_rng([seed, 61, s]))
        _write_atlas(temp_folder / "supportfiles", subjects)
    return Path(folder)


def _get_image_class(items: list[dict]) -> str:
    """Return the class of an image: what its largest thing is."""
    things = [item for item in items if item["role"] == "item"] or items
    return category(max(things, key=lambda item: item["box"][2] * item["box"][3]))


def _write_stimuli(folder: Path, images: CohortImages) -> list[str]:
    """Write all images by class; return each one's path below ``stimuli``."""
    classes = [_get_image_class(items) for items in images.items]
    synset_ids = {name: f"n{i:08d}" for i, name in enumerate(sorted(set(classes)), 1)}
    for name in synset_ids.values():
        (folder / "imagenet" / name).mkdir(parents=True)
    (folder / "synset_words.txt").write_text(
        "".join(f"{i} {name}\n" for name, i in synset_ids.items()), encoding="utf-8")
    files = []
    for index, (name, pixels) in enumerate(zip(classes, images.pixels)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=92, subsampling=0)
        files.append(f"imagenet/{synset_ids[name]}/{synset_ids[name]}_{index + 1}.JPEG")
        (folder / files[-1]).write_bytes(buffer.getvalue())
    return files


def _simulate_betas(hemispheres: list[SimulatedVertices], images: CohortImages,
                    trial_images: NDArray[np.int64], *,
           entropy: tuple[int, ...]) -> NDArray[np.float32]:
    """Simulate all trials of a participant, (n_trials, n_vertices), left before right."""
    betas_by_hemisphere = []
    # Offsets change from run to run, as they do from session to session in the first cohort.
    padded_trials = np.concatenate([np.resize(run, TRIALS)
                             for run in np.arange(len(trial_images)).reshape(-1, N_TRIALS)])
    for hemisphere_idx, vertices in enumerate(hemispheres):
        signal = simulate_signal(vertices, images, trial_images)
        runs = simulate_sessions(vertices, signal[padded_trials],
                                 entropy=(*entropy, hemisphere_idx))
        noisy = np.concatenate([run[:N_TRIALS] for run in runs])
        extra_noise = np.random.default_rng([*entropy, hemisphere_idx,
                                             1]).standard_normal(noisy.shape, np.float32)
        betas_by_hemisphere.append(noisy + np.sqrt(NOISE_FACTOR**2 - 1)
                                   * compute_noise_sd(vertices) * extra_noise)
    return on_grid(np.concatenate(betas_by_hemisphere, axis=1), BETA_BITS).astype(np.float32)


def _make_dscalar_image(rows: list[str], values: NDArray[np.float32]) -> Cifti2Image:
    """Wrap rows x cortical vertices, left before right, as a dscalar image."""
    n = FLATMAP_SHAPE[0] * FLATMAP_SHAPE[1]
    brain_axis = (BrainModelAxis.from_surface(np.arange(n), n, "CortexLeft")
             + BrainModelAxis.from_surface(np.arange(n), n, "CortexRight"))
    image = Cifti2Image(values, (ScalarAxis(rows), brain_axis))
    image.update_headers()
    return image


def _write_subject(root: Path, name: str, hemispheres: list[SimulatedVertices],
                   betas: NDArray[np.float32],
                   files: list[str], n_runs: int, rng: np.random.Generator) -> None:
    """Write a participant's runs, events and receptive fields."""
    results = root / "derivatives/ciftify" / name / "results"
    for start in range(0, len(betas), N_TRIALS):
        session, run = divmod(start // N_TRIALS, n_runs)
        stem = f"ses-imagenet{session + 1:02d}_task-imagenet_run-{run + 1}"
        rows = files[start:start + N_TRIALS]
        names = [Path(file).name for file in rows]
        (results / stem).mkdir(parents=True)
        nib.save(_make_dscalar_image(names, betas[start:start + N_TRIALS]),
                 results / stem / f"{stem}_beta.dscalar.nii")
        (results / stem / f"{stem}_label.txt").write_text("\n".join(names) + "\n",
                                                          encoding="utf-8")
        raw = root / name / f"ses-imagenet{session + 1:02d}" / "func"
        raw.mkdir(parents=True, exist_ok=True)
        stem = f"{name}_ses-imagenet{session + 1:02d}_task-imagenet_run-{run + 1:02d}"
        (raw / f"{stem}_events.tsv").write_text(_events(rows, rng), encoding="utf-8")
    (results / "ses-prf_task-prf").mkdir()
    nib.save(_make_dscalar_image(["Angle", "Eccentricity", "Size", "R2"],
                                 _prf_parameters(hemispheres)),
             results / "ses-prf_task-prf/ses-prf_task-prf_params.dscalar.nii")


def _events(files: list[str], rng: np.random.Generator) -> str:
    """Return the table of a run: when each image was shown, and of which class it is."""
    slots = np.sort(rng.choice(N_SLOTS, len(files), replace=False))
    lines = [f"{LEAD_IN + SLOT_DURATION * slot:g}\t1\t{int(file.split('/')[1][1:])}\t{file}"
             for slot, file in zip(slots, files)]
    return "\n".join(["onset\tduration\ttrial_type\tstim_file", *lines]) + "\n"


def _prf_parameters(hemispheres: list[SimulatedVertices]) -> NDArray[np.float32]:
    """Return angle (deg), eccentricity and size (pixels of the display), and R² (percent).

    R² is the fraction of a trial's variance that is signal in vertices with a receptive field, else
    next to nothing.
    """
    rows = []
    for vertices in hemispheres:
        x, y = np.nan_to_num(vertices.centre, nan=.5).T
        x_pixels, y_pixels = PRF_SCREEN_WIDTH * (x - .5), PRF_SCREEN_WIDTH * (.5 - y)
        snr = (vertices.ncsnr / NOISE_FACTOR) ** 2
        r2 = np.where(vertices.early, 100 * snr / (snr + 1), .1)
        rows.append([np.degrees(np.arctan2(y_pixels, x_pixels)) % 360, np.hypot(x_pixels, y_pixels),
                     PRF_SCREEN_WIDTH * np.nan_to_num(vertices.spread), r2])
    return np.concatenate(rows, axis=1).astype(np.float32)


def _write_atlas(folder: Path, subjects: list[list[SimulatedVertices]]) -> None:
    """Write one parcellation for everyone: where most participants have an area.

    Individual regions differ in place and size, so that a vertex of a group's area need not
    belong to it in everyone, as with real atlases.
    """
    folder.mkdir(parents=True)
    values = []
    for hemisphere_idx in range(len(HEMISPHERES)):
        areas = np.array([[GLASSER.get(AREA_OF_REGION.get(str(name), ""), 0)
                           for name in hemispheres[hemisphere_idx].region]
                          for hemispheres in subjects])
        votes = np.stack([(areas == label).sum(0) for label in range(max(GLASSER.values()) + 1)])
        winner = votes.argmax(0)
        values.append(winner + N_LABELS * hemisphere_idx * (winner > 0))
    content = io.BytesIO()
    savemat(content, {"glasser_MMP": np.concatenate(values)[None].astype(np.float64)})
    # The format's first 116 bytes are a free text, in which SciPy writes the date.
    text = b"MATLAB 5.0 MAT-file, simulated parcellation".ljust(116)
    (folder / "MMP_mpmLR32k.mat").write_bytes(text + content.getvalue()[116:])
    name_of = {label: name for name, label in GLASSER.items()}
    names = [name_of.get(label, f"unused{label}") for label in range(1, N_LABELS + 1)]
    rows = ["label,left,right", *(f"{label},L_{name}_ROI,R_{name}_ROI"
                                  for label, name in enumerate(names, 1))]
    (folder / "roilbl_mmp.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
