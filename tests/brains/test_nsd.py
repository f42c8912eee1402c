"""NSD's files, sessions, splits and regions: against SciPy, loops over trials, brute force."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from support import brain_files as files
from torch.utils.data import random_split

from helpers.brains import rois
from helpers.brains.hdf5_images import HDF5Images
from helpers.brains.layouts import read_cohort
from helpers.brains.nsd import NSD
from helpers.brains.sessions import read_session
from helpers.brains.splits import (
    SHARED413,
    SPECIAL515,
    batches,
    presentations,
    read_presentations,
    shared_images,
    split_fit_validation_test,
)
from helpers.core.errors import LabError
from helpers.core.paths import ROOT

WANTED = ("FFA-1", "PPA", "OFA", "V1v", "nsdgeneral")
SPLIT = {"n_pool": 400, "n_batches": 4, "n_shared": 20}
TABLE = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"


@pytest.fixture(scope="module")
def surface(tmp_path_factory) -> Path:
    return files.write_tiny_nsd(tmp_path_factory.mktemp("nsd") / "nsd", n_subjects=3,
                                missing_rois={"subj02": ["PPA", "EBA"]})


@pytest.fixture
def copied(surface, tmp_path) -> Path:
    """The same files, to be spoilt."""
    return Path(shutil.copytree(surface, tmp_path / "nsd"))


def betas_of(root: Path, subject: str = "subj01", space: str = "nativesurface") -> Path:
    return root / "nsddata_betas/ppdata" / subject / space / files.BETAS


def labels_in(root: Path, subject: str = "subj01") -> Path:
    return root / "nsddata/freesurfer" / subject / "label"


# ---- regions ------------------------------------------------------------------------------------

def test_the_table_of_regions_is_the_published_one():
    """Integers as in the mask files of Algonauts 2023 (authors' ROI masks); Glasser's own numbers.
    """
    for family, names in {
            "prf-visualrois": "V1v V1d V2v V2d V3v V3d hV4", "floc-bodies": "EBA FBA-1 FBA-2 "
            "mTL-bodies", "floc-faces": "OFA FFA-1 FFA-2 mTL-faces aTL-faces",
            "floc-places": "OPA PPA RSC", "floc-words": "OWFA VWFA-1 VWFA-2 mfs-words mTL-words",
            "streams": "early midventral midlateral midparietal ventral lateral parietal"}.items():
        for label, name in enumerate(names.split(), 1):
            assert (rois.roi(name).family, rois.roi(name).label) == (family, label)
    assert [rois.roi(f"V{i}").label for i in (1, 2, 3, 4)] == [1, 4, 5, 6]
    shown = list(rois.TABLE)
    assert shown[:7] == "V1v V1d V2v V2d V3v V3d hV4".split() and len(set(shown)) == len(shown)
    assert shown.index("OFA") < shown.index("EBA") < shown.index("OPA") < shown.index("OWFA")


def test_a_region_prefers_the_domain_whose_contrast_defined_it():
    known = {"FFA-1": "faces", "EBA": "bodies", "PPA": "scenes", "VWFA-1": "characters",
             "LOC": "objects", "FFA": "faces", "V1v": "", "ventral": "", "nsdgeneral": ""}
    assert {name: rois.domain_of(name) for name in known} == known


def test_an_unknown_or_repeated_region_is_refused():
    assert rois.checked(["PPA", "OFA"]) == ("PPA", "OFA")
    assert rois.sort_rois(["PPA", "V1v", "OFA"]) == ("V1v", "OFA", "PPA")
    with pytest.raises(LabError, match=r"did you mean 'FFA-1'\?") as found:
        rois.checked(["FFA1"])
    assert "VWFA-2" in found.value.expected
    with pytest.raises(LabError, match="VWFA-1 is named twice"):
        rois.checked(["VWFA-1", "OFA", "VWFA-1"])


def test_label_names_that_contradict_the_table_are_refused():
    rois.check_labels("floc-places", {-1: "x", 0: "Unknown", 1: "OPA", 3: "RSC"}, "here")
    for wrong in ({1: "PPA"}, {4: "PPA"}, {1: "OPA", 2: "EBA"}, {2: "ppa"}):
        with pytest.raises(LabError, match="here: label"):
            rois.check_labels("floc-places", wrong, "here")
    rois.check_values("floc-places", np.array([-1, 0, 3]), "here")
    with pytest.raises(LabError, match="the label 4, which no region has"):
        rois.check_values("floc-places", np.array([-1, 4, 3]), "here")


# ---- one session --------------------------------------------------------------------------------

@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_session_is_zscored_vertex_by_vertex_however_it_is_stored(tmp_path_factory, data):
    n_trials, width = data.draw(st.integers(3, 30)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    betas = rng.integers(-32768, 32767, (n_trials, width)).astype(np.int16)
    rows, columns = data.draw(st.integers(1, n_trials)), data.draw(st.integers(1, width))
    chunks = data.draw(st.sampled_from([None, (n_trials, columns), (rows, columns), (rows, width)]))
    wanted = data.draw(st.one_of(st.none(), st.lists(st.integers(0, width - 1))))
    path = tmp_path_factory.mktemp("s") / "betas.hdf5"
    files.write_session(path, betas, chunks=chunks)
    found = read_session(path, wanted if wanted is None else np.array(wanted, int),
                         n_trials=n_trials, max_bytes=data.draw(st.sampled_from([1, 200, 10**6])))
    chosen = range(width) if wanted is None else wanted
    assert found.shape == (n_trials, len(chosen)) and found.dtype == np.float32
    for column, vertex in enumerate(chosen):
        reference = stats.zscore(betas[:, vertex].astype(float) / 300)  # the scale cancels
        np.testing.assert_allclose(found[:, column], reference, atol=2e-5, equal_nan=True)


@pytest.mark.parametrize("chunks", [None, (30, 1, 1, 1), (30, 2, 3, 2), (7, 3, 2, 5)])
@pytest.mark.parametrize("max_bytes", [1, 2_000, 10**7])
def test_a_volume_is_turned_from_z_y_x_to_x_y_z(tmp_path, chunks, max_bytes):
    rng = np.random.default_rng(0)
    volume = rng.normal(0, 300, (30, 5, 3, 4)).astype(np.int16)  # trials, x, y, z
    files.write_session(tmp_path / "b.hdf5", volume.transpose(0, 3, 2, 1), chunks=chunks)
    voxels = [(0, 0, 0), (4, 2, 3), (1, 2, 0), (3, 0, 2), (1, 0, 3)]
    flat = np.array([np.arange(60).reshape(5, 3, 4)[v] for v in voxels])
    found = read_session(tmp_path / "b.hdf5", flat, n_trials=30, max_bytes=max_bytes)
    for column, (x, y, z) in enumerate(voxels):
        reference = stats.zscore(volume[:, x, y, z].astype(float))
        np.testing.assert_allclose(found[:, column], reference, atol=1e-5)


def test_a_constant_vertex_and_one_with_nan_are_nan_and_spoil_no_other(tmp_path):
    betas = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    betas[:, 1], betas[3, 2] = 0.1, np.nan
    files.write_session(tmp_path / "b.hdf5", betas)
    found = read_session(tmp_path / "b.hdf5", n_trials=20)
    assert np.isnan(found).all(0).tolist() == [False, True, True, False]
    np.testing.assert_allclose(found[:, 3], stats.zscore(betas[:, 3]), atol=1e-5)


def test_a_damaged_session_is_named(tmp_path):
    path = tmp_path / "lh.betas_session07.hdf5"
    with pytest.raises(LabError, match="no file .*session07"):
        read_session(path)
    files.write_session(path, np.zeros((749, 3), np.int16))
    with pytest.raises(LabError, match="session07.hdf5 holds 749 trials") as found:
        read_session(path)
    assert "750" in found.value.expected and "fetch" in found.value.remedy
    files.write_session(path, np.arange(750 * 64, dtype=np.int16).reshape(750, 64))
    with pytest.raises(LabError, match="64 vertices"):
        read_session(path, n_vertices=65)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(LabError, match="session07.hdf5 cannot be read.*truncated"):
        read_session(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(LabError, match="cannot be read"):
        read_session(path)
    with h5py.File(path, "w") as file:
        file["other"] = np.zeros((750, 3))
    with pytest.raises(LabError, match="no dataset 'betas'"):
        read_session(path)


MEASURED = """
import sys
from pathlib import Path
import numpy as np
from helpers.brains.sessions import read_session
from helpers.core.machine import peak_memory

path, chosen, out, every = sys.argv[1:]
chosen = np.load(chosen)
before = peak_memory()
found = read_session(Path(path), None if every == "all" else chosen)
print(peak_memory() - before - found.nbytes)
np.save(out, found[:, chosen] if every == "all" else found)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("chunks", [
    pytest.param(None, marks=pytest.mark.exhaustive), (750, 512)])
def test_a_session_of_the_real_size_is_read_in_bounded_memory(tmp_path, chunks):
    """750 x 227,021 betas (340 MB): besides the result, at most 180 MB are held."""
    rng, path = np.random.default_rng(0), tmp_path / "lh.betas_session01.hdf5"
    width = 227_021
    with h5py.File(path, "w") as file:
        betas = file.create_dataset("betas", (750, width), np.int16, chunks=chunks)
        step = 250
        for start in range(0, 750, step):
            betas[start:start + step] = rng.integers(-9000, 9000, (step, width), dtype=np.int16)
        chosen = np.sort(rng.choice(width, 50, replace=False))
        raw = np.concatenate([betas[start:start + 50][:, chosen] for start in range(0, 750, 50)])
    np.save(tmp_path / "chosen.npy", chosen)
    reference = np.stack([stats.zscore(column.astype(float)) for column in raw.T], axis=1)
    for every in ("all", "fifty"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, path, tmp_path / "chosen.npy", tmp_path / "found.npy",
             every], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
        assert int(done.stdout) < 180 * 2**20, f"{every}: {int(done.stdout) / 2**20:.0f} MB"
        np.testing.assert_allclose(np.load(tmp_path / "found.npy"), reference, atol=2e-5)
    path.unlink()


# ---- splits -------------------------------------------------------------------------------------

@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_splits_are_those_of_a_plain_loop(seed, n_sessions):
    rng, n = np.random.default_rng(seed), 120
    info = pd.DataFrame({"cocoId": rng.permutation(n) * 3, "nsdId": np.arange(n),
                         "shared1000": rng.random(n) < 0.5})
    for subject in (1, 2, 3):
        for k in range(3):
            info[f"subject{subject}_rep{k}"] = np.where(
                rng.random(n) < 0.95, rng.integers(1, 2_500, n), 0)
    sessions = {"subj01": n_sessions, "subj03": 3}
    everyone, own = [], []
    for row in info.itertuples():
        done = {subject: all(0 < getattr(row, f"subject{int(subject[-2:])}_rep{k}")
                             <= 750 * sessions[subject] for k in range(3)) for subject in sessions}
        if row.shared1000 and all(done.values()):
            everyone.append(row.nsdId)
        if not row.shared1000 and done["subj01"]:
            own.append((row.cocoId, row.nsdId))
    assert shared_images(info, sessions).tolist() == everyone
    pool = [number for _, number in sorted(own)]
    if len(pool) >= 4:
        found = batches(info, "subj01", n_sessions, n_pool=len(pool) - 1, n_batches=3)
        for b, part in enumerate(found):
            assert part.tolist() == sorted(pool[:len(pool) - 1][b::3])
    with pytest.raises(LabError, match=f"subj01 saw {len(pool)} images"):
        batches(info, "subj01", n_sessions, n_pool=len(pool) + 2, n_batches=2)


def test_the_named_session_counts_are_the_published_ones():
    assert list(SPECIAL515.values()) == [40, 40, 32, 30, 40, 32, 40, 30]
    assert {name: n - 3 for name, n in SPECIAL515.items()} == SHARED413


@pytest.mark.parametrize("n, n_train, n_test", [(9841, 8364, 1477), (9082, 7719, 1363),
                                                (8779, 7462, 1317)])
def test_the_split_of_algonauts_is_torchs(n, n_train, n_test):
    """Published sizes; random_split takes its permutation from the global state."""
    fold = split_fit_validation_test(np.arange(n))
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    train, test = random_split(range(n), [int(0.85 * n), n - int(0.85 * n)])
    torch.manual_seed(0)
    sizes = [int(0.75 * n), int(0.1 * n)]
    fit, choose, _ = random_split(range(n), [*sizes, n - sum(sizes)])
    torch.random.set_rng_state(state)
    (first, second), = fold.validation
    assert (len(train), len(test)) == (n_train, n_test)
    assert fold.test.tolist() == sorted(test.indices)
    assert fold.fit.tolist() == first.tolist() == sorted(fit.indices)
    assert set(choose.indices) <= set(second.tolist())  # published: up to one image
    assert len(second) - len(choose.indices) in (0, 1)
    assert sorted([*fold.fit, *second, *fold.test]) == list(range(n))


# ---- NSD on the surface -------------------------------------------------------------------------

def by_hand(root: Path, subject: str, side: str, vertex: int) -> dict[tuple[int, int], float]:
    """Return (image, repeat) -> z, trial by trial from the table, SciPy's z per session."""
    table = pd.read_csv(root / TABLE)
    z = []
    for path in sorted(betas_of(root, subject).glob(f"{side}.betas_session*.hdf5")):
        with h5py.File(path) as file:
            z.append(stats.zscore(file["betas"][:, vertex].astype(float)))
    z, found = np.concatenate(z), {}
    for row in table.to_dict("records"):
        for repeat in range(3):
            trial = row[f"subject{int(subject[-2:])}_rep{repeat}"]
            if 0 < trial <= len(z):
                found[row["nsdId"], repeat] = z[trial - 1]
    return found


@pytest.mark.parametrize("subject", ["subj01", "subj02"])
def test_responses_are_those_of_a_loop_over_trials(surface, subject):
    found = NSD(surface, **SPLIT).responses(subject, WANTED)
    assert found.betas.shape[1:] == (3, len(found.vertex)) and found.betas.dtype == np.float32
    rng = np.random.default_rng(0)
    for column in rng.choice(len(found.vertex), 12, replace=False):
        hand = by_hand(surface, subject, found.hemisphere[column], found.vertex[column])
        assert sorted({image for image, _ in hand}) == found.conditions.tolist()
        expected = np.full((len(found.conditions), 3), np.nan)
        for (image, repeat), value in hand.items():
            expected[np.searchsorted(found.conditions, image), repeat] = value
        np.testing.assert_allclose(found.betas[..., column], expected, atol=1e-5)
    assert np.isnan(found.betas).any()  # repeats in sessions that were never completed
    assert (found.hemisphere == "lh").sum() and found.hemisphere.tolist() == sorted(
        found.hemisphere.tolist())


def test_regions_and_ncsnr_are_those_of_the_files(surface):
    cohort = NSD(surface, **SPLIT)
    found = cohort.responses("subj01", ["FFA-1", "PPA", "ventral"])
    assert set(found.members) == {"FFA-1", "PPA"}  # nobody has the stream in these files
    for name, family, label in (("FFA-1", "floc-faces", 2), ("PPA", "floc-places", 2)):
        for side in ("lh", "rh"):
            stored = np.ravel(nib.load(labels_in(surface) / f"{side}.{family}.mgz").get_fdata())
            here = found.members[name] & (found.hemisphere == side)
            lost = {5} if (side, name) == ("lh", files.REGIONS[5]) else set()
            assert set(found.vertex[here]) == set(np.flatnonzero(stored == label)) - lost
    for side in ("lh", "rh"):
        stored = np.ravel(nib.load(betas_of(surface) / f"{side}.ncsnr.mgh").get_fdata())
        here = found.hemisphere == side
        np.testing.assert_array_equal(found.ncsnr[here], stored[found.vertex[here]].astype("f4"))


def test_a_constant_vertex_is_left_out_and_counted(surface):
    cohort = NSD(surface, **SPLIT)
    everything = cohort.responses("subj01", ["nsdgeneral"])
    assert everything.excluded == {"constant or NaN": 1} and len(everything.vertex) == 91
    assert 5 not in everything.vertex[everything.hemisphere == "lh"]
    assert cohort.responses("subj02", ["nsdgeneral"]).excluded == {}
    region = cohort.responses("subj01", [files.REGIONS[5]])
    assert region.excluded == {"constant or NaN": 1}
    assert cohort.responses("subj01", ["V1v"]).excluded == {}


def test_a_region_that_a_participant_lacks_is_not_among_its_regions(surface):
    cohort = NSD(surface, **SPLIT)
    assert "PPA" in cohort.rois("subj01") and "PPA" not in cohort.rois("subj02")
    assert cohort.rois("subj01") == rois.sort_rois([*files.REGIONS, "nsdgeneral"])
    found = cohort.responses("subj02", ["OPA", "PPA"])
    assert found.rois == ("OPA",)
    with pytest.raises(LabError, match="subj02 has no PPA"):
        found.of("PPA")
    assert cohort.responses("subj02", ["PPA"]).betas.shape[2] == 0
    with pytest.raises(LabError, match="PPA is named twice"):
        cohort.responses("subj01", ["PPA", "PPA"])
    with pytest.raises(LabError, match="did you mean"):
        cohort.responses("subj01", ["PPa"])


def test_the_fold_tests_what_everyone_saw_and_never_what_it_fits(surface):
    cohort = NSD(surface, **SPLIT)
    everyone = shared_images(cohort.info, cohort.n_sessions)
    assert len(everyone) == 20
    for subject in cohort.subjects:
        fold, = cohort.folds(subject)
        (first, second), = fold.validation
        np.testing.assert_array_equal(fold.test, everyone)
        np.testing.assert_array_equal(fold.fit, first)
        assert len(fold.fit) == len(second) == 100 and not np.isin(first, second).any()
        responses = cohort.responses(subject, ["OFA"])
        for part in (fold.fit, second, fold.test):
            assert np.isfinite(responses.repeated(part, 3)).all()
    seldom = responses.conditions[np.isnan(responses.betas[:, 2, 0])]
    assert len(seldom) > 300 and np.isfinite(responses.mean(seldom)).all()  # of what there is
    with pytest.raises(LabError, match="fewer than 3 repeats"):
        responses.repeated(seldom, 3)


def test_a_split_that_the_data_do_not_allow_is_refused(surface):
    with pytest.raises(LabError, match="20 images were seen 3 times") as found:
        NSD(surface, **SPLIT | {"n_shared": 515}).folds("subj01")
    assert "n_shared" in found.value.remedy
    assert len(NSD(surface, **SPLIT | {"n_shared": 0}).folds("subj01")[0].test) == 20
    with pytest.raises(LabError, match="subj01 saw 480 images of its own"):
        NSD(surface, **SPLIT | {"n_pool": 481}).folds("subj01")
    with pytest.raises(LabError, match="at least two batches"):
        NSD(surface, **SPLIT | {"n_batches": 1}).folds("subj01")


def test_one_participant_can_be_opened_though_anothers_files_are_incomplete(surface, copied):
    (betas_of(copied, "subj03") / "rh.betas_session02.hdf5").unlink()
    alone, all_of_them = NSD(copied, subjects=["subj01"], **SPLIT), NSD(surface, **SPLIT)
    assert alone.subjects == ("subj01",)
    for a, b in zip(alone.folds("subj01"), all_of_them.folds("subj01")):
        np.testing.assert_array_equal(a.fit, b.fit)
        np.testing.assert_array_equal(a.test, b.test)
    with pytest.raises(LabError, match="no file .*subj03.*rh.betas_session02") as found:
        NSD(copied, **SPLIT)
    assert "1 to 3" in found.value.expected


@pytest.mark.slow
@pytest.mark.parametrize("spoil, message", [
    (lambda r: shutil.rmtree(r / "nsddata_betas"), "no participant in .*ppdata"),
    (lambda r: [p.unlink() for p in betas_of(r).glob("*01.hdf5")], "no file .*session01"),
    (lambda r: [p.unlink() for p in betas_of(r).glob("*.hdf5")], "no file .*session01"),
    (lambda r: (r / TABLE).unlink(), "no file .*merged.csv"),
    (lambda r: pd.read_csv(r / TABLE).drop(columns="subject2_rep1").to_csv(r / TABLE),
     "no column 'subject2_rep1'"),
    (lambda r: pd.read_csv(r / TABLE).iloc[::-1].to_csv(r / TABLE), "not in the order of nsdId"),
    (lambda r: pd.read_csv(r / TABLE).iloc[:-1].to_csv(r / TABLE), "images in .*rows in"),
    (lambda r: (labels_in(r) / "floc-faces.mgz.ctab").write_text("0 Unknown\n1 OFA\n3 FFA-1\n"),
     "floc-faces.mgz.ctab: label 3 is 'FFA-1'"),
    (lambda r: (labels_in(r) / "floc-faces.mgz.ctab").write_text("1 FFA-pole\n"), "'FFA-pole'"),
    (lambda r: (labels_in(r) / "floc-faces.mgz.ctab").unlink(), "no file .*floc-faces.mgz.ctab"),
    (lambda r: (labels_in(r) / "rh.floc-faces.mgz").unlink(), "no file .*rh.floc-faces.mgz"),
    (lambda r: (labels_in(r) / "rh.floc-faces.mgz").write_bytes(b"x" * 500), "cannot be read"),
    (lambda r: files.save_mgh(labels_in(r) / "rh.floc-faces.mgz", np.full(40, 6, np.int32)),
     "the label 6, which no region has"),
    (lambda r: files.save_mgh(labels_in(r) / "rh.floc-faces.mgz", np.full(41, 2, np.int32)),
     "subj01 rh: labels of FFA-1 for 41 vertices, betas of 40"),
    (lambda r: files.save_mgh(betas_of(r) / "lh.ncsnr.mgh", np.ones(51, np.float32)),
     "subj01 lh: ncsnr .* for 51 vertices, betas of 52"),
    (lambda r: os.truncate(betas_of(r) / "rh.betas_session02.hdf5", 9_000),
     "rh.betas_session02.hdf5 cannot be read"),
    (lambda r: files.write_session(betas_of(r) / "lh.betas_session03.hdf5",
                                   np.zeros((700, 52), np.int16)), "holds 700 trials"),
    (lambda r: files.write_session(betas_of(r) / "lh.betas_session03.hdf5",
                                   np.zeros((750, 60), np.int16)), "of 60 vertices"),
])
def test_files_that_are_missing_damaged_or_do_not_match_are_named(copied, spoil, message):
    spoil(copied)
    with pytest.raises(LabError, match=message) as found:
        NSD(copied, **SPLIT).responses("subj01", ["FFA-1", "OFA"])
    assert found.value.expected and found.value.remedy


def test_the_digest_follows_what_the_files_hold_not_when_they_were_copied(copied):
    digests = [NSD(copied, **SPLIT).digest("subj01")]
    for path in copied.rglob("*"):
        os.utime(path, (1, 1))
    assert NSD(copied, **SPLIT).digest("subj01") == digests[0]
    label = labels_in(copied) / "lh.floc-faces.mgz"
    files.save_mgh(label, np.ravel(nib.load(label).get_fdata()).clip(0, 1).astype(np.int32))
    digests.append(NSD(copied, **SPLIT).digest("subj01"))
    files.save_mgh(betas_of(copied) / "lh.ncsnr.mgh", np.ones(52, np.float32))
    digests.append(NSD(copied, **SPLIT).digest("subj01"))
    table = pd.read_csv(copied / TABLE, index_col=0)
    table.iloc[::-1].reset_index(drop=True).assign(nsdId=table["nsdId"]).to_csv(copied / TABLE)
    digests.append(NSD(copied, **SPLIT).digest("subj01"))
    for side in ("lh", "rh"):
        (betas_of(copied) / f"{side}.betas_session03.hdf5").unlink()
    digests.append(NSD(copied, **SPLIT).digest("subj01"))
    assert len(set(digests)) == 5
    assert NSD(copied, **SPLIT).digest("subj02") not in digests


def test_fewer_sessions_mean_fewer_repeats(copied):
    before = NSD(copied, **SPLIT).responses("subj01", ["OFA"])
    for side in ("lh", "rh"):
        (betas_of(copied) / f"{side}.betas_session03.hdf5").unlink()
    cohort = NSD(copied, **SPLIT)
    after = cohort.responses("subj01", ["OFA"])
    assert np.isfinite(before.betas).sum() * 2 == np.isfinite(after.betas).sum() * 3
    with pytest.raises(LabError, match="images were seen 3 times"):
        cohort.folds("subj01")
    info = read_presentations(copied / TABLE)
    assert presentations(info, "subj01", 2).max() == 1499


def test_names_of_nsdgeneral_need_no_file_but_are_read_where_there_is_one(copied):
    names = labels_in(copied) / "nsdgeneral.mgz.ctab"
    names.unlink()
    assert "nsdgeneral" in NSD(copied, **SPLIT).rois("subj01")
    names.write_text("1 other\n")
    with pytest.raises(LabError, match="label 1 is 'other'"):
        NSD(copied, **SPLIT).rois("subj01")


# ---- NSD in the volume --------------------------------------------------------------------------

def test_the_volume_is_read_voxel_by_voxel_in_x_y_z(tmp_path):
    shape = (7, 4, 5)
    root = files.write_tiny_nsd(tmp_path / "nsd", n_subjects=1, shape=shape, constant=20)
    cohort = NSD(root, n_pool=400, n_shared=0, space="func1pt8mm")
    found = cohort.responses("subj01", ["FFA-1", "PPA", "V1v"])
    roi = root / "nsddata/ppdata/subj01/func1pt8mm/roi"
    table = pd.read_csv(root / TABLE)
    z = []
    for path in sorted(betas_of(root, space="func1pt8mm").glob("*.hdf5")):
        with h5py.File(path) as file:
            assert file["betas"].shape == (750, 5, 4, 7)
            betas = file["betas"][()].astype(float)
            with np.errstate(invalid="ignore"):
                z.append((betas - betas.mean(0)) / betas.std(0))
    z = np.concatenate(z)
    ncsnr = nib.load(betas_of(root, space="func1pt8mm") / "ncsnr.nii.gz").get_fdata()
    for column in range(0, len(found.vertex), 3):
        x, y, zed = np.unravel_index(found.vertex[column], shape)
        assert found.ncsnr[column] == np.float32(ncsnr[x, y, zed])
        assert found.hemisphere[column] == ("lh" if x < 3 else "rh")
        for name, family, label in (("FFA-1", "floc-faces", 2), ("V1v", "prf-visualrois", 1)):
            side = nib.load(roi / f"{found.hemisphere[column]}.{family}.nii.gz").get_fdata()
            assert found.members[name][column] == (side[x, y, zed] == label)
        for row in table[table["subject1"] == 1].head(40).to_dict("records"):
            for repeat in range(3):
                trial = row[f"subject1_rep{repeat}"] - 1
                value = found.betas[np.searchsorted(found.conditions, row["nsdId"]), repeat, column]
                if trial < len(z):
                    assert value == pytest.approx(z[trial, zed, y, x], abs=1e-5)
                else:
                    assert np.isnan(value)
    assert cohort.responses("subj01", ["nsdgeneral"]).excluded == {"constant or NaN": 1}
    fold, = cohort.folds("subj01")
    assert np.isfinite(found.repeated(fold.test, 3)).all()


def test_a_voxel_with_a_label_in_both_hemispheres_says_so(tmp_path):
    root = files.write_tiny_nsd(tmp_path / "nsd", n_subjects=1, shape=(7, 4, 5), constant=None)
    path = root / "nsddata/ppdata/subj01/func1pt8mm/roi/rh.floc-places.nii.gz"
    labels = np.asarray(nib.load(path).dataobj).copy()
    left = np.asarray(nib.load(path.with_name("lh.floc-faces.nii.gz")).dataobj)
    x, y, z = np.argwhere(left == 1)[0]
    labels[x, y, z] = 2
    files.save_nifti(path, labels)
    found = NSD(root, n_shared=0, space="func1pt8mm").responses("subj01", ["OFA", "PPA"])
    column = np.flatnonzero(found.vertex == np.ravel_multi_index((x, y, z), (7, 4, 5)))
    assert found.hemisphere[column] == "both"
    assert found.members["OFA"][column] and found.members["PPA"][column]
    with pytest.raises(LabError, match="did you mean 'func1pt8mm'"):
        NSD(root, space="func1pt8")


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Path:
    """Three sessions of two participants in the volume."""
    return files.write_tiny_nsd(tmp_path_factory.mktemp("volume") / "nsd", n_subjects=2,
                                n_shared=60, n_own=440, shape=(7, 4, 5), constant=None)


def test_sessions_of_a_volume_are_read_from_nifti_as_from_hdf5(volume, tmp_path):
    """As the release has both: int16, x, y, z, trials, beside z, y, x as MATLAB's HDF5 shows."""
    root = Path(shutil.copytree(volume, tmp_path / "nsd"))
    for path in betas_of(root, space="func1pt8mm").glob("*.hdf5"):
        with h5py.File(path) as file:
            files.save_nifti(path.with_name(f"{path.stem}.nii.gz"),
                             file["betas"][()].transpose(3, 2, 1, 0))
        path.unlink()
    pair = [NSD(folder, n_shared=0, space="func1pt8mm") for folder in (volume, root)]
    for read in (lambda cohort: cohort.responses("subj01", ["PPA", "V1v"]),
                 lambda cohort: cohort.percent("subj01", 0.5)):
        first, second = map(read, pair)
        np.testing.assert_array_equal(first.betas, second.betas)
        np.testing.assert_array_equal(first.vertex, second.vertex)
    path = betas_of(root, space="func1pt8mm") / "betas_session02.nii.gz"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(LabError, match="betas_session02.nii.gz is truncated"):
        pair[1].responses("subj01", ["PPA"])


def test_a_run_of_voxels_is_read_and_not_the_whole_volume(tmp_path, monkeypatch):
    volume = np.random.default_rng(0).normal(0, 300, (30, 6, 5, 60)).astype(np.int16)
    files.write_session(tmp_path / "b.hdf5", volume, chunks=(30, 1, 1, 1))
    n_read, plain = [], h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, place: (
        n_read.append((block := plain(self, place)).size), block)[1])
    places = [(59, 4, 5), (2, 0, 0), (3, 0, 0), (9, 0, 0), (50, 0, 0)]  # x, y, z
    flat = np.array([np.ravel_multi_index(place, (60, 5, 6)) for place in places])
    found = read_session(tmp_path / "b.hdf5", flat, n_trials=30)
    for column, (x, y, z) in enumerate(places):
        np.testing.assert_allclose(found[:, column], stats.zscore(volume[:, z, y, x].astype(float)),
                                   atol=1e-5)
    assert n_read == [30 * 8, 30, 30]


