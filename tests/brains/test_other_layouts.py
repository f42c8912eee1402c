"""Algonauts 2023, NOD and object2vec in their layouts: against what was written, and SciPy."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.io import loadmat, savemat
from support import brain_files as files

from helpers.brains.algonauts import Algonauts, read_masks
from helpers.brains.files import read_mapping
from helpers.brains.layouts import read_cohort
from helpers.brains.nod import NOD
from helpers.brains.object2vec import Object2Vec
from helpers.brains.rois import TABLE
from helpers.brains.splits import split_fit_validation_test
from helpers.config.profile import load_profile
from helpers.core.errors import LabError

# ---- Algonauts 2023 -----------------------------------------------------------------------------

@pytest.fixture
def challenge(tmp_path) -> Path:
    return files.write_tiny_algonauts(tmp_path / "a", missing_rois={"subj02": ["PPA"]})


def count_vertices(masks):
    """Return region -> vertices in the left and in the right hemisphere."""
    return {name: (int(left.sum()), int(right.sum())) for name, (left, right) in masks.items()}


def fmri(root: Path, side: str, subject: str = "subj01") -> Path:
    return root / subject / f"training_split/training_fmri/{side}_training_fmri.npy"


def test_algonauts_responses_are_rows_of_the_files_by_nsd_number(challenge):
    cohort = read_cohort("algonauts", challenge)
    assert cohort.subjects == ("subj01", "subj02")
    found = cohort.responses("subj01", ["PPA", "FFA-1", "mTL-words"])
    assert found.rois == ("PPA", "FFA-1") and found.betas.shape == (40, 1, len(found.vertex))
    assert np.isnan(found.ncsnr).all() and found.excluded == {}
    images = sorted((challenge / "subj01/training_split/training_images").iterdir())
    numbers = [int(path.stem.split("-")[-1]) for path in images]
    for column in range(len(found.vertex)):
        side, vertex = found.hemisphere[column], found.vertex[column]
        values = np.load(fmri(challenge, side))[:, vertex]
        for condition, value in zip(found.conditions, found.betas[:, 0, column]):
            assert value == values[numbers.index(cohort.nsd_ids[condition])]
        for name in ("PPA", "FFA-1"):
            labels = np.load(challenge / "subj01/roi_masks"
                             / f"{side}.{TABLE[name].family}_challenge_space.npy")
            assert found.members[name][column] == (labels[vertex] == TABLE[name].label)


def test_algonauts_has_one_condition_an_image_whoever_saw_it(challenge):
    cohort = Algonauts(challenge)
    first, second = (cohort.responses(name, ["OFA"]).conditions for name in cohort.subjects)
    assert len(np.intersect1d(first, second)) == 6 and len(cohort.stimuli) == 74
    for condition in (0, 30, 73):
        pixels = np.random.default_rng(int(cohort.nsd_ids[condition])).integers(
            0, 255, (8, 8, 3), np.uint8)
        np.testing.assert_array_equal(np.asarray(cohort.stimuli.open(condition)), pixels)
    fold, = cohort.folds("subj02")
    (fit, choose), = fold.validation
    assert [len(part) for part in (fit, choose, fold.test)] == [30, 4, 6]
    assert sorted([*fit, *choose, *fold.test]) == second.tolist()
    images = sorted((challenge / "subj02/training_split/training_images").iterdir())
    numbers = np.array([int(path.stem.split("-")[-1]) for path in images])
    split = split_fit_validation_test(np.arange(40))
    assert set(cohort.nsd_ids[fold.test]) == set(numbers[split.test])
    assert set(cohort.nsd_ids[fit]) == set(numbers[split.fit])
    assert np.isfinite(cohort.responses("subj02", ["OFA"]).mean(fold.test)).all()


def test_algonauts_regions_are_counted_by_hemisphere(challenge):
    sizes = count_vertices(read_masks(challenge, "subj02"))
    assert sizes["PPA"] == (0, 0) and sizes["OFA"] == (5, 4) and list(sizes)[0] == "V1v"
    assert "PPA" not in Algonauts(challenge).rois("subj02")
    assert {name: tuple(int(side.sum()) for side in sides)
            for name, sides in read_masks(challenge, "subj02").items()} == sizes


class Trap:
    """Would make a folder if it were unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_dictionary_is_read_without_running_what_a_file_holds(tmp_path):
    path = tmp_path / "mapping.npy"
    for content in ({0: "Unknown", 1: "OFA"},
                    {np.int64(0): "Unknown", np.int32(1): np.str_("OFA")}):
        files.save_mapping(path, content)
        assert read_mapping(path) == {0: "Unknown", 1: "OFA"}
    for protocol in range(6):
        files.save_mapping(path, {0: "Unknown"})
        header = path.read_bytes()[:128]
        for content in ({0: Trap(tmp_path / "made")}, Trap(tmp_path / "made")):
            path.write_bytes(header + pickle.dumps(content, protocol=protocol))
            with pytest.raises(LabError, match="mapping.npy cannot be read: it would run"):
                read_mapping(path)
    files.save_mapping(path, {0: Trap(tmp_path / "made")})
    with pytest.raises(LabError, match="it would run"):
        read_mapping(path)
    assert not (tmp_path / "made").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "made").exists()  # the trap works
    for write in (lambda: np.save(path, np.arange(3)), lambda: path.write_bytes(b"rubbish" * 30),
                  lambda: files.save_mapping(path, ["OFA"]), path.unlink):
        write()
        with pytest.raises(LabError, match="mapping.npy"):
            read_mapping(path)


