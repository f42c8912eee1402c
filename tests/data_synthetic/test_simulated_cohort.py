"""The simulated cohort: what was planted can be found in the files, and nothing else."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from scipy.io import loadmat
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from data.synthetic import participants
from data.synthetic.algonauts_files import write_algonauts
from data.synthetic.ground_truth import read_ground_truth
from data.synthetic.nod_files import write_nod
from data.synthetic.nsd_files import write_nsd
from helpers.brains.algonauts import Algonauts
from helpers.brains.nod import NOD
from helpers.brains.nsd import NSD
from helpers.brains.rois import FAMILIES
from helpers.core.errors import LabError

N_SUBJECTS, N_SHARED, N_SESSIONS, N_TRIALS = 3, 1400, 6, 750
SUBJECTS = tuple(f"subj{i:02d}" for i in range(1, N_SUBJECTS + 1))
SIDES = ("lh", "rh")
BETAS = "nativesurface/betas_fithrf_GLMdenoise_RR"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write a cohort with as many trials a participant as the default has."""
    folder = tmp_path_factory.mktemp("cohort") / "nsd"
    return write_nsd(folder, seed=3, n_subjects=N_SUBJECTS, n_shared=N_SHARED,
                     n_sessions=N_SESSIONS, size=48, processes=1)


@pytest.fixture(scope="module")
def truth(root):
    return read_ground_truth(root)


@pytest.fixture(scope="module")
def info(root):
    return pd.read_csv(root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", index_col=0)


@pytest.fixture(scope="module")
def raw(root):
    """Read betas in percent signal change, (participant, side) -> trials x vertices."""
    def read(subject, side):
        parts = []
        for k in range(1, N_SESSIONS + 1):
            with h5py.File(root / f"nsddata_betas/ppdata/{subject}/{BETAS}/"
                           f"{side}.betas_session{k:02d}.hdf5") as file:
                assert file["betas"].dtype == np.int16
                parts.append(file["betas"][:] / 300)
        return np.concatenate(parts)
    return {(subject, side): read(subject, side) for subject in SUBJECTS for side in SIDES}


@pytest.fixture(scope="module")
def z_scored(raw):
    """z-score every vertex within every session."""
    def z(values):
        sessions = values.reshape(N_SESSIONS, N_TRIALS, -1)
        return ((sessions - sessions.mean(1, keepdims=True))
                / sessions.std(1, keepdims=True)).reshape(values.shape)
    return {key: z(values) for key, values in raw.items()}


def presentations(info, subject: str) -> np.ndarray:
    return info[[f"subject{int(subject[4:])}_rep{k}" for k in range(3)]].to_numpy()


def seen_three_times(info, subject: str) -> np.ndarray:
    """Return rows of the table that a participant saw three times in completed sessions."""
    shown = presentations(info, subject)
    return np.flatnonzero(((shown > 0) & (shown <= N_TRIALS * N_SESSIONS)).all(1))


def mean_responses(values, info, subject):
    """Average three repeats: images (rows of `seen_three_times`) x vertices."""
    rows = seen_three_times(info, subject)
    return rows, values[presentations(info, subject)[rows] - 1].mean(1)


def read_labels(root, subject: str, side: str, family: str) -> np.ndarray:
    path = root / f"nsddata/freesurfer/{subject}/label/{side}.{family}.mgz"
    return np.asarray(nib.load(path).dataobj).ravel()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def standardise(values):
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1)


def ridge(responses, x):
    """Fit standardised columns to standardised responses: columns x vertices."""
    x, penalty = standardise(x), .1 * len(x) * np.eye(x.shape[1])
    return np.linalg.solve(x.T @ x + penalty, x.T @ standardise(responses))


# ---- who sees what ------------------------------------------------------------------------------

def test_exactly_the_stated_number_of_shared_images_is_seen_three_times_by_all(info):
    everyone = set.intersection(*(set(seen_three_times(info, subject)) for subject in SUBJECTS))
    special = everyone & set(np.flatnonzero(info["shared1000"]))
    assert len(special) == N_SHARED
    assert info["shared1000"].sum() > N_SHARED
    assert everyone == special