def test_the_first_sessions_alone_are_used_where_a_profile_says_so(volume, tmp_path):
    """Test images are those that everyone saw three times in the sessions that are kept."""
    kept = {"subj01": 2, "subj02": 2}
    cohort = read_cohort("nsd-volume", volume, n_pool=40, n_batches=2, n_sessions=kept)
    table = pd.read_csv(volume / TABLE)
    trials = table[[f"subject{s}_rep{k}" for s in (1, 2) for k in range(3)]].to_numpy()
    everyone = table["nsdId"][table["shared1000"] & ((trials > 0) & (trials <= 1500)).all(1)]
    fold, = cohort.folds("subj01")
    assert 0 < len(everyone) < 60 and fold.test.tolist() == everyone.tolist()
    found = cohort.responses("subj01", ["PPA"])
    assert np.isfinite(found.betas[..., 0]).sum() == 1500 and cohort.n_sessions == kept
    everything = NSD(volume, n_shared=0, space="func1pt8mm")
    assert cohort.digest("subj01") != everything.digest("subj01")
    fewer = Path(shutil.copytree(volume, tmp_path / "nsd"))  # the last session was never fetched
    for path in fewer.rglob("betas_session03.hdf5"):
        path.unlink()
    again = read_cohort("nsd-volume", fewer, n_pool=40, n_batches=2, n_sessions=kept)
    np.testing.assert_array_equal(again.responses("subj01", ["PPA"]).betas, found.betas)
    with pytest.raises(LabError, match="no file .*betas_session03") as error:
        NSD(fewer, space="func1pt8mm", n_sessions={"subj02": 3})
    assert "1 to 3" in error.value.expected
    with pytest.raises(LabError, match="n_sessions of 'subj1'"):
        NSD(fewer, space="func1pt8mm", n_sessions={"subj1": 2})