@pytest.mark.slow
@pytest.mark.parametrize("spoil, message", [
    (lambda r: np.save(fmri(r, "rh"), np.zeros((40, 39), np.float32)), r"rh.* is \(40, 39\)"),
    (lambda r: np.save(fmri(r, "lh"), np.zeros((39, 52), np.float32)), "there are 40 images"),
    (lambda r: os.truncate(fmri(r, "lh"), 900), "lh_training_fmri.npy cannot be read"),
    (lambda r: fmri(r, "lh").unlink(), "no file .*lh_training_fmri"),
    (lambda r: files.save_mapping(r / "subj01/roi_masks/mapping_floc-faces.npy",
                                  {1: "FFA-1", 2: "OFA"}), "label 1 is 'FFA-1'"),
    (lambda r: np.save(r / "subj01/roi_masks/lh.floc-faces_challenge_space.npy",
                       np.full(52, 7)), "the label 7"),
    (lambda r: shutil.rmtree(r / "subj01/roi_masks"), "no label files"),
    (lambda r: shutil.rmtree(r / "subj01/training_split/training_images"), "no images of subj01"),
    (lambda r: shutil.rmtree(r / "subj01"), "no participant .subj01. in"),
    (lambda r: (r / "subj01/training_split/training_images/x.png").touch(), "the image x.png"),
    (lambda r: (r / "subj01/training_split/training_images/train-0001_nsd-00001.png").touch() or (
        r / "subj01/training_split/training_images/train-0002_nsd-00001.png").touch(),
     "two training images of one NSD number"),
])
def test_algonauts_files_that_do_not_match_are_named(challenge, spoil, message):
    spoil(challenge)
    with pytest.raises(LabError, match=message):
        Algonauts(challenge, subjects=["subj01"]).responses("subj01", ["PPA", "OFA"])


def test_algonauts_vertices_with_nan_are_left_out_and_counted(challenge):
    cohort = Algonauts(challenge)
    vertex = cohort.responses("subj01", ["OFA"]).vertex[0]
    values = np.load(fmri(challenge, "lh"))
    values[3, vertex] = np.nan
    before = cohort.digest("subj01")
    np.save(fmri(challenge, "lh"), values)
    found = cohort.responses("subj01", ["OFA"])
    assert found.excluded == {"NaN": 1} and vertex not in found.vertex[found.hemisphere == "lh"]
    np.save(fmri(challenge, "lh"), values.astype(np.float64))
    assert cohort.digest("subj01") != before
    image = sorted((challenge / "subj01/training_split/training_images").iterdir())[0]
    image.write_bytes(b"x")
    with pytest.raises(LabError, match=f"{image.name} cannot be read"):
        cohort.stimuli.open(int(np.searchsorted(cohort.nsd_ids, int(image.stem.split("-")[-1]))))


# ---- NOD ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def nod(tmp_path_factory) -> Path:
    return files.write_tiny_nod(tmp_path_factory.mktemp("nod") / "nod", n_runs=2)


def results(root: Path, subject: str = "sub-01") -> Path:
    return root / "derivatives/ciftify" / subject / "results"


def run_values(root: Path, run: int, subject: str = "sub-01") -> np.ndarray:
    name = f"ses-imagenet01_task-imagenet_run-{run}"
    path = results(root, subject) / name / f"{name}_beta.dscalar.nii"
    return nib.load(path).get_fdata()