def test_every_completed_trial_shows_one_image(info):
    for subject in SUBJECTS:
        trials = presentations(info, subject)
        done = trials[(trials > 0) & (trials <= N_TRIALS * N_SESSIONS)]
        assert sorted(done) == list(range(1, N_TRIALS * N_SESSIONS + 1))
        shown = trials[(trials > 0).all(1)]
        assert (np.diff(shown, axis=1) > 0).all()
        assert ((trials > 0).any(1) == info[f"subject{int(subject[4:])}"]).all()


def test_images_that_are_not_shared_are_one_participants_own(info):
    own = info.loc[~info["shared1000"].astype(bool), [f"subject{i}" for i in range(1, 4)]]
    assert (own.sum(axis=1) == 1).all()


def test_repeats_are_spread_over_sessions(info):
    for subject in SUBJECTS:
        session = (presentations(info, subject)[seen_three_times(info, subject)] - 1) // N_TRIALS
        several = np.array([len(set(row)) for row in session])
        assert (several > 1).mean() > .9


def test_the_loader_reads_it_and_finds_the_test_images(root):
    cohort = NSD(root, n_pool=30, n_batches=2, n_shared=N_SHARED)
    assert cohort.subjects == SUBJECTS
    fold, = cohort.folds("subj02")
    assert len(fold.fit) == 15 and len(fold.test) == N_SHARED
    found = cohort.responses("subj02", ["V1v", "aTL-faces"])
    assert found.betas.shape[1] == 3 and not found.excluded


# ---- files --------------------------------------------------------------------------------------

def test_labels_surfaces_and_betas_have_the_same_vertices(root, raw):
    for (subject, side), betas in raw.items():
        for family in ("prf-visualrois", "floc-faces", "floc-bodies", "floc-places", "floc-words",
                       "streams", "nsdgeneral"):
            values = read_labels(root, subject, side, family)
            assert values.shape == betas.shape[1:] and np.issubdtype(values.dtype, np.integer)
            lines = (root / f"nsddata/freesurfer/{subject}/label/{family}.mgz.ctab").read_text()
            assert lines.splitlines()[0] == "0 Unknown"
            names = [line.split()[1] for line in lines.splitlines()[1:]]
            assert tuple(names) == FAMILIES[family] and values.max() <= len(names)
        for surface in ("white", "inflated"):
            points, faces = nib.freesurfer.read_geometry(
                root / f"nsddata/freesurfer/{subject}/surf/{side}.{surface}")
            assert len(points) == betas.shape[1] and set(faces.ravel()) == set(range(len(points)))


def test_every_region_lies_inside_nsdgeneral_and_some_vertices_lie_outside(root):
    for subject in SUBJECTS:
        for side in SIDES:
            general = read_labels(root, subject, side, "nsdgeneral") > 0
            assert 50 < (~general).sum() < general.sum()
            for family in ("prf-visualrois", "floc-faces", "floc-bodies", "floc-places",
                           "floc-words", "streams"):
                assert general[read_labels(root, subject, side, family) > 0].all()


def test_regions_are_patches_of_varying_size(root, truth):
    sizes = []
    for (subject, side), vertices in truth.vertices.items():
        _, faces = nib.freesurfer.read_geometry(
            root / f"nsddata/freesurfer/{subject}/surf/{side}.white")
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]])
        for name in set(vertices["region"]) - {""}:
            inside = vertices["region"] == name
            kept = edges[inside[edges].all(1)]
            graph = coo_matrix((np.ones(len(kept)), kept.T), shape=(len(inside),) * 2)
            _, part = connected_components(graph, directed=False)
            largest = np.bincount(part[inside]).max()
            assert largest == inside.sum(), (subject, side, name)
            sizes.append(inside.sum())
    assert min(sizes) < 15 < 30 < max(sizes)


def test_regions_that_were_left_out_are_missing_and_others_are_there(root):
    bodies = {subject: [read_labels(root, subject, side, "floc-bodies") for side in SIDES]
              for subject in SUBJECTS}
    assert all((values == 2).any() for values in bodies["subj01"])
    assert not any((values == 2).any() for values in bodies["subj03"])
    assert "FBA-1" not in NSD(root, n_shared=N_SHARED).rois("subj03")
    for subject in SUBJECTS:
        for side in SIDES:
            assert (read_labels(root, subject, side, "floc-faces") == 5).sum() >= 9