# ---- images, layouts --------------------------------------------------------------------------

def test_images_come_from_the_brick_by_nsd_number(surface, tmp_path):
    stimuli = NSD(surface, **SPLIT).stimuli
    with h5py.File(surface / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        pixels = file["imgBrick"][()]
    assert len(stimuli) == len(pixels)
    for number in (0, 7, len(pixels) - 1):
        np.testing.assert_array_equal(np.asarray(stimuli.open(number)), pixels[number])
    to_tensor = lambda image: torch.tensor(np.asarray(image)).permute(2, 0, 1)  # noqa: E731
    first, second = stimuli.batches([[3, 1], [2]], to_tensor)
    np.testing.assert_array_equal(first.permute(0, 2, 3, 1), pixels[[3, 1]])
    assert second.shape == (1, 3, 8, 8)
    for wrong in (-1, len(pixels)):
        with pytest.raises(LabError, match=f"image {wrong} of"):
            stimuli.open(wrong)
    with h5py.File(tmp_path / "nsd_stimuli.hdf5", "w") as file:
        pixels[-1, 0, 0, 0] += 1
        file["imgBrick"] = pixels
    assert HDF5Images(tmp_path / "nsd_stimuli.hdf5").digest != stimuli.digest
    for number, (name, content) in enumerate((
            ("imgBrick", np.zeros((3, 8, 8), np.uint8)), ("other", pixels),
            ("imgBrick", np.zeros((3, 8, 8, 3))))):
        with h5py.File(tmp_path / f"bad-{number}.hdf5", "w") as file:
            file[name] = content
        with pytest.raises(LabError, match="no dataset 'imgBrick' of images"):
            HDF5Images(tmp_path / f"bad-{number}.hdf5")
    with pytest.raises(LabError, match="no file"):
        HDF5Images(tmp_path / "none.hdf5")


def test_the_brick_is_opened_once_and_anew_where_another_takes_its_place(tmp_path, monkeypatch):
    """The released file has 40 GB: opening it costs more than reading an image."""
    def write(name, value):
        with h5py.File(tmp_path / name, "w") as file:
            file["imgBrick"] = np.full((3, 8, 8, 3), value, np.uint8)

    write("brick.hdf5", 1)
    opened, open_file = [], h5py.File
    monkeypatch.setattr(h5py, "File", lambda *a, **k: opened.append(a) or open_file(*a, **k))
    images = pickle.loads(pickle.dumps(HDF5Images(tmp_path / "brick.hdf5")))
    assert [np.asarray(images.open(i)).max() for i in (0, 1, 2, 0)] == [1] * 4
    assert len(opened) == 1
    write("other.hdf5", 2)
    (tmp_path / "other.hdf5").replace(tmp_path / "brick.hdf5")
    assert np.asarray(images.open(0)).max() == 2


def test_a_layout_is_opened_by_its_name_and_takes_only_what_it_knows(surface, tmp_path):
    found = read_cohort("nsd", surface, subjects=["subj02"], **SPLIT)
    assert isinstance(found, NSD) and found.subjects == ("subj02",)
    assert len(found.folds("subj02")[0].fit) == 100
    with pytest.raises(LabError, match="subj02 saw 480"):  # published: 4,000
        read_cohort("nsd", surface).folds("subj02")
    with pytest.raises(LabError, match="no participant in .*ppdata"):
        read_cohort("nsd-volume", surface)
    with pytest.raises(LabError, match="did you mean 'nsd-volume'"):
        read_cohort("nsd-volum", surface)
    for setting in ({"n_pool": 10}, {"n_batches": 2}, {"n_shared": 515},
                    {"n_sessions": {"subj01": 1}}):
        for layout in ("algonauts", "nod", "object2vec"):
            with pytest.raises(LabError, match=f"layout '{layout}'"):
                read_cohort(layout, tmp_path, **setting)