def shown_in(root: Path, run: int, subject: str = "sub-01") -> list[str]:
    name = f"ses-imagenet01_task-imagenet_run-{run}"
    return (results(root, subject) / name / f"{name}_label.txt").read_text().split()


def columns_by_hand(root: Path, label: int, n_best: int) -> list[int]:
    atlas = loadmat(root / "supportfiles/MMP_mpmLR32k.mat")["glasser_MMP"].ravel()
    r2 = nib.load(results(root) / "ses-prf_task-prf/ses-prf_task-prf_params.dscalar.nii"
                  ).get_fdata()[3]
    kept = []
    for side in (label, label + 180):
        inside = np.flatnonzero(atlas == side).tolist()
        kept += sorted(inside, key=lambda v: -r2[v])[:n_best]
    return sorted(kept)


@pytest.mark.slow
@pytest.mark.parametrize("per_run", ["vertex", "scalar"])
def test_nod_betas_are_zscored_within_each_run(nod, per_run):
    cohort = NOD(nod, per_run=per_run, n_best=7)
    found = cohort.responses("sub-01", ["V2", "V4"])
    columns = sorted(columns_by_hand(nod, 4, 7) + columns_by_hand(nod, 6, 7))
    assert found.betas.shape == (40, 1, 28)
    for run in (1, 2):
        raw = run_values(nod, run)
        z = stats.zscore(raw, axis=None if per_run == "scalar" else 0)[:, columns]
        for row, line in zip(z, shown_in(nod, run)):
            path = nod / "stimuli/imagenet" / line.split("_")[0] / line
            condition = [p == path for p in cohort.stimuli.paths].index(True)
            place = found.conditions.tolist().index(condition)
            np.testing.assert_allclose(found.betas[place, 0], row, atol=1e-4)
    with Image.open(cohort.stimuli.paths[3]) as image:
        np.testing.assert_array_equal(np.asarray(cohort.stimuli.open(3)), np.asarray(image))


@pytest.mark.slow
def test_a_profile_chooses_how_nod_is_zscored_and_other_layouts_refuse_it(nod, challenge):
    paper, default = (load_profile(name).transfer_cohort for name in ("paper", "demo"))
    assert (paper.per_run, default.per_run) == ("scalar", "")
    for per_run, expected in (("", "vertex"), ("vertex", "vertex"), ("scalar", "scalar")):
        assert read_cohort("nod", nod, per_run=per_run).per_run == expected
    with pytest.raises(LabError, match="per_run = 'scalar'(?s:.)*'algonauts'"):
        read_cohort("algonauts", challenge, per_run="scalar")


@pytest.mark.slow
def test_nod_keeps_the_vertices_that_the_prf_model_fits_best(nod):
    cohort = read_cohort("nod", nod)
    assert cohort.rois("sub-01") == ("V1", "V2", "V3", "V4")
    found = cohort.responses("sub-01", ["V1", "V4"])
    assert found.excluded == {"pRF R² not among the 50 best": 80}
    axis = files.brain_axis(full=False)
    for name, label in (("V1", 1), ("V4", 6)):
        columns = columns_by_hand(nod, label, 50)
        assert found.members[name].sum() == len(columns) == 100
        np.testing.assert_array_equal(found.vertex[found.members[name]], axis.vertex[columns])
        sides = ["lh" if column < 29_696 else "rh" for column in columns]
        assert found.hemisphere[found.members[name]].tolist() == sides
    everything = NOD(nod, n_best=0).responses("sub-01", ["V1", "V4"])
    assert len(everything.vertex) == 280 and everything.excluded == {}


@pytest.mark.slow
def test_nod_reads_full_grayordinates_as_it_reads_the_cortex(nod, tmp_path):
    full = files.write_tiny_nod(tmp_path / "full", n_subjects=1, n_runs=1, full=True)
    values = run_values(full, 1)
    assert values.shape == (20, 91_282)
    found = NOD(full, per_run="scalar", n_best=5).responses("sub-01", ["V3"])
    cortex = values[:, :59_412]  # what lies below takes no part in the scalar
    z = (cortex - cortex.mean()) / cortex.std()
    shown = np.argsort([f"imagenet/{line.split('_')[0]}/{line}" for line in shown_in(full, 1)])
    np.testing.assert_allclose(found.betas[:, 0], z[shown][:, columns_by_hand(full, 5, 5)],
                               atol=1e-4)


