"""Every loader × files that nobody meant to be data: the result is the same, or names the file."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import brain_files as files

from helpers.brains.algonauts import Algonauts
from helpers.brains.layouts import read_cohort
from helpers.config.profile import profile_names
from helpers.core.errors import LabError
from helpers.core.stray_files import find_original, is_stray, list_visible_files, select_by_pattern
from helpers.datasets.fetch import fetch_folder
from helpers.datasets.sources import DownloadSource
from helpers.runner.notebooks import list_sources
from helpers.stimuli.folders import OTHER_SUFFIXES, SUFFIXES, list_images
from helpers.stimuli.image_sets import CLASSIC, FLOC, LAYOUTS, image_folder, imagenet_classes

pytestmark = pytest.mark.slow

STRAYS = (".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "~$list.csv", "notes.txt~")
FOLDERS = ("__MACOSX", ".ipynb_checkpoints", "@eaDir", "$RECYCLE.BIN")


def images(root: Path, folders, n: int = 3) -> Path:
    for i, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for number in range(1, n + 1):
            Image.new("RGB", (8, 8), (9 * i, 50 * number, 7)).save(
                root / folder / f"{folder.rpartition('/')[2]}-{number}.png")
    return root


def write_places(root: Path) -> Path:
    images(root, ["val_256"], 3)
    (root / "places365_val.txt").write_text("".join(f"val_256-{n}.png {n % 2}\n"
                                                    for n in (1, 2, 3)))
    (root / "categories_places365.txt").write_text("/a/airfield 0\n/b/bar 1\n")
    return root


SETS = {"floc": lambda r: images(r, FLOC), "classic": lambda r: images(r, CLASSIC),
        "imagefolder": lambda r: images(r, ("cat", "dog", "tree")),
        "imagenet": lambda r: images(r, list(imagenet_classes())[:3]), "places365": write_places}
COHORTS = {
    "nsd": lambda r: files.write_tiny_nsd(r, n_subjects=2, n_own=100, vertices=(13, 14)),
    "nsd-volume": lambda r: files.write_tiny_nsd(r, n_subjects=2, n_own=100, shape=(4, 3, 2)),
    "algonauts": files.write_tiny_algonauts, "nod": lambda r: files.write_tiny_nod(r, n_trials=4),
    "object2vec": files.write_tiny_object2vec, "arrays": files.write_tiny_arrays}
MADE = {**SETS, **COHORTS}


def read(layout: str, root: Path):
    """Return all that a loader finds, to be compared with ==."""
    if layout in SETS:
        images = LAYOUTS[layout](root)
        return (images.files, images.categories, images.domains, images.classes,
                [np.asarray(images.open(i)).tobytes() for i in range(len(images))])
    split = {"n_pool": 40, "n_batches": 2} if layout.startswith("nsd") else {}
    cohort = read_cohort(layout, root, **split)
    found = []
    for subject in cohort.subjects:
        responses = cohort.responses(subject, cohort.rois(subject))
        fold = cohort.folds(subject)[0]
        found += [subject, cohort.rois(subject), responses.betas.tobytes(),
                  responses.conditions.tolist(), fold.fit.tolist(), fold.test.tolist()]
    return [*found, len(cohort.stimuli), np.asarray(cohort.stimuli.open(0)).tobytes()]


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) if name == "nod" else name
                        for name in MADE])
def loader(request, once, tmp_path):
    """Give a layout, a copy of its tiny files, and what is read from them."""
    layout = request.param
    made = once(f"strays-{layout}", MADE[layout])
    root = tmp_path / layout
    shutil.copytree(made, root)
    return layout, root, read(layout, root)


def tree(root: Path) -> tuple[list[Path], list[Path]]:
    """Return one or two folders in every folder, and one file of each kind."""
    folders = [root, *(path for path in sorted(root.rglob("*")) if path.is_dir()
                       and path in sorted(path.parent.iterdir())[:2])]
    few = {(path.parent, path.suffix): path for path in sorted(root.rglob("*")) if path.is_file()}
    return folders, list(few.values())


def test_what_desktops_leave_changes_nothing(loader):
    layout, root, expected = loader
    folders, some = tree(root)
    for path in [*some, *folders[1:]]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X\xff")
    for folder in folders:
        for name in STRAYS:
            (folder / name).write_bytes(b"\0\xffx")
        for name in FOLDERS:
            (folder / name).mkdir()
            Image.new("RGB", (8, 8)).save(folder / name / "x-1.png")
    assert read(layout, root) == expected


def test_copies_of_files_change_nothing(loader):
    layout, root, expected = loader
    for path in tree(root)[1]:
        for name in ("{} (1){}", "{} copy{}", "{}_old{}", "{} - Copy{}", "{}{}~", "{}{}.bak"):
            shutil.copy(path, path.with_name(name.format(path.stem, path.suffix)))
    assert read(layout, root) == expected


@pytest.mark.parametrize("name", ["{}_old", pytest.param("{} copy", marks=pytest.mark.exhaustive),
                                  pytest.param("{}.bak", marks=pytest.mark.exhaustive)])
def test_copies_of_folders_are_no_participants_and_no_classes(loader, name):
    layout, root, expected = loader
    for path in tree(root)[0][1:]:
        if layout == "nod" and "results" not in path.parts and "sub-01" not in path.name:
            continue  # its files are the largest: participants and runs are what counts
        copy = path.with_name(name.format(path.name))
        shutil.copytree(path, copy)
        try:
            found = read(layout, root)
        except LabError as error:
            assert copy.name in str(error) and "delete" not in error.remedy
        else:
            assert found == expected, path
        shutil.rmtree(copy)


def test_folders_behind_links_are_read_and_counted(loader, tmp_path):
    layout, root, expected = loader
    n_files = len(list_visible_files(root))
    for i, path in enumerate(sorted(path for path in root.iterdir() if path.is_dir())):
        path.rename(tmp_path / f"elsewhere-{i}")
        path.symlink_to(tmp_path / f"elsewhere-{i}")
    assert read(layout, root) == expected
    assert len(list_visible_files(root)) == n_files
    (root / "round").symlink_to(root)
    assert len(list_visible_files(root)) == n_files


@pytest.mark.parametrize("name, stray", [
    ("._a.png", True), (".DS_Store", True), ("THUMBS.DB", True), ("Desktop.ini", True),
    ("a.png~", True), ("~$a.xlsx", True), ("__MACOSX", True), ("Icon\r", True),
    ("a.png", False), ("macosx", False), ("desktop", False), ("thumbs", False)])
def test_what_is_a_stray(name, stray):
    assert is_stray(name) == stray


@pytest.mark.parametrize("name, of", [
    ("a (1).png", "a.png"), ("a copy 2.png", "a.png"), ("Copy of a.png", "a.png"),
    ("a - Kopie.png", "a.png"), ("a.png.bak", "a.png"), ("a_old.png", "a.png"),
    ("gold", None), ("aold.png", None), ("b (1).png", None), ("a.png", None), ("a1.png", None)])
def test_what_is_a_copy(name, of):
    assert find_original(name, {"a.png", "g", name}) == of


def test_a_name_that_may_be_data_is_never_left_out_in_silence(tmp_path):
    fit = re.compile(r"subj\d\d")
    paths = [tmp_path / name for name in ("subj01", "subj02", "subj02_x", "._subj01")]
    assert [path.name for path in select_by_pattern(paths, fit, "the folder", "subj01")] == [
        "subj01", "subj02"]
    for name in ("subj3", "Subj03", "subj010", "subj03_old", "sub-03"):
        with pytest.raises(LabError, match=f"the folder {name} ") as found:
            select_by_pattern([*paths, tmp_path / name], fit, "the folder", "subj01")
        assert "rename" in found.value.remedy


# ---- participants, sessions, regions --------------------------------------------------------

@pytest.fixture
def tiny(once, tmp_path):
    def copied(layout: str) -> Path:
        root = tmp_path / layout
        shutil.copytree(once(f"strays-{layout}", MADE[layout]), root)
        return root

    return copied


@pytest.mark.parametrize("layout, old, new", [
    ("nsd", "nsddata_betas/ppdata/subj02", "nsddata_betas/ppdata/Subj02"),
    ("nsd-volume", "nsddata_betas/ppdata/subj02", "nsddata_betas/ppdata/subj2"),
    ("algonauts", "subj02", "sub02"), ("object2vec", "fmri_ppa_loc/subj002_old",
                                       "fmri_ppa_loc/subj02"),
    ("nod", "derivatives/ciftify/sub-02", "derivatives/ciftify/sub-2")])
def test_a_participant_of_another_spelling_is_named(tiny, layout, old, new):
    root = tiny(layout)
    (root / old).rename(root / new)
    with pytest.raises(LabError, match=f"the participant {Path(new).name} "):
        read_cohort(layout, root)


@pytest.mark.parametrize("layout", COHORTS)
def test_who_is_not_opened_is_reported(tiny, layout):
    cohort = read_cohort(layout, tiny(layout))
    for ask in (cohort.rois, cohort.folds, lambda who: cohort.responses(who, ())):
        with pytest.raises(LabError, match="no participant 'subj01_old'(?s:.)*one of (su|p01)"):
            ask("subj01_old")


def test_a_session_of_another_spelling_is_named(tiny):
    root = tiny("nsd-volume")
    betas = next(root.glob("nsddata_betas/ppdata/subj01/*/betas_*"))
    (betas / "betas_session1.hdf5").touch()
    with pytest.raises(LabError, match="the session betas_session1.hdf5"):
        read_cohort("nsd-volume", root)


MASKS = [f"{stem}.npy" for stem in ("mapping_floc-faces", "lh.floc-faces_challenge_space",
                                    "rh.floc-faces_challenge_space")]


@pytest.mark.parametrize("gone", [MASKS[:1], MASKS[1:2], MASKS[1:], MASKS])
def test_label_files_that_are_missing_drop_no_region_in_silence(tiny, gone):
    root = tiny("algonauts")
    for name in gone:
        (root / "subj02/roi_masks" / name).unlink()
    with pytest.raises(LabError, match="floc-faces"):
        Algonauts(root).rois("subj02")
    assert "FFA-1" in Algonauts(root, subjects=("subj01",)).rois("subj01")


def test_label_files_of_nsd_that_one_participant_lacks_are_named(tiny):
    root = tiny("nsd")
    for side in ("lh", "rh"):
        (root / f"nsddata/freesurfer/subj02/label/{side}.floc-faces.mgz").unlink()
    with pytest.raises(LabError, match="subj02 has no files of the labels floc-faces"):
        read_cohort("nsd", root)


def test_two_images_of_one_number_are_both_named(tiny):
    folder = tiny("algonauts") / "subj01/training_split/training_images"
    first = sorted(folder.iterdir())[0].name
    (folder / first.replace("train-0001", "train-0099")).touch()
    with pytest.raises(LabError, match=f"{first}, train-0099") as found:
        read_cohort("algonauts", folder.parents[2])
    assert "fetch" not in found.value.remedy


# ---- images --------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", [s for s in SUFFIXES] + [s.upper() for s in SUFFIXES[:5]])
def test_formats_of_torchvision_are_read(tmp_path, suffix):
    (tmp_path / "a").mkdir()
    kind = {".jpe": "JPEG", ".jfif": "JPEG", ".pgm": "PPM"}.get(suffix.lower())
    Image.new("RGB", (8, 8), (200, 10, 10)).save(tmp_path / "a" / f"x{suffix}", kind)
    images = image_folder(tmp_path)
    assert len(images) == 1
    assert abs(np.asarray(images.open(0), float).mean((0, 1)) - (200, 10, 10)).max() < 4


@pytest.mark.parametrize("suffix", OTHER_SUFFIXES)
def test_other_formats_are_never_left_out_in_silence(tmp_path, suffix):
    images(tmp_path, ["a"])
    (tmp_path / "a" / f"photo{suffix.upper()}").touch()
    with pytest.raises(LabError, match=f"1 images in .*photo{suffix.upper()}") as found:
        image_folder(tmp_path)
    assert "PNG" in found.value.remedy


def test_numbers_count_and_ties_are_decided_by_the_name(tmp_path, monkeypatch):
    names = ["a10.png", "a1.png", "a01.png", "A1.png", "a001.png", "a2.png", "1\u00b22.png"]
    for name in names:
        (tmp_path / name).touch()
    expected = ["1\u00b22.png", "A1.png", "a001.png", "a01.png", "a1.png", "a2.png", "a10.png"]
    assert list_images(tmp_path) == expected
    scan = os.scandir

    class Backwards(list):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    monkeypatch.setattr(os, "scandir", lambda folder: Backwards(reversed(list(scan(folder)))))
    assert list_images(tmp_path) == expected


def test_a_copy_counts_only_where_it_is_another_image(tmp_path):
    root = images(tmp_path, ["a"])
    shutil.copy(root / "a/a-1.png", root / "a/a-1 (1).png")
    shutil.copy(root / "a/a-2.png", root / "a/a-1 (2).png")
    assert image_folder(root).files == ("a/a-1 (2).png", "a/a-1.png", "a/a-2.png", "a/a-3.png")


def test_a_class_whose_name_is_that_of_a_copy_is_refused_unless_it_is_listed(tmp_path):
    root = images(tmp_path, ["dog", "dog_old"])
    with pytest.raises(LabError, match="'dog_old' .* copy of 'dog'") as found:
        image_folder(root)
    assert "delete" not in found.value.remedy
    (root / "classes.csv").write_text("class,domain\ndog,animals\ndog_old,animals\n")
    assert image_folder(root).classes == ("dog", "dog_old")


def test_stray_profiles_and_notebooks_are_not_offered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    for name in ("mine.TOML", "._mine.toml", "other.toml~"):
        (tmp_path / "profiles" / name).touch()
    assert profile_names() == ("demo", "mine", "mini", "paper")
    for name in ("01_see.py", "01_see (1).py", "01_see_old.py", "01_see_copy.py", "02_hear.py"):
        (tmp_path / name).touch()
    assert [path.name for path in list_sources(tmp_path)] == ["01_see.py", "02_hear.py"]


# ---- folders that were fetched ----------------------------------------------------------------

def source(**more) -> DownloadSource:
    return DownloadSource(name="set", url="http://127.0.0.1:9/x.zip", licence="none", files=6,
                          **more)


@pytest.fixture
def fetched(tmp_path) -> Path:
    return images(tmp_path / "set", ["adult", "body"])


def test_strays_do_not_count_as_files_of_a_set(fetched):
    for name in STRAYS:
        (fetched / "adult" / name).touch()
    assert fetch_folder(source(), fetched) == fetched


def test_one_file_too_many_is_named_and_nothing_is_to_be_deleted(fetched):
    (fetched / "body/holiday.png").touch()
    with pytest.raises(LabError, match="holds 7 files") as found:
        fetch_folder(source(), fetched)
    assert "body/holiday.png" in found.value.remedy and "delete" not in found.value.remedy


@pytest.mark.parametrize("more, advice", [({}, "put the missing files back"),
                                          ({"by_hand": "sign there"}, "sign there")])
def test_a_file_too_few_can_be_put_back(fetched, more, advice):
    (fetched / "body/body-1.png").unlink()
    with pytest.raises(LabError, match="holds 5 files") as found:
        fetch_folder(source(**more), fetched)
    assert advice in found.value.remedy and "delete" not in found.value.remedy
