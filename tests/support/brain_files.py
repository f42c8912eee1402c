"""Small brain data in the exact layouts, names, types and axes of the real files.

Values are random; what the release has of structure (sessions of 750 trials, repeats that fall
into sessions that were never completed, axes of volumes, pickled names) is all there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from helpers.brains.rois import FAMILIES, TABLE

BETAS = "betas_fithrf_GLMdenoise_RR"
TRIALS = 750
REGIONS = ("V1v", "hV4", "OFA", "FFA-1", "FFA-2", "EBA", "FBA-1", "FBA-2", "OPA", "PPA", "OWFA",
           "VWFA-1", "VWFA-2")
NSD_FAMILIES = tuple(FAMILIES)[:7]


# ---- NSD ----------------------------------------------------------------------------------------

def write_tiny_nsd(root: Path, *, n_subjects: int = 8, n_shared: int = 20, n_own: int = 480,
                   vertices: tuple[int, int] = (52, 40), size: int = 8, seed: int = 0,
                   regions: Sequence[str] = REGIONS,
                   missing_rois: Mapping[str, Sequence[str]] | None = None,
                   constant: int | None = 5, shape: tuple[int, int, int] | None = None) -> Path:
    """Write NSD's files; with ``shape`` (x, y, z) those of the volume instead of the surface.

    Written twice into one folder, once with a shape, both have the same table and images.

    Everyone sees ``n_shared`` shared and ``n_own`` own images three times within the completed
    sessions; what is left of the last session shows images (three of them shared) whose third
    repeat falls into the next session, which the table has and the betas do not.

    Parameters
    ----------
    vertices : pair of int
        Left, right. Vertices take the regions in turn.
    missing_rois : dict, subject -> ROIs, optional
        Regions that a participant does not have.
    constant : int, optional
        Left vertex (voxel) of ``subj01`` that is constant in the first session.
    """
    rng = np.random.default_rng(seed)
    plans, shared, n_sessions = _trial_plans(rng, n_subjects, n_shared, n_own)
    n_images = len(shared)
    _write_table(root, rng, plans, shared)
    path = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["imgBrick"] = rng.integers(0, 255, (n_images, size, size, 3), dtype=np.uint8)
    for s, plan in enumerate(plans):
        subject = f"subj{s + 1:02d}"
        names = [name for name in regions if name not in (missing_rois or {}).get(subject, ())]
        write_names(root / "nsddata/freesurfer" / subject / "label")
        constant_vertex = constant if s == 0 else None
        image = np.empty(TRIALS * n_sessions, np.int64)
        for number, trials in enumerate(plan):
            image[trials[(trials >= 0) & (trials < len(image))]] = number
        if shape is None:
            for side, n in zip(("lh", "rh"), vertices):
                _write_surface(root, subject, side, n, names, image, rng,
                               constant_vertex if side == "lh" else None)
        else:
            _write_volume(root, subject, shape, names, image, rng, constant_vertex)
    return root


def _trial_plans(rng, n_subjects: int, n_shared: int, n_own: int):
    """Return trials of every image by participant (-1: never), which are shared, sessions."""
    full = 3 * (n_shared + n_own)
    n_sessions = -(-(full + 8) // TRIALS)
    rest = TRIALS * n_sessions - full
    n_partial = (rest + 1) // 2  # two repeats each before the end, the last has one where odd
    per_subject = n_own + n_partial - 3
    n_images = n_shared + 3 + n_subjects * per_subject
    order = rng.permutation(n_images)  # images of a condition do not lie together
    plans = []
    for s in range(n_subjects):
        slots = rng.permutation(TRIALS * n_sessions)
        late = TRIALS * n_sessions + rng.permutation(TRIALS)
        own = n_shared + 3 + s * per_subject + np.arange(per_subject)
        complete = order[np.r_[np.arange(n_shared), own[:n_own]]]
        partial = order[np.r_[n_shared + np.arange(3), own[n_own:]]]
        plan = np.full((n_images, 3), -1)
        plan[complete] = slots[:full].reshape(-1, 3)
        left, n_late = slots[full:], 0
        for number in partial:
            first, left = left[:2], left[2:]
            plan[number, :len(first)] = first
            plan[number, len(first):] = late[n_late:n_late + 3 - len(first)]
            n_late += 3 - len(first)
        plans.append(np.sort(plan, axis=1))
    return plans, np.isin(np.arange(n_images), order[:n_shared + 3]), n_sessions


def _write_table(root: Path, rng, plans, shared: np.ndarray) -> None:
    """Write the table of presentations: trials count from 1, 0 is never."""
    n_images = len(shared)
    table = pd.DataFrame({
        "cocoId": rng.permutation(np.arange(9, 9 + 7 * n_images, 7)), "cocoSplit": "val2017",
        "cropBox": "(0, 0, 0.1, 0.1)", "loss": 0.1, "nsdId": np.arange(n_images),
        "flagged": False, "BOLD5000": False, "shared1000": shared})
    for s, plan in enumerate(plans, 1):
        table[f"subject{s}"] = (plan >= 0).any(1).astype(int)
    for s, plan in enumerate(plans, 1):
        for repeat in range(3):
            table[f"subject{s}_rep{repeat}"] = plan[:, repeat] + 1
    path = root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path)


def write_tiny_annotations(root: Path, *, size: tuple[int, int] = (64, 48),
                           things: Sequence[str] = ("cat", "dog", "pizza"), seed: int = 0) -> None:
    """Write COCO's captions and instances of the images in NSD's table, half in each part.

    Every other thing of an image lies in the lower right corner, which NSD's crop cuts off.
    """
    table = pd.read_csv(root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    rng, folder = np.random.default_rng(seed), root / "annotations"
    folder.mkdir(parents=True)
    width, height = size
    for part, ids in zip(("train2017", "val2017"), np.array_split(table["cocoId"].to_numpy(), 2)):
        images = [{"id": int(i), "width": width, "height": height} for i in ids]
        captions, boxes = [], []
        for i in ids:
            thing = int(rng.integers(len(things)))
            captions += [{"image_id": int(i), "caption": f"A {things[thing]} on a {word} table."}
                         for word in ("red", "wooden")]
            boxes += [{"image_id": int(i), "category_id": thing + 1, "bbox": [5, 5, 20, 20]},
                      {"image_id": int(i), "category_id": (thing + 1) % len(things) + 1,
                       "bbox": [width - 4, height - 4, 4, 4]}]
        names = [{"id": i, "name": name} for i, name in enumerate(things, 1)]
        (folder / f"captions_{part}.json").write_text(json.dumps(
            {"images": images, "annotations": captions}))
        (folder / f"instances_{part}.json").write_text(json.dumps(
            {"images": images, "annotations": boxes, "categories": names}))


def write_names(folder: Path) -> None:
    """Write the names of all label sets."""
    folder.mkdir(parents=True, exist_ok=True)
    for family in NSD_FAMILIES:
        lines = ["0 Unknown", *(f"{i} {name}" for i, name in enumerate(FAMILIES[family], 1))]
        (folder / f"{family}.mgz.ctab").write_text("\n".join(lines) + "\n")


def make_labels(n: int, names: Sequence[str], family: str) -> np.ndarray:
    """Return a label set of vertices that take the regions in turn; -1 and 0 are none."""
    if family == "nsdgeneral":
        return np.ones(n, np.int32)
    roi_of_vertex = [names[i % len(names)] for i in range(n)]
    none = np.where(np.arange(n) % 2, 0, -1)
    return np.array([TABLE[name].label if TABLE[name].family == family else no_label
                     for name, no_label in zip(roi_of_vertex, none)], np.int32)


def simulate_session(rng, images: np.ndarray, n: int,
                     constant_vertex: int | None = None) -> np.ndarray:
    """Draw betas (750, n), int16: percent signal change times 300, partly due to the image."""
    signal = np.stack([np.random.default_rng(int(p)).normal(0, 300, n) for p in images])
    offset, gain = rng.normal(200, 400, n), rng.uniform(0.5, 3, n)  # differ between sessions
    betas = (offset + gain * (signal + rng.normal(0, 300, signal.shape))).round()
    if constant_vertex is not None:
        betas[:, constant_vertex] = 17
    return betas.clip(-32768, 32767).astype(np.int16)


def write_session(path: Path, betas: np.ndarray, **options) -> None:
    """Write one session."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=betas, **options)