@pytest.mark.slow
def test_nod_folds_hold_every_trial_once(nod):
    cohort = NOD(nod)
    assert len(cohort.stimuli) == 80
    fold, = cohort.folds("sub-02")
    (fit, choose), = fold.validation
    assert [len(part) for part in (fit, choose, fold.test)] == [30, 4, 6]
    found = cohort.responses("sub-02", ["V1"])
    assert sorted([*fit, *choose, *fold.test]) == found.conditions.tolist()
    assert np.isfinite(found.mean(fold.test)).all()
    assert cohort.digest("sub-01") != cohort.digest("sub-02") != NOD(nod, n_best=7).digest("sub-02")


@pytest.mark.slow
@pytest.mark.parametrize("spoil, message", [
    (lambda r: shutil.rmtree(results(r) / "ses-imagenet01_task-imagenet_run-1"),
     "sub-01 lacks run 1 of session 1"),
    (lambda r: (results(r) / "ses-imagenet01_task-imagenet_run-2").rename(
        results(r) / "ses-imagenet03_task-imagenet_run-1"), "sub-01 lacks run 1 of session 2"),
    (lambda r: [shutil.rmtree(p) for p in results(r).glob("ses-imagenet*")],
     "sub-01 lacks run 1 of session 1"),
    (lambda r: shutil.rmtree(r / "derivatives"),
     "no participant in(?s:.)*derivatives/ciftify/sub-01"),
    (lambda r: shutil.rmtree(results(r) / "ses-prf_task-prf"), "no ses-prf_task-prf_params"),
    (lambda r: [p.unlink() for p in results(r).rglob("*run-2_label.txt")], "no file .*label.txt"),
    (lambda r: [p.write_text("n1_1.JPEG\n") for p in results(r).rglob("*run-2_label.txt")],
     "betas \\(20, 59412\\), 1 labels"),
    (lambda r: [shutil.copy(p, str(p).replace("run-1", "run-2"))
                for p in results(r).rglob("*run-1_label.txt")], "sub-01 saw an image twice"),
    (lambda r: [os.truncate(p, 100_000) for p in results(r).rglob("*run-2_beta*")],
     "run-2_beta.dscalar.nii cannot be read"),
    (lambda r: savemat(r / "supportfiles/MMP_mpmLR32k.mat", {"other": 1}),
     "MMP_mpmLR32k.mat has no variable 'glasser_MMP'"),
    (lambda r: (r / "supportfiles/roilbl_mmp.csv").write_text("L_V1_ROI,R_V1_ROI\nL_V2_ROI\n"),
     "area 4 is not V2"),
])
def test_nod_files_that_are_missing_or_do_not_match_are_named(nod, tmp_path, spoil, message):
    root = Path(shutil.copytree(nod, tmp_path / "nod", symlinks=True,
                                ignore=lambda folder, names: [n for n in names if n == "sub-02"]))
    spoil(root)
    with pytest.raises(LabError, match=message):
        NOD(root).responses("sub-01", ["V1", "V2"])


@pytest.mark.slow
def test_a_constant_vertex_of_a_run_is_left_out_of_nod_and_counted(nod, tmp_path):
    root = Path(shutil.copytree(nod, tmp_path / "nod"))
    column = columns_by_hand(root, 1, 50)[3]
    values = run_values(root, 2)
    values[:, column] = 4
    name = "ses-imagenet01_task-imagenet_run-2"
    files.save_dscalar(results(root) / name / f"{name}_beta.dscalar.nii", values,
                       files.brain_axis(full=False))
    for per_run in ("vertex", "scalar"):
        found = NOD(root, per_run=per_run).responses("sub-01", ["V1"])
        assert found.excluded == {"pRF R² not among the 50 best": 40, "constant or NaN": 1}
    with pytest.raises(LabError, match="'vertex' or 'scalar'"):
        NOD(root, per_run="voxel")
    with pytest.raises(LabError, match="sub-01 has no PPA"):
        NOD(root).responses("sub-01", ["PPA"]).of("PPA")


@pytest.mark.slow
def test_nod_takes_the_first_four_sessions_as_published(tmp_path):
    root = files.write_tiny_nod(tmp_path / "nod", n_subjects=1, n_sessions=5, n_runs=1, n_trials=4)
    assert len(NOD(root).responses("sub-01", ["V1"]).conditions) == 16
    assert len(NOD(root, n_sessions=5).stimuli) == 20


# ---- object2vec ---------------------------------------------------------------------------------