def test_captions_and_objects_belong_to_the_images(root, info):
    said = json.loads((root / "annotations/captions_train2017.json").read_text())["annotations"]
    assert (pd.Series([line["image_id"] for line in said]).value_counts() == 5).all()
    assert {line["image_id"] for line in said} == set(info["cocoId"])
    listed = json.loads((root / "annotations/instances_train2017.json").read_text())
    names = {entry["id"] for entry in listed["categories"]}
    assert len(names) > 30
    for one in listed["annotations"]:
        assert one["category_id"] in names and one["area"] > 0 and len(one["bbox"]) == 4


def test_images_are_in_colour_and_all_different(root, info):
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        assert file["imgBrick"].shape == (len(info), 48, 48, 3)
        assert file["imgBrick"].chunks == (1, 48, 48, 3)
        pixels = file["imgBrick"][:]
    assert len({one.tobytes() for one in pixels}) == len(pixels)
    assert (np.ptp(pixels.astype(int), axis=-1).max((1, 2)) > 10).mean() > .8


@pytest.mark.parametrize("write", ["nsd", "nod"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(tmp_path, write):
    def make(folder, seed, processes):
        if write == "nsd":
            write_nsd(folder, seed=seed, n_subjects=1, n_shared=20, n_sessions=1, size=24,
                      processes=processes)
        else:
            write_nod(folder, seed=seed, n_subjects=1, n_runs=1, size=24, processes=processes)
        return contents(folder)
    one, two = make(tmp_path / "one", 0, 1), make(tmp_path / "two", 0, 2)
    assert list(one) == list(two)
    assert [name for name in one if one[name] != two[name]] == []
    other = make(tmp_path / "other", 1, 1)
    assert any(one[name] != other.get(name) for name in one)


def test_a_folder_appears_only_when_whole(tmp_path):
    with pytest.raises(LabError, match="1 sessions for 400 shared"):
        write_nsd(tmp_path / "a", seed=0, n_subjects=1, n_shared=400, n_sessions=1)
    with pytest.raises(LabError, match="n_subjects is 0"):
        write_nod(tmp_path / "b", seed=0, n_subjects=0)
    with pytest.raises(LabError, match="no truth.json"):
        read_ground_truth(tmp_path)
    assert not list(tmp_path.iterdir())


# ---- noise --------------------------------------------------------------------------------------

def test_the_written_ncsnr_is_nsds_estimate_and_finds_the_planted_one(root, info, z_scored, truth):
    planted, estimated = [], []
    for (subject, side), values in z_scored.items():
        repeats = values[presentations(info, subject)[seen_three_times(info, subject)] - 1]
        noise = repeats.var(1, ddof=1).mean(0)
        mine = np.sqrt(np.clip(1 - noise, 0, None) / noise)
        stored = np.asarray(nib.load(root / f"nsddata_betas/ppdata/{subject}/{BETAS}/"
                                     f"{side}.ncsnr.mgh").dataobj).ravel()
        assert stored == pytest.approx(mine, abs=1e-4)
        planted.append(truth.vertices[subject, side]["ncsnr"])
        estimated.append(stored)
    planted, estimated = np.concatenate(planted), np.concatenate(estimated)
    between = (planted >= .1) & (planted <= 1)
    # Few images; the whole demo cohort, which has more of them, gives .992.
    assert stats.pearsonr(planted[between], estimated[between]).statistic > .97
    assert abs(np.mean(estimated[between] - planted[between])) < .02
    assert planted[between].min() < .2 and planted[between].max() > .9


def test_vertices_that_nothing_drives_are_recorded_as_having_no_signal(truth, z_scored, info):
    for (subject, side), vertices in truth.vertices.items():
        silent = ~vertices["weights"].any(1) & np.isnan(vertices["spread"])
        outside = vertices["region"] == ""
        assert 20 < silent.sum() and .05 < (~silent[outside]).mean() < .25
        assert not vertices["ncsnr"][silent].any() and not vertices["signal_sd"][silent].any()
        assert (vertices["ncsnr"][~silent] >= .1).all()
        repeats = z_scored[subject, side][
            presentations(info, subject)[seen_three_times(info, subject)] - 1]
        r = [stats.pearsonr(repeats[:, 0, v], repeats[:, 1, v]).statistic
             for v in np.flatnonzero(silent)]
        assert abs(np.mean(r)) < .02


def test_noise_has_the_planted_size_and_a_part_that_vertices_share(info, raw, truth):
    for (subject, side), vertices in truth.vertices.items():
        repeats = raw[subject, side][presentations(info,
                                                   subject)[seen_three_times(info, subject)] - 1]
        left = repeats - repeats.mean(1, keepdims=True)
        left = left.reshape(-1, left.shape[-1]) * np.sqrt(3 / 2)
        # A session's own mean of 0.3 comes on top: it is noise to whoever does not z-score.
        size = np.sqrt(left.var(0))
        expected = np.sqrt(vertices["noise_sd"] ** 2 + .3**2)
        assert stats.pearsonr(size, expected).statistic > .98
        assert np.median(size / expected) == pytest.approx(1, abs=.05)
        values = np.linalg.eigvalsh(np.corrcoef(left.T))[::-1]
        assert .2 < values[:4].sum() / values.sum() < .5
        assert values[3] > 3 * values[12]


def test_sessions_have_means_of_their_own(raw):
    for values in raw.values():
        sessions = values.reshape(N_SESSIONS, N_TRIALS, -1).mean(1)
        assert .2 < sessions.std(0, ddof=1).mean() < .45


# ---- signals ------------------------------------------------------------------------------------

def local_contrast(root) -> np.ndarray:
    """Return the spread of luminance in 8 x 8 blocks of every image, (n, 8, 8)."""
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        grey = file["imgBrick"][:].mean(-1)
    return grey.reshape(len(grey), 8, 6, 8, 6).std((2, 4))


def test_early_regions_see_the_other_side_upper_field_ventral_lower_field_dorsal(
        root, info, z_scored, truth):
    contrast = local_contrast(root)
    axis = (np.arange(8) + .5) / 8
    contralateral, upper, lower = [], [], []
    for (subject, side), vertices in truth.vertices.items():
        rows, y = mean_responses(z_scored[subject, side], info, subject)
        x = contrast[rows].reshape(len(rows), -1)
        clear = np.isfinite(vertices["spread"]) & (vertices["ncsnr"] > .5)
        weights = ridge(y[:, clear], x).clip(0).reshape(8, 8, -1) ** 2
        weights /= weights.sum((0, 1))
        found = np.stack([(weights.sum(0) * axis[:, None]).sum(0),
                          (weights.sum(1) * axis[:, None]).sum(0)])
        name = vertices["region"][clear]
        for where, planted in zip(found, vertices["centre"][clear].T):
            assert len(where) < 10 or stats.pearsonr(where, planted).statistic > .5
        sign = 1 if side == "lh" else -1
        assert (sign * (vertices["centre"][np.isfinite(vertices["spread"]), 0] - .5) > 0).all()
        # Fields of hV4 are wide and many lie next to the midline.
        contralateral += list(sign * (found[0][name != "hV4"] - .5) > 0)
        upper += list(found[1][np.char.endswith(name, "v")] < .5)
        lower += list(found[1][np.char.endswith(name, "d")] > .5)
    assert np.mean(contralateral) > .85 and np.mean(upper) > .8 and np.mean(lower) > .8
    assert min(map(len, (contralateral, upper, lower))) > 30


def test_receptive_fields_grow_from_v1_to_hv4(truth):
    spread = {name: np.mean(np.concatenate([vertices["spread"][np.char.startswith(
        vertices["region"], name)] for vertices in truth.vertices.values()]))
              for name in ("V1", "V2", "V3", "hV4")}
    assert spread["V1"] < spread["V2"] < spread["V3"] < spread["hV4"]


def test_regions_prefer_the_domain_that_they_are_named_for(info, z_scored, truth):
    domains = ("faces", "bodies", "scenes", "characters")
    columns = np.stack([truth.semantic_feature(name) for name in domains], 1)
    for family, domain in (("floc-faces", "faces"), ("floc-bodies", "bodies"),
                           ("floc-places", "scenes"), ("floc-words", "characters")):
        for (subject, side), vertices in truth.vertices.items():
            rows, y = mean_responses(z_scored[subject, side], info, subject)
            for name in set(FAMILIES[family]) & set(vertices["region"]):
                region = y[:, vertices["region"] == name].mean(1)
                r = [stats.pearsonr(region, columns[rows, k]).statistic for k in range(4)]
                assert domains[int(np.argmax(r))] == domain and max(r) > .4, (subject, side, name)


def kinds_by_domain(truth) -> dict[str, dict[str, str]]:
    """Return domain -> region -> the kind within the domain that drives the region as much."""
    kinds = {}
    for name, planted in truth.metadata["regions"].items():
        if planted["and by its"]:
            kinds.setdefault(planted["driven by"], {})[name] = planted["and by its"]
    return kinds


def test_the_region_that_a_kind_drives_follows_it_more_than_others_of_its_domain(info, z_scored,
                                                                                 truth):
    """By regression of regions' mean responses on all that images show; not on shuffled images."""
    columns, rng, right, chance = truth.metadata["columns"], np.random.default_rng(0), [], []
    for (subject, side), vertices in truth.vertices.items():
        rows, y = mean_responses(z_scored[subject, side], info, subject)
        shown = truth.semantic_features[rows]
        varies = shown.std(0) > 1e-3
        for kinds in kinds_by_domain(truth).values():
            regions = [name for name in kinds if name in set(vertices["region"])]
            own = [columns.index(kinds[name]) for name in regions]
            means = np.stack([y[:, vertices["region"] == name].mean(1) for name in regions], 1)
            for images, result in ((shown, right), (rng.permutation(shown), chance)):
                weights = np.zeros((len(columns), len(regions)))
                weights[varies] = ridge(means, images[:, varies])
                result += list(weights[own].argmax(1) == np.arange(len(regions)))
    assert np.mean(right) > .97 and np.mean(chance) < .6  # one of two or three by chance


def test_participants_share_a_regions_direction_and_regions_of_a_domain_do_not(truth):
    every = {}
    for (subject, _), vertices in truth.vertices.items():
        for name in set(vertices["region"]) & set(truth.metadata["regions"]):
            mean = vertices["weights"][vertices["region"] == name].mean(0)
            every.setdefault(name, {}).setdefault(subject, []).append(mean)
    mean = {name: {subject: np.mean(sides, axis=0) / np.linalg.norm(np.mean(sides, axis=0))
                   for subject, sides in people.items()} for name, people in every.items()}
    for people in mean.values():
        one, *others = people.values()
        assert all(one @ other > .97 for other in others)
    for regions in kinds_by_domain(truth).values():
        for one in regions:
            for other in set(regions) - {one}:
                assert mean[one]["subj01"] @ mean[other]["subj01"] < .85, (one, other)


def residual_correlations(ground_truth, info, z_scored, region):
    """Return r of every column with what the amount of faces leaves of a region, all people."""
    faces, every = ground_truth.semantic_feature("faces"), []
    for (subject, side), vertices in ground_truth.vertices.items():
        rows, y = mean_responses(z_scored[subject, side], info, subject)
        shapes = np.stack([faces[rows] ** power for power in (0, .5, .6, .7, .8, .9, 1, 1.5, 2)], 1)
        # With 0 ** 0 = 1 the first column is the constant; presence is a step of its own.
        shapes = np.column_stack([shapes, faces[rows] > 0])
        mean = y[:, vertices["region"] == region].mean(1)
        left = mean - shapes @ np.linalg.lstsq(shapes, mean, rcond=None)[0]
        others = ground_truth.semantic_features[rows]
        others = others - shapes @ np.linalg.lstsq(shapes, others, rcond=None)[0]
        varies = others.std(0) > 1e-3
        r = np.full(len(varies), 0.0)
        r[varies] = [stats.pearsonr(left, column).statistic for column in others[:, varies].T]
        every.append(r * np.sqrt(len(rows)))
    return np.sum(every, 0) / np.sqrt(len(every))


def test_atl_faces_follows_the_amount_of_faces_and_nothing_else(info, z_scored, truth):
    """Bonferroni over the columns; FFA-1, which is mixed on purpose, fails the same test."""
    bound = stats.norm.isf(.005 / len(truth.metadata["columns"]))
    assert np.abs(residual_correlations(truth, info, z_scored, "aTL-faces")).max() < bound
    assert np.abs(residual_correlations(truth, info, z_scored, "FFA-1")).max() > 2 * bound
    for vertices in truth.vertices.values():
        only = vertices["weights"][vertices["region"] == "aTL-faces"]
        assert (np.count_nonzero(only, axis=1) == 1).all()
    assert "aTL-faces" in truth.metadata["driven by one domain alone"]


def test_concepts_are_in_exactly_the_participants_that_the_truth_states(info, z_scored, truth):
    """Blind to where they are: vertices whose best match among all amounts is the concept's."""
    columns = truth.metadata["columns"]
    for subject in SUBJECTS:
        every = []
        for side in SIDES:
            rows, y = mean_responses(z_scored[subject, side], info, subject)
            every.append(standardise(truth.semantic_features[rows]).T @ standardise(y) / len(rows))
        r = np.concatenate(every, 1)
        for name, column in (("cars", "car"), ("instruments", "instrument"), ("food", "food"),
                             ("animals", "animal"), ("numerosity", "many")):
            index = columns.index(column)
            n_alike = ((np.abs(r).argmax(0) == index) & (r[index] > .4)).sum()
            owners = truth.metadata["concepts"][name]["participants"]
            there = owners == "all" or subject in owners
            assert (n_alike >= 5) if there else (n_alike == 0), (name, subject, n_alike)


def test_concepts_are_planted_in_all_in_three_and_in_one(truth):
    owners = [concept["participants"] for concept in truth.metadata["concepts"].values()]
    assert {"all", 3, 1} == {one if one == "all" else len(one) for one in owners}


def test_patches_for_kinds_of_food_follow_their_kind_and_not_food(info, z_scored, truth):
    """Mean response of each patch against the drive of every food concept, as planted."""
    names = ["food", *truth.metadata["differ in what a category label misses"]]
    columns = truth.metadata["columns"]
    planted = np.array([[truth.metadata["concepts"][name]["weights"].get(column, 0)
                         for column in columns] for name in names])
    for (subject, side), vertices in truth.vertices.items():
        rows, y = mean_responses(z_scored[subject, side], info, subject)
        patches = np.stack([y[:, vertices["region"] == f"concept: {name}"].mean(1)
                            for name in names], 1)
        r = standardise(patches).T @ standardise(truth.semantic_features[rows] @ planted.T)
        assert r.argmax(1).tolist() == list(range(len(names))), (subject, side)


def test_concepts_planted_last_change_no_other_vertex(monkeypatch):
    with_them = participants.simulate_vertices("subj01", "lh", seed=0)
    monkeypatch.setattr(participants, "CONCEPTS", {
        name: concept for name, concept in participants.CONCEPTS.items()
        if name not in participants.PLANTED_LAST})
    without = participants.simulate_vertices("subj01", "lh", seed=0)
    changed = with_them.region != without.region
    assert set(with_them.region[changed]) == {f"concept: {name}"
                                              for name in participants.PLANTED_LAST}
    assert changed.sum() == 2 * participants.N_CONCEPT_VERTICES
    assert np.array_equal(with_them.weights[~changed], without.weights[~changed])
    for field in ("positions", "energy_weights", "exponent", "ncsnr", "signal_sd", "offset"):
        assert np.array_equal(getattr(with_them, field), getattr(without, field)), field


def test_antipodal_concepts_have_opposite_responses(info, z_scored, truth):
    for one, other in truth.metadata["antipodal"]:
        for (subject, side), vertices in truth.vertices.items():
            _, y = mean_responses(z_scored[subject, side], info, subject)
            patches = [y[:, vertices["region"] == f"concept: {name}"].mean(1)
                       for name in (one, other)]
            assert stats.pearsonr(*patches).statistic < -.3, (subject, side, one)


def test_some_vertices_fall_below_baseline_and_others_only_respond_less(info, raw, truth):
    writing = truth.semantic_feature("characters")
    for (subject, side), vertices in truth.vertices.items():
        rows, y = mean_responses(raw[subject, side], info, subject)
        much = writing[rows] >= np.quantile(writing[rows][writing[rows] > 0], .5)
        below = y[:, vertices["region"] == "concept: below baseline for writing"].mean(1)
        less = y[:, vertices["region"] == "concept: less for writing, above baseline"].mean(1)
        for patch in (below, less):
            assert patch[much].mean() < patch[~much].mean() - .2
        assert below[much].mean() < -.2
        assert less[much].mean() > 1


# ---- Algonauts ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def algonauts(root):
    return write_algonauts(root.parent / "algonauts2023", nsd=root, processes=1)


def test_algonauts_responses_are_means_of_scores_of_the_sessions_given_out(
        root, info, z_scored, algonauts):
    last = N_TRIALS * (N_SESSIONS - 1)
    for (subject, side), values in z_scored.items():
        shown = presentations(info, subject)
        given = (shown > 0) & (shown <= last)
        rows = np.flatnonzero(given.any(1))
        general = read_labels(root, subject, side, "nsdgeneral") > 0
        expected = np.stack([values[shown[row][given[row]] - 1].mean(0) for row in rows])
        written = np.load(algonauts / subject / f"training_split/training_fmri/"
                          f"{side}_training_fmri.npy")
        assert written.dtype == np.float32
        assert np.allclose(written, expected[:, general], atol=1e-4)
        names = sorted(p.name for p in (
            algonauts / subject / "training_split/training_images").iterdir())
        assert names == [f"train-{i:04d}_nsd-{row:05d}.png" for i, row in enumerate(rows, 1)]
        done = (shown > 0) & (shown <= N_TRIALS * N_SESSIONS)
        withheld = np.flatnonzero(done.any(1) & ~given.any(1))
        names = sorted(p.name for p in (algonauts / subject / "test_split/test_images").iterdir())
        assert names == [f"test-{i:04d}_nsd-{row:05d}.png" for i, row in enumerate(withheld, 1)]
        assert names


def test_algonauts_images_are_nsds(root, algonauts):
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        for path in sorted((algonauts / "subj02").rglob("*.png"))[::150]:
            pixels = np.asarray(Image.open(path))
            assert (pixels == file["imgBrick"][int(path.stem[-5:])]).all()


def test_algonauts_masks_are_nsds_labels_in_challenge_space(root, algonauts):
    for subject in SUBJECTS:
        folder = algonauts / subject / "roi_masks"
        for side in SIDES:
            general = np.load(folder / f"{side}.all-vertices_fsaverage_space.npy")
            assert general.dtype == np.int64
            assert (general == (read_labels(root, subject, side, "nsdgeneral") > 0)).all()
            for family in ("prf-visualrois", "floc-faces", "streams"):
                values = read_labels(root, subject, side, family)
                whole, part = (np.load(folder / f"{side}.{family}_{space}_space.npy")
                               for space in ("fsaverage", "challenge"))
                assert whole.dtype == part.dtype == np.int64
                assert (whole == values).all() and (part == values[general > 0]).all()
        mapping = np.load(folder / "mapping_floc-faces.npy", allow_pickle=True).item()
        assert mapping == {0: "Unknown", **dict(enumerate(FAMILIES["floc-faces"], 1))}


def test_the_algonauts_loader_reads_them(algonauts):
    cohort = Algonauts(algonauts)
    assert cohort.subjects == SUBJECTS and "FBA-1" not in cohort.rois("subj03")
    found = cohort.responses("subj01", ["V1v", "FFA-1"])
    assert not found.excluded and found.betas.shape[1] == 1


def test_algonauts_refuses_to_withhold_everything(root, tmp_path):
    with pytest.raises(LabError, match="6 sessions, 6 are withheld"):
        write_algonauts(tmp_path / "none", nsd=root, n_withheld=6)
    with pytest.raises(LabError, match="no file"):
        write_algonauts(tmp_path / "none", nsd=tmp_path)
    assert not list(tmp_path.iterdir())


# ---- NOD ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def nod(tmp_path_factory):
    return write_nod(tmp_path_factory.mktemp("nod") / "nod", seed=3, n_subjects=2, n_runs=3,
                     size=48, processes=1)


def test_nod_files_agree_with_each_other(nod):
    atlas = loadmat(nod / "supportfiles/MMP_mpmLR32k.mat")["glasser_MMP"].ravel()
    n = len(atlas) // 2
    assert set(atlas[:n]) <= set(range(181)) and set(atlas[n:]) <= {0, *range(181, 361)}
    with (nod / "supportfiles/roilbl_mmp.csv").open(newline="") as file:
        heading, *rows = csv.reader(file)
    assert len(heading) == 3 and len(rows) == 180
    assert rows[0] == ["1", "L_V1_ROI", "R_V1_ROI"] and rows[5] == ["6", "L_V4_ROI", "R_V4_ROI"]
    for subject in ("sub-01", "sub-02"):
        seen = []
        for run in (1, 2, 3):
            stem = f"ses-imagenet01_task-imagenet_run-{run}"
            folder = nod / "derivatives/ciftify" / subject / "results" / stem
            image = nib.load(folder / f"{stem}_beta.dscalar.nii")
            scalars, model = (image.header.get_axis(k) for k in (0, 1))
            listed = (folder / f"{stem}_label.txt").read_text().split()
            assert image.shape == (100, len(atlas)) and list(scalars.name) == listed
            assert [name for name, *_ in model.iter_structures()] == [
                "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"]
            events = pd.read_csv(nod / subject / "ses-imagenet01/func" / (
                f"{subject}_ses-imagenet01_task-imagenet_run-{run:02d}_events.tsv"), sep="\t")
            assert [Path(name).name for name in events["stim_file"]] == listed
            assert events["onset"].is_monotonic_increasing and events["onset"].iloc[-1] < 512
            assert all((nod / "stimuli" / name).is_file() for name in events["stim_file"])
            seen += listed
        assert len(set(seen)) == 300


def test_the_nod_loader_reads_them_and_fields_are_on_the_other_side(nod):
    cohort = NOD(nod, n_best=0)
    assert cohort.subjects == ("sub-01", "sub-02")
    atlas = loadmat(nod / "supportfiles/MMP_mpmLR32k.mat")["glasser_MMP"].ravel()
    grey = np.stack([np.asarray(cohort.stimuli.open(i).convert("L"), float)
                     for i in range(len(cohort.stimuli))])
    half = grey.reshape(len(grey), 8, 6, 8, 6).std((2, 4)).mean(1)
    balance = half[:, 4:].mean(1) - half[:, :4].mean(1)
    for subject in cohort.subjects:
        found = cohort.responses(subject, ["V1", "V2", "V3", "V4"])
        left, right = (found.betas[:, 0, found.hemisphere == side].mean(1) for side in SIDES)
        assert stats.pearsonr(left - right, balance[found.conditions]).statistic > .3
        params = np.asarray(nib.load(nod / "derivatives/ciftify" / subject / "results"
                                     / "ses-prf_task-prf/ses-prf_task-prf_params.dscalar.nii"
                                     ).dataobj)
        angle, _, _, r2 = params
        right = np.cos(np.radians(angle)) > 0
        v1 = (atlas % 180 == 1) & (r2 > 1)
        left_hemisphere = np.arange(len(atlas)) < len(atlas) // 2
        assert (right[v1] == left_hemisphere[v1]).all() and v1.sum() > 60


def test_nod_shows_other_images_than_nsd(root, nod):
    with h5py.File(root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5") as file:
        known = file["imgBrick"][:300].astype(float)
    files = sorted((nod / "stimuli/imagenet").rglob("*.JPEG"))
    for path in files[::25]:
        pixels = np.asarray(Image.open(path), float)
        assert np.abs(known - pixels).mean((1, 2, 3)).min() > 8
