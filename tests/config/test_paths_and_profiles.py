"""Folders, whole-or-nothing writing, and strict profiles."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from helpers.config.profile import load_profile, profile_names
from helpers.core import paths
from helpers.core.errors import LabError

DEMO = paths.ROOT / "helpers" / "profiles" / "demo.toml"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("LAB_DATA", "LAB_CACHE", "LAB_FIGURES"):
        monkeypatch.delenv(name, raising=False)


# Folders

def test_data_dir_variable_before_default(monkeypatch, tmp_path):
    assert paths.data_dir("data/demo") == paths.ROOT / "data" / "demo"
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    assert paths.data_dir("data/demo") == tmp_path


def test_folders_do_not_depend_on_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", "some/cache")
    assert paths.cache_dir() == paths.ROOT / "some" / "cache"
    assert paths.figures_dir("demo") == paths.ROOT / "figures" / "demo"
    monkeypatch.setenv("LAB_FIGURES", str(tmp_path / "staging"))
    assert paths.figures_dir("demo") == tmp_path / "staging"


def test_ensure_writable_makes_the_folder_and_leaves_nothing(tmp_path):
    folder = paths.ensure_writable(tmp_path / "a" / "b")
    assert folder.is_dir() and not list(folder.iterdir())


def test_ensure_writable_names_the_variables_when_it_cannot(tmp_path):
    (tmp_path / "file").touch()  # a folder below a file cannot be made, not even by root
    with pytest.raises(LabError, match="LAB_DATA") as caught:
        paths.ensure_writable(tmp_path / "file" / "folder")
    assert str(tmp_path / "file" / "folder") in caught.value.seen


def test_ensure_writable_tries_rather_than_asks(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(Path, "touch", refuse)
    assert os.access(tmp_path, os.W_OK)
    with pytest.raises(LabError, match="Read-only file system"):
        paths.ensure_writable(tmp_path)


def test_size_text():
    assert [paths.format_size(n) for n in (0, 999, 194_847_437, 3_500_000_000_000)] == [
        "0 B", "999 B", "195 MB", "3.5 TB"]


def test_ensure_space(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.shutil, "disk_usage", _usage(free=5_000_000))
    paths.ensure_space(tmp_path, 5_000_000, "it")
    with pytest.raises(LabError, match="5 MB free"):
        paths.ensure_space(tmp_path, 5_000_001, "it")


# Whole or not there

def test_atomic_write_replaces_and_keeps_the_suffix(tmp_path):
    target = tmp_path / "new" / "a.b.csv"
    seen = []
    for text in ("old", "new"):
        paths.atomic_write(target, lambda path, text=text: (seen.append(path.suffix),
                                                            path.write_text(text)))
    assert target.read_text() == "new" and seen == [".csv", ".csv"]
    assert [path.name for path in target.parent.iterdir()] == ["a.b.csv"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), ValueError("no"), OSError("other")])
def test_atomic_write_leaves_the_old_file_when_writing_fails(tmp_path, problem):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write(path):
        path.write_text("half")
        raise problem

    with pytest.raises(type(problem)):
        paths.atomic_write(target, write)
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_atomic_write_says_that_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(paths.shutil, "disk_usage", _usage(free=12_000))

    def write(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LabError, match=r"disk is full.*12 kB free"):
        paths.atomic_write(tmp_path / "a.txt", write)
    assert not list(tmp_path.iterdir())


def _usage(free):
    return lambda folder: namedtuple("usage", "total used free")(10**12, 10**12 - free, free)


# Profiles

@pytest.fixture
def write_profile(tmp_path, monkeypatch):
    """Write ``profiles/mine.toml``: the demo profile with some text replaced."""
    monkeypatch.chdir(tmp_path)

    def write(*changes, name="mine"):
        text = DEMO.read_text(encoding="utf-8")
        for old, new in (('name = "demo"', f'name = "{name}"'), *changes):
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "profiles" / "mine.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path
    return write


def test_the_three_profiles_load():
    demo, mini, paper = map(load_profile, ("demo", "mini", "paper"))
    assert (demo.data_kind, mini.data_kind, paper.data_kind) == ("SYNTHETIC", "REAL", "REAL")
    assert demo.synthetic.diet_train == 14400 and mini.synthetic is None
    assert demo.networks.pies == paper.networks.pies and len(mini.networks.pies) == 7
    assert demo.image_sets["localizer"].layout == "floc"
    for profile in (demo, mini, paper):
        assert profile.networks.heat_map_layer in profile.networks.pies


def test_every_fetched_image_set_is_listed_and_counted():
    from helpers.datasets.sources import load_source
    for name in ("mini", "paper"):
        for images in load_profile(name).image_sets.values():
            source = load_source(images.source.removeprefix("fetch:"))
            assert source.files > 0 or source.by_hand


def test_a_users_own_profile_is_found_by_name_and_by_path(write_profile):
    path = write_profile(("seed = 0", "seed = 7"))
    assert load_profile("mine").seed == 7 and "mine" in profile_names()
    assert load_profile(path) == load_profile("profiles/mine.toml") == load_profile("mine")


def test_unknown_profile_lists_the_valid_ones():
    with pytest.raises(LabError, match="demo, mini, paper") as caught:
        load_profile("dmeo")
    assert "did you mean 'demo'" in caught.value.remedy


@pytest.mark.parametrize(("old", "new", "words"), [
    ("batch_size = 64", "batch_szie = 64", ["batch_szie", "mine.toml", "mean 'batch_size'"]),
    ('layout = "floc"', 'layuot = "floc"', ["'localizer'", "layuot", "layout, path, source"]),
    ("heat_map_layer =", "heatmap_layer =", ["'networks'", "heat_map_layer"]),
    ("seed = 0  ", "", ["'seed'", "missing"]),
    ("batch_size = 64", 'batch_size = "64"', ["'batch_size'", "'64'", "a whole number"]),
    ("alphas_standardised = [0.05, 0.1]", "alpha = nan", ["'alpha'", "a number"]),
    ("alphas_standardised = [0.05, 0.1]", "alphas_standardised = [0.05, 0.0]",
     ["'alphas_standardised'", "item 1", "greater than 0"]),
    ("batch_size = 64", "batch_size = true", ["'batch_size'", "a whole number"]),
    ("batch_size = 64", "batch_size = 6.4", ["'batch_size'", "a whole number"]),
    ("batch_size = 64", "batch_size = 0", ["'batch_size'", "the value is 0", "greater than 0"]),
    ('"SYNTHETIC"', '"SYNTHETICAL"', ["'data_kind'", "'REAL', 'SYNTHETIC'"]),
    ('["demo-simclr", "demo-supervised", "demo-faces"]', '"demo-simclr"', ["'compare'", "a list"]),
    ('["demo-simclr",', "[3,", ["'compare'", "item 0", "a string"]),
    ("diet_val = 2400 ", "diet_val = -1 ", ["'diet_val'", "the value is -1", "greater than 0"]),
    ('"synthetic:probe"', '"synthetic:prob"', ["synthetic:prob", "'synthetic:probe'"]),
    ('"synthetic:probe"', '"classic"', ["'classic'", "'fetch:vpnl-floc'"]),
    ('name = "mine"', 'name = "other"', ["'other'", "'mine'"]),
    ("[networks]", "[networks", ["mine.toml", "line"]),
])
def test_a_wrong_profile_is_refused_with_the_place(write_profile, old, new, words):
    write_profile((old, new))
    with pytest.raises(LabError) as caught:
        load_profile("mine")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_rendered_image_set_needs_a_universe(write_profile):
    path = write_profile()
    path.write_text(path.read_text(encoding="utf-8").split("[synthetic]")[0], encoding="utf-8")
    with pytest.raises(LabError, match="no sizes"):
        load_profile("mine")


def test_digest_counts_content_but_not_comments(write_profile):
    write_profile()
    before = load_profile("mine").digest
    write_profile(("# Default profile", "# My own words"))
    assert load_profile("mine").digest == before
    write_profile(("diet_train = 14400", "diet_train = 14401"))
    assert load_profile("mine").digest != before
    write_profile(("[synthetic]", '[resources]\n"05" = { memory = 9.0 }\n\n[synthetic]'))
    profile = load_profile("mine")  # what a run needs does not make its results stale
    assert profile.resources["05"].memory == 9 and profile.digest == before


@pytest.mark.slow
def test_what_needs_no_network_does_not_load_torch():
    """Nor does the runner, or what judges claims: it takes seconds, in each of their processes."""
    packages = ("core", "config", "datasets", "runner")
    names = {f"helpers.{package}.{path.stem}" for package in packages
             for path in (paths.PACKAGE / package).glob("*.py") if path.stem != "__init__"}
    names = names - {"helpers.core.moments"} | {"helpers.figures.claims"}
    code = f"import sys, {', '.join(sorted(names))}; " \
           "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT).returncode == 0
