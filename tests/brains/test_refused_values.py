"""Numbers in the files of brain data: looked at before they are converted, or refused by place."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat, savemat
from support import brain_files as files

from helpers.brains.algonauts import Algonauts
from helpers.brains.files import read_mapping, whole_numbers
from helpers.brains.nod import NOD
from helpers.brains.nsd import NSD
from helpers.brains.object2vec import Object2Vec
from helpers.brains.rois import check_values
from helpers.brains.splits import read_presentations
from helpers.core.errors import LabError


@pytest.mark.parametrize("values", [[0, 1, 1.5], [0, np.nan], [1, np.inf], [2, 7], [0, -1],
                                    ["1", "2"], [1 + 0j], [2**16 + 1]])
def test_what_a_conversion_would_change_is_refused_by_value_and_place(values):
    with pytest.raises(LabError, match=r"mask\.npy: the value .* at \d") as error:
        whole_numbers(np.array([values]), "mask.npy", minimum=0, maximum=6)
    assert "whole numbers from 0 to 6" in error.value.expected


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.float32, bool])
def test_whole_numbers_of_any_type_are_taken_as_they_are(kind):
    found = whole_numbers(np.array([[0, 1, 1]], kind), "mask.npy", minimum=0, maximum=6)
    assert found.dtype == np.int64 and found.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("label", [0.5, np.nan, -0.25, 65537, 99, np.inf])
def test_labels_that_no_region_has_are_refused_before_they_are_shortened(label):
    values = np.array([-1, 0, 1, 2, label])
    with pytest.raises(LabError, match=r"lh\.floc-faces"):
        check_values("floc-faces", values, "lh.floc-faces")
    check_values("floc-faces", values[:4], "lh.floc-faces")


@pytest.mark.parametrize("label", [0.5, 65537, np.nan])
def test_labels_of_nsd_are_looked_at_before_they_become_16_bits(tmp_path, label):
    root = files.write_tiny_nsd(tmp_path / "nsd", n_subjects=1, shape=(4, 3, 3), constant=None,
                                n_own=230)
    path = root / "nsddata/ppdata/subj01/func1pt8mm/roi/lh.floc-places.nii.gz"
    labels = np.asarray(nib.load(path).dataobj).astype(np.float64)
    labels[1, 1, 1] = label
    nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
    cohort = NSD(root, n_pool=100, n_shared=0, space="func1pt8mm")
    with pytest.raises(LabError, match="lh.floc-places"):
        cohort.rois("subj01")


def test_percent_signal_change_needs_the_published_integers(tmp_path):
    root = files.write_tiny_nsd(tmp_path / "nsd", n_subjects=1, shape=(4, 3, 3), constant=None,
                                n_own=230)
    cohort = NSD(root, n_pool=100, n_shared=0, space="func1pt8mm")
    found = cohort.percent("subj01", 0.0).betas
    assert np.nanmax(np.abs(found)) < 32768 / 300
    for path in root.rglob("betas_session*.hdf5"):
        with h5py.File(path, "r+") as file:
            values = file["betas"][:] / np.float32(300)
            del file["betas"]
            file["betas"] = values
    with pytest.raises(LabError, match="float32, of unknown scale"):
        cohort.percent("subj01", 0.0)
    assert np.isfinite(cohort.responses("subj01", ["V1v"]).betas[:, 0]).any(), "z needs no scale"


@pytest.mark.parametrize("value, line", [(-3, 4), (7, 6)])
def test_a_trial_is_positive_and_of_one_image(tmp_path, value, line):
    head = "cocoId,nsdId,shared1000,subject1_rep0,subject1_rep1,subject1_rep2"
    rows = [f"{10 + i},{i},True,{3 * i + 1},{3 * i + 2},{3 * i + 3}" for i in range(5)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([head, *rows]))
    assert len(read_presentations(path)) == 5
    cells = rows[line - 2].split(",")
    cells[4] = str(value)
    rows[line - 2] = ",".join(cells)
    path.write_text("\n".join([head, *rows]))
    with pytest.raises(LabError, match=f"line {line}: subject1_rep1 is {value}"):
        read_presentations(path)


@pytest.fixture
def algonauts(tmp_path) -> Path:
    return files.write_tiny_algonauts(tmp_path / "alg", n_subjects=1, n_images=12)


@pytest.mark.parametrize("spoil", [
    lambda labels: np.where(labels == 1, 1.5, labels),
    lambda labels: np.where(labels == 1, np.nan, labels.astype(float)),
    lambda labels: labels + 90, lambda labels: labels[:-1], lambda labels: labels[None]])
def test_masks_of_algonauts_with_other_values_or_lengths_are_refused(algonauts, spoil):
    path = algonauts / "subj01/roi_masks/lh.floc-faces_challenge_space.npy"
    np.save(path, spoil(np.load(path)))
    with pytest.raises(LabError, match="floc-faces"):
        Algonauts(algonauts).rois("subj01")


@pytest.mark.parametrize("label", [1.5, np.nan, "one"])
def test_a_mapping_has_whole_numbers(tmp_path, label):
    files.save_mapping(tmp_path / "mapping.npy", {0: "Unknown", label: "OFA"})
    with pytest.raises(LabError, match="mapping.npy"):
        read_mapping(tmp_path / "mapping.npy")
    files.save_mapping(tmp_path / "mapping.npy", {0: "Unknown", 1.0: "OFA"})
    assert read_mapping(tmp_path / "mapping.npy") == {0: "Unknown", 1: "OFA"}


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-1, 1, 0.5])
def test_indices_of_object2vec_that_do_not_count_from_1_are_refused(tmp_path, shift):
    root = files.write_tiny_object2vec(tmp_path / "o2v")
    path = root / "fmri/subj001/roistack.mat"
    stack = loadmat(path, squeeze_me=True, struct_as_record=False)["roistack"]
    assert len(Object2Vec(root).responses("subj001", ["FFA"]).vertex) == 4
    cell = lambda names: np.array([[name] for name in names], dtype=object)  # noqa: E731
    savemat(path, {"roistack": {"betas": stack.betas, "conds": cell(stack.conds),
                                "rois": cell(stack.rois), "indices": stack.indices + shift}})
    with pytest.raises(LabError, match="roistack.mat, indices: the value") as error:
        Object2Vec(root).responses("subj001", ["FFA"])
    assert error.value.expected == "whole numbers from 1 to 3"


@pytest.fixture(scope="module")
def nod(tmp_path_factory) -> Path:
    return files.write_tiny_nod(tmp_path_factory.mktemp("nod") / "nod", n_subjects=1, n_runs=1,
                                n_trials=4)


def run_of(root: Path) -> Path:
    return root / "derivatives/ciftify/sub-01/results/ses-imagenet01_task-imagenet_run-1"


def rewrite_atlas(root: Path, change) -> None:
    path = root / "supportfiles/MMP_mpmLR32k.mat"
    savemat(path, {"glasser_MMP": change(loadmat(path)["glasser_MMP"])})


def rewrite_labels(root: Path, line: str) -> None:
    path = run_of(root) / f"{run_of(root).name}_label.txt"
    path.write_text("\n".join([*path.read_text().split()[:2], line, ""]))


@pytest.mark.slow
@pytest.mark.parametrize("spoil, message", [
    (lambda r: rewrite_atlas(r, lambda v: v + 0.5), "MMP_mpmLR32k.mat: the value"),
    (lambda r: rewrite_atlas(r, lambda v: np.where(v == 1, np.nan, v)), "the value nan"),
    (lambda r: rewrite_atlas(r, lambda v: v + 1), "the value 361"),
    (lambda r: rewrite_atlas(r, lambda v: (v - 1) % 180 + 1), "labels up to 180"),
    (lambda r: (p := r / "supportfiles/roilbl_mmp.csv").write_text(
        p.read_text().replace("L_", "R_")), "area 1 is not V1 of the left"),
    (lambda r: rewrite_labels(r, "417"), "line 3: '417'"),
    (lambda r: rewrite_labels(r, "-1"), "line 3: '-1'"),
    (lambda r: rewrite_labels(r, "stimuli/../../x/y.JPEG"), "line 3"),
])
def test_atlas_and_labels_of_nod_with_other_values_are_refused(nod, tmp_path, spoil, message):
    root = Path(shutil.copytree(nod, tmp_path / "nod"))
    spoil(root)
    with pytest.raises(LabError, match=message):
        NOD(root)


@pytest.mark.slow
def test_a_vertex_without_values_costs_itself_and_not_the_whole_run(nod, tmp_path):
    root = Path(shutil.copytree(nod, tmp_path / "nod"))
    whole = NOD(root, per_run="scalar").responses("sub-01", ["V1", "V2"])
    path = run_of(root) / f"{run_of(root).name}_beta.dscalar.nii"
    image = nib.load(path)
    values = image.get_fdata(dtype=np.float32).copy()
    column = np.flatnonzero(NOD(root)._areas["V1"][0])[0]
    values[2, [column, 5]] = np.nan, np.inf
    nib.save(nib.Cifti2Image(values, header=image.header), path)
    found = NOD(root, per_run="scalar", n_best=0).responses("sub-01", ["V1", "V2"])
    assert found.excluded["constant or NaN"] == 1
    np.testing.assert_allclose(found.betas[..., :20].std(), whole.betas[..., :20].std(), rtol=0.3)


@pytest.mark.slow
def test_prf_parameters_without_a_row_of_r2_are_refused(nod, tmp_path):
    root = Path(shutil.copytree(nod, tmp_path / "nod"))
    path = root / ("derivatives/ciftify/sub-01/results/ses-prf_task-prf/"
                   "ses-prf_task-prf_params.dscalar.nii")
    files.save_dscalar(path, nib.load(path).get_fdata()[:3], files.brain_axis(full=False))
    with pytest.raises(LabError, match=r"params.dscalar.nii is \(3, 59412\)"):
        NOD(root).responses("sub-01", ["V1"])