def save_mgh(path: Path, values: np.ndarray) -> None:
    """Save one number a vertex."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.freesurfer.MGHImage(np.asarray(values)[:, None, None], np.eye(4)), path)


def save_nifti(path: Path, values: np.ndarray) -> None:
    """Save a volume, axes x, y, z."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([1.8, 1.8, 1.8, 1])), path)


def _write_surface(root, subject, side, n, names, image, rng, constant_vertex) -> None:
    label = root / "nsddata/freesurfer" / subject / "label"
    betas = root / "nsddata_betas/ppdata" / subject / "nativesurface" / BETAS
    for family in NSD_FAMILIES:
        save_mgh(label / f"{side}.{family}.mgz", make_labels(n, names, family))
    save_mgh(betas / f"{side}.ncsnr.mgh", rng.uniform(0.2, 1.5, n).astype(np.float32))
    for k in range(len(image) // TRIALS):
        write_session(betas / f"{side}.betas_session{k + 1:02d}.hdf5", simulate_session(
            rng, image[k * TRIALS:(k + 1) * TRIALS], n, constant_vertex if k == 0 else None))


def _write_volume(root, subject, shape, names, image, rng, constant_vertex) -> None:
    """Write a volume: x < half is the left hemisphere; HDF5 has z, y, x."""
    n = int(np.prod(shape))
    left = np.zeros(shape, bool)
    left[:shape[0] // 2] = True
    betas = root / "nsddata_betas/ppdata" / subject / "func1pt8mm" / BETAS
    for family in NSD_FAMILIES:
        labels = make_labels(n, names, family).reshape(shape)
        for side, inside in (("lh", left), ("rh", ~left)):
            save_nifti(root / "nsddata/ppdata" / subject / "func1pt8mm/roi"
                       / f"{side}.{family}.nii.gz", np.where(inside, labels, -1).astype(np.int16))
    save_nifti(betas / "ncsnr.nii.gz", rng.uniform(0.2, 1.5, shape).astype(np.float32))
    for k in range(len(image) // TRIALS):
        drawn = simulate_session(rng, image[k * TRIALS:(k + 1) * TRIALS], n,
                                 constant_vertex if k == 0 else None)
        write_session(betas / f"betas_session{k + 1:02d}.hdf5",
                      drawn.reshape(TRIALS, *shape).transpose(0, 3, 2, 1),
                      chunks=(TRIALS, 1, 1, 1))


# ---- Algonauts 2023 -----------------------------------------------------------------------------

def write_tiny_algonauts(root: Path, *, n_subjects: int = 2, n_images: int = 40, n_common: int = 6,
                         vertices: tuple[int, int] = (52, 40), size: int = 8, seed: int = 0,
                         missing_rois: Mapping[str, Sequence[str]] | None = None) -> Path:
    """Write the challenge's training split and label files; some images are common to all."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(73_000)
    for s in range(n_subjects):
        subject = f"subj{s + 1:02d}"
        own = numbers[n_common + s * n_images:][:n_images - n_common]
        shown = rng.permutation(np.r_[numbers[:n_common], own])  # stricter: the real ones rise
        split = root / subject / "training_split"
        for folder in ("training_images", "training_fmri"):
            (split / folder).mkdir(parents=True)
        for i, number in enumerate(shown, 1):
            pixels = np.random.default_rng(int(number)).integers(0, 255, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(
                split / "training_images" / f"train-{i:04d}_nsd-{number:05d}.png")
        names = [name for name in REGIONS if name not in (missing_rois or {}).get(subject, ())]
        folder = root / subject / "roi_masks"
        folder.mkdir()
        for side, n in zip(("lh", "rh"), vertices):
            np.save(split / "training_fmri" / f"{side}_training_fmri.npy",
                    rng.normal(size=(n_images, n)).astype(np.float32))
            for family in NSD_FAMILIES[:6]:
                np.save(folder / f"{side}.{family}_challenge_space.npy",
                        make_labels(n, names, family).clip(0))
        for family in NSD_FAMILIES[:6]:
            save_mapping(folder / f"mapping_{family}.npy",
                         {0: "Unknown", **dict(enumerate(FAMILIES[family], 1))})
    return root


def save_mapping(path: Path, content: object) -> None:
    """Pickle a dictionary into a ``.npy`` file, as the challenge does."""
    np.save(path, np.array(content, dtype=object), allow_pickle=True)


# ---- NOD ----------------------------------------------------------------------------------------

AREAS = {1: "V1", 2: "MST", 3: "V6", 4: "V2", 5: "V3", 6: "V4", 7: "V8"}


def write_tiny_nod(root: Path, *, n_subjects: int = 2, n_sessions: int = 1, n_runs: int = 2,
                   n_trials: int = 20, full: bool = False, seed: int = 0) -> Path:
    """Write NOD's ciftify derivatives: 59,412 columns, or all 91,282 grayordinates."""
    rng = np.random.default_rng(seed)
    axis = brain_axis(full=full)
    support = root / "supportfiles"
    support.mkdir(parents=True)
    areas = rng.integers(8, 181, 59_412)
    areas[29_696:] += 180
    for label in (1, 4, 5, 6):
        for start, add in ((0, 0), (29_696, 180)):
            areas[start + 90 * label:start + 90 * label + 70] = label + add
    savemat(support / "MMP_mpmLR32k.mat", {"glasser_MMP": areas[None].astype(np.float64)})
    names = [AREAS.get(i, f"area{i}") for i in range(1, 181)]
    (support / "roilbl_mmp.csv").write_text("left,right\n" + "".join(
        f"L_{name}_ROI,R_{name}_ROI\n" for name in names))
    for s in range(n_subjects):
        results = root / "derivatives/ciftify" / f"sub-{s + 1:02d}" / "results"
        save_dscalar(results / "ses-prf_task-prf/ses-prf_task-prf_params.dscalar.nii",
                     rng.uniform(0, 60, (4, axis.size)), axis)
        for session in range(1, n_sessions + 1):
            for run in range(1, n_runs + 1):
                name = f"ses-imagenet{session:02d}_task-imagenet_run-{run}"
                gain = rng.uniform(0.5, 4, axis.size)
                save_dscalar(results / name / f"{name}_beta.dscalar.nii",
                             3 + gain * rng.normal(size=(n_trials, axis.size)), axis)
                shown = [f"n{rng.integers(10**7):08d}_{s}{session}{run}{i}.JPEG"
                         for i in range(n_trials)]
                (results / name / f"{name}_label.txt").write_text("\n".join(shown) + "\n")
                for line in shown:
                    path = root / "stimuli/imagenet" / line.split("_")[0] / line
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(path, "JPEG")
    return root


def brain_axis(*, full: bool) -> nib.cifti2.BrainModelAxis:
    """Return the grayordinates: cortex without the medial wall, then (full) voxels below it."""
    axis = None
    for name, n in (("CORTEX_LEFT", 29_696), ("CORTEX_RIGHT", 29_716)):
        vertex = np.sort(np.random.default_rng(n).permutation(32_492)[:n])
        part = nib.cifti2.BrainModelAxis.from_surface(vertex, 32_492, name=name)
        axis = part if axis is None else axis + part
    if full:
        inside = np.zeros((40, 40, 40), bool)
        inside.ravel()[:91_282 - 59_412] = True
        axis = axis + nib.cifti2.BrainModelAxis.from_mask(inside, name="THALAMUS_LEFT")
    return axis


def save_dscalar(path: Path, values: np.ndarray, axis) -> None:
    """Save rows x grayordinates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = nib.cifti2.ScalarAxis([f"row {i}" for i in range(len(values))])
    nib.save(nib.Cifti2Image(values.astype(np.float32), header=(rows, axis)), path)


# ---- object2vec ---------------------------------------------------------------------------------

def write_tiny_object2vec(root: Path, *, categories: Sequence[str] = tuple("fbdaec"),
                          n_sets: int = 3, n_voxels: int = 12, seed: int = 0) -> Path:
    """Write ``subj001`` (full, and its PPA and LOC alone) and ``subj002``, conditions shuffled."""
    rng = np.random.default_rng(seed)
    for category in categories:
        (root / "stimuli" / category).mkdir(parents=True)
        for number in (1, 2):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(
                root / "stimuli" / category / f"{category}_{number}.jpg")
    for folder, rois in (("fmri/subj001", ("FFA", "PPA", "LOC")),
                         ("fmri_ppa_loc/subj001_old", ("PPA", "LOC")),
                         ("fmri_ppa_loc/subj002_old", ("PPA", "LOC"))):
        write_stack(root / folder, categories, rois, rng, n_sets, n_voxels)
    return root


def write_stack(folder: Path, categories, rois, rng, n_sets: int, n_voxels: int) -> None:
    """Write one participant's two MATLAB files."""
    folder.mkdir(parents=True)
    cell = lambda names: np.array([[name] for name in names], dtype=object)  # noqa: E731
    savemat(folder / "roistack.mat", {"roistack": {
        "betas": rng.normal(size=(len(categories), n_voxels)), "conds": cell(categories),
        "rois": cell(rois), "indices": (np.arange(n_voxels) % len(rois) + 1)[:, None].astype(float),
        "split": rng.normal(size=(n_voxels + 5, 1))}})
    shuffled = rng.permutation(np.array(categories, dtype=object)).reshape(n_sets, -1)
    sets = np.empty((1, n_sets), object)
    for k, part in enumerate(shuffled):
        sets[0, k] = cell(part)
    savemat(folder / "sets.mat", {"sets": sets})


# ---- arrays of one's own -------------------------------------------------------------------------

def write_tiny_arrays(root: Path, *, n_images: int = 20, n_repeats: int = 2, n_voxels: int = 9,
                      seed: int = 0) -> Path:
    """Write ``p01`` (all images, repeats, rois.csv, ncsnr) and ``p02`` (all but two, rois.npy)."""
    rng = np.random.default_rng(seed)
    (root / "stimuli").mkdir(parents=True)
    for number in range(1, n_images + 1):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(
            root / "stimuli" / f"image-{number}.png")
    one, two = root / "p01", root / "p02"
    for folder in (one, two):
        folder.mkdir()
    betas = rng.normal(size=(n_images, n_repeats, n_voxels)).astype(np.float32)
    betas[3, 1] = np.nan  # shown once
    np.save(one / "responses.npy", betas)
    np.save(one / "ncsnr.npy", rng.uniform(0, 1, n_voxels))
    rois = ["FFA-1", "my patch", "V1v"]
    (one / "rois.csv").write_text("voxel,roi,hemisphere,group,domain\n" + "".join(
        f"{v},{rois[v % 3]},{'lh' if v < 5 else 'rh'},{'early,' if v % 3 == 1 else ','}\n"
        for v in range(n_voxels)))
    np.save(two / "responses.npy", rng.normal(size=(n_images - 2, n_voxels)))
    np.save(two / "rois.npy", np.array(["PPA"] * (n_voxels - 2) + ["FFA-1", ""]))
    (two / "images.csv").write_text("image\n" + "".join(
        f"stimuli/image-{n}.png\n" for n in rng.permutation(np.arange(3, n_images + 1))))
    return root