@pytest.fixture
def objects(tmp_path) -> Path:
    return files.write_tiny_object2vec(tmp_path / "o")


@pytest.mark.slow
def test_object2vec_conditions_are_matched_by_name(objects):
    cohort = read_cohort("object2vec", objects)
    assert cohort.subjects == ("subj001", "subj002")
    assert cohort.rois("subj001") == ("PPA", "LOC", "FFA")
    assert cohort.rois("subj002") == ("PPA", "LOC")
    found = cohort.responses("subj001", ["LOC", "FFA"])
    stored = loadmat(objects / "fmri/subj001/roistack.mat", squeeze_me=True)["roistack"]
    betas, names = stored["betas"].item(), list(stored["conds"].item())
    indices = stored["indices"].item()
    np.testing.assert_array_equal(np.flatnonzero(indices != 2), found.vertex)
    for condition, category in enumerate("abcdef"):
        assert cohort.stimuli.categories[cohort.condition_of.tolist().index(condition)] == category
        np.testing.assert_allclose(found.betas[condition, 0],
                                   betas[names.index(category)][indices != 2], rtol=1e-6)
    np.testing.assert_array_equal(found.members["LOC"], indices[indices != 2] == 3)
    assert np.isnan(found.ncsnr).all()


def test_object2vec_folds_are_the_published_sets_nested(objects):
    cohort = Object2Vec(objects)
    stored = loadmat(objects / "fmri_ppa_loc/subj002_old/sets.mat", squeeze_me=True)["sets"]
    folds = cohort.folds("subj002")
    assert len(folds) == 3
    for fold, names in zip(folds, stored):
        assert [cohort.categories[i] for i in fold.test] == sorted(names)
        assert sorted([*fold.fit, *fold.test]) == list(range(6))
        predicted = [condition for _, part in fold.validation for condition in part]
        assert sorted(predicted) == sorted(fold.fit) and len(fold.validation) == 2
        for fit, predict in fold.validation:
            assert sorted([*fit, *predict]) == sorted(fold.fit)


def test_nobody_counts_twice_in_object2vec(objects):
    assert Object2Vec(objects).rois("subj001") == ("PPA", "LOC", "FFA")
    full = Object2Vec(objects).digest("subj001")
    shutil.rmtree(objects / "fmri")
    alone = Object2Vec(objects)
    assert alone.subjects == ("subj001", "subj002") and alone.rois("subj001") == ("PPA", "LOC")
    assert alone.digest("subj001") != full


def rewrite(root: Path, **changes) -> None:
    path = root / "fmri/subj001/roistack.mat"
    stored = loadmat(path)["roistack"][0, 0]
    savemat(path, {"roistack": {name: stored[name] for name in stored.dtype.names} | changes})


@pytest.mark.slow
@pytest.mark.parametrize("spoil, message", [
    (lambda r: (r / "stimuli/a").rename(r / "stimuli/z"), "differ in categories"),
    (lambda r: os.truncate(r / "fmri/subj001/roistack.mat", 400), "cannot be read"),
    (lambda r: savemat(r / "fmri/subj001/roistack.mat", {"other": 1}), "roistack"),
    (lambda r: rewrite(r, betas=np.ones((6, 11))), r"betas of shape \(6, 11\), 12 labels"),
    (lambda r: savemat(r / "fmri/subj001/sets.mat", {"sets": np.array([["a", "b"], ["a", "c"]],
                                                                      dtype=object)}), "sets"),
    (lambda r: [shutil.rmtree(r / name) for name in ("fmri", "fmri_ppa_loc")], "no participant"),
])
def test_object2vec_files_that_do_not_match_are_named(objects, spoil, message):
    spoil(objects)
    with pytest.raises(LabError, match=message):
        cohort = Object2Vec(objects)
        cohort.responses("subj001", ["PPA"])
        cohort.folds("subj001")


def test_object2vec_voxels_with_nan_are_left_out_and_counted(objects):
    betas = loadmat(objects / "fmri/subj001/roistack.mat")["roistack"]["betas"][0, 0].copy()
    betas[2, 4] = np.nan
    rewrite(objects, betas=betas)
    found = Object2Vec(objects).responses("subj001", ["PPA"])
    assert found.excluded == {"NaN": 1} and found.vertex.tolist() == [1, 7, 10]
    with pytest.raises(LabError, match="no participant 'subj009'"):
        Object2Vec(objects, subjects=["subj009"])
