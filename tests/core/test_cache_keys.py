"""Everything that can change a result is in its key: every cached artefact, every input of it."""

from __future__ import annotations

import ast
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image
from support import key_worlds
from support.brain_files import (
    write_tiny_algonauts,
    write_tiny_arrays,
    write_tiny_nod,
    write_tiny_nsd,
    write_tiny_object2vec,
)
from support.key_worlds import (
    DOMAIN,
    IMAGES,
    PREPROCESSING,
    RESPONSES,
    SITES,
    World,
    flip_byte,
    save,
    write_classes,
    write_world,
)

from helpers import lab
from helpers.brains.layouts import read_cohort
from helpers.config.data import FolderSpec, ImageSetSpec
from helpers.config.profile import load_profile
from helpers.core import cache, content_digests
from helpers.core.digest import file_digest
from helpers.core.errors import LabError
from helpers.core.paths import CACHE_VARIABLE, ROOT
from helpers.decoding import study as decoding_study
from helpers.decoding.study import DecodingStudy
from helpers.encoding.cohort_responses import read_responses
from helpers.networks import weight_files
from helpers.networks.clip import ClipModel
from helpers.networks.registry import get_entry
from helpers.runner import freshness

pytestmark = pytest.mark.slow


class Asked(Exception):
    """An artefact is wanted; its key is known, and it need not be made."""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world") / "tiny").root


@pytest.fixture
def world(pristine, private):
    shutil.copytree(pristine, private / "tiny")
    return World(private / "tiny")


def key_of(site: str, ask, world: World) -> str:
    """Return the key of the artefact that ``ask`` is for; whatever it needs before is made."""
    plain, kind = cache._make_artefact, site.split()[1]

    def make(path, parts, maker):
        if path.parent.name == kind:
            raise Asked(path.stem.rpartition("-")[2])
        return plain(path, parts, maker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_make_artefact", make)
        with pytest.raises(Asked) as found:
            ask(world)
    return str(found.value)


# ---- every artefact x every input ---------------------------------------------------------------

def kinds_in_source() -> Counter[str]:
    """Find every call of `cached`; where it takes its kind from its caller, the callers' kinds."""
    found: Counter[str] = Counter()
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = ".".join(path.relative_to(ROOT / "helpers").with_suffix("").parts)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            for call in ast.walk(function):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                        and call.func.id in ("cached", "cached_table")):
                    continue
                found[f"{name} {_kind(call)}"] += _innermost(call, function, tree)
                if _kind(call) is None and name != "core.cache":
                    found.update(f"{name} {_kind(one)}" for one in calls
                                 if getattr(one.func, "attr", "") == function.name)
    return Counter({site: n for site, n in found.items() if n and not site.endswith(" None")})


def _kind(call: ast.Call) -> str | None:
    return call.args[0].value if isinstance(call.args[0], ast.Constant) else None


def _innermost(call: ast.Call, function: ast.FunctionDef, tree: ast.AST) -> bool:
    """Tell whether no function within ``function`` holds the call: it is counted once."""
    return not any(call in ast.walk(inner) for inner in ast.walk(function)
                   if isinstance(inner, ast.FunctionDef) and inner is not function)


def test_every_call_of_the_cache_is_listed_here():
    found, listed = kinds_in_source(), Counter(site for site, _, _ in SITES)
    assert found.keys() == listed.keys() and found <= listed, (
        "list the new artefact in tests/support/key_worlds.py, with all that it depends on")


@pytest.mark.parametrize("site, ask, inputs", SITES, ids=[
    f"{site}-{number}" for number, (site, _, _) in enumerate(SITES)])
def test_every_input_changes_the_key_and_nothing_else_does(site, ask, inputs, pristine, private):
    shutil.copytree(pristine, private / "tiny")
    first = key_of(site, ask, World(private / "tiny"))
    for path in (private / "tiny").rglob("*"):  # a copy elsewhere, at another time, is the same
        os.utime(path, (1, 1))
    shutil.move(private / "tiny", private / "moved")
    assert key_of(site, ask, World(private / "moved")) == first
    keys = {"as it was": first}
    for name, change in inputs.items():
        shutil.rmtree(private / "moved")
        shutil.copytree(pristine, private / "moved")
        changed = World(private / "moved")
        change(changed)
        try:
            keys[name] = key_of(site, ask, changed)
        except LabError:
            continue  # noticed: files that do not belong together
    same = [name for name, key in keys.items() if list(keys.values()).count(key) > 1]
    assert not same, "these give the same key"


# ---- results, where they are cheap --------------------------------------------------------------

def inverted(world: World) -> None:
    for path in world.brains.rglob("*nsd-*.png"):
        with Image.open(path) as image:
            pixels = 255 - np.asarray(image)
        save(path, pixels)


@pytest.mark.parametrize("ask, change", [
    (key_worlds.localizer, IMAGES["domains"]), (key_worlds.read_layer, PREPROCESSING["resize"]),
    (key_worlds.responses, RESPONSES["betas"]), (key_worlds.whole_layers, inverted),
    (key_worlds.cohort_pixels, inverted)])
def test_the_result_after_a_change_is_that_of_an_empty_cache(ask, change, world, private,
                                                             monkeypatch):
    first = ask(world)
    change(world)
    again = ask(world)
    monkeypatch.setenv(CACHE_VARIABLE, str(private / "empty"))
    anew = ask(world)
    assert flat(again) == flat(anew) != flat(first)


def flat(found) -> str:
    """Write a result as text, whatever holds its arrays."""
    if isinstance(found, np.ndarray):
        return f"{found.dtype} {found.tolist()}"
    if isinstance(found, Mapping):
        return " ".join(f"{name} {flat(value)}" for name, value in found.items())
    if isinstance(found, tuple):
        return " ".join(map(flat, found))
    return flat(vars(found)) if hasattr(found, "__dict__") else repr(found)


# ---- files that are opened x keys ---------------------------------------------------------------

class Watch:
    """Note which files below a folder are opened, save those that a digest is taken of."""

    def __init__(self) -> None:
        self.folder, self.opened, self.digesting = None, set(), threading.local()

    def note(self, path: object) -> None:
        if self.folder and isinstance(path, str | os.PathLike) and not getattr(
                self.digesting, "now", False):
            path = Path(os.path.abspath(os.fsdecode(path)))
            if path.is_relative_to(self.folder) and path.is_file():
                self.opened.add(path.relative_to(self.folder))

    def digest(self, path):
        self.digesting.now = True
        try:
            return file_digest(path)
        finally:
            self.digesting.now = False


WATCH = Watch()
sys.addaudithook(lambda event, given: WATCH.note(given[0]) if event == "open" else None)


@contextmanager
def watched(folder: Path):
    """Yield the set of files below a folder that are opened meanwhile, HDF5's among them."""
    plain = h5py.File.__init__

    def noted(self, name, *given, **named):
        WATCH.note(name)
        plain(self, name, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py.File, "__init__", noted)
        patch.setattr(content_digests, "file_digest", WATCH.digest)
        WATCH.folder, WATCH.opened = folder, set()
        try:
            yield WATCH.opened
        finally:
            WATCH.folder = None


def brains(layout: str, write, **shape):
    """Return what writes a cohort in a layout, and what reads a participant's responses."""
    split = {"n_pool": 40, "n_batches": 2} if write is write_tiny_nsd else {}

    def ask(root: Path):
        cohort = read_cohort(layout, root, **split)
        subject = cohort.subjects[0]
        return read_responses(cohort, subject, cohort.rois(subject)[:3])

    return pytest.param(lambda root: write(root, **shape), ask, id=layout)


def of_world(ask):
    return pytest.param(lambda root: write_world(root), lambda root: ask(World(root)),
                        id=ask.__name__)


@pytest.mark.parametrize("write, ask", [
    brains("algonauts", write_tiny_algonauts, n_subjects=1), brains("object2vec",
                                                                    write_tiny_object2vec),
    brains("arrays", write_tiny_arrays),
    brains("nsd", write_tiny_nsd, n_subjects=2, n_shared=12, n_own=60),
    brains("nsd-volume", write_tiny_nsd, n_subjects=2, n_shared=12, n_own=60, shape=(6, 5, 4)),
    brains("nod", write_tiny_nod, n_subjects=1, n_trials=8),
    *map(of_world, (key_worlds.localizer, key_worlds.task_of, key_worlds.cohort_pixels,
                    key_worlds.whole_layers, key_worlds.embedded, key_worlds.stages))])
def test_every_file_that_is_opened_is_in_the_key(write, ask, private, monkeypatch):
    write(private / "data")
    (private / "data").rename(private / "tiny")
    with monkeypatch.context() as patch:
        patch.setattr(ClipModel, "embed_images", lambda self, stimuli, **_: np.stack(
            [np.asarray(stimuli.open(i), np.float32).mean((0, 1)) for i in range(len(stimuli))]))
        with watched(private / "tiny") as opened:
            ask(private / "tiny")
    assert opened
    first = keys_in(private / "cache")
    for name in sorted(opened):
        content = (private / "tiny" / name).read_bytes()
        flip_byte(private / "tiny" / name)
        try:
            assert key_asked(ask, private / "tiny") not in first, f"{name} is not in the key"
        except LabError:
            pass  # noticed
        (private / "tiny" / name).write_bytes(content)
    assert key_asked(ask, private / "tiny") is None, "contents are as before: nothing is made"


def keys_in(folder: Path) -> set[str]:
    return {path.stem.rpartition("-")[2] for path in folder.glob("*/*.npz")}


def key_asked(ask, root: Path) -> str | None:
    """Return the key of the first artefact that has to be made; None: there is none."""
    def make(path, *_):
        raise Asked(path.stem.rpartition("-")[2])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_make_artefact", make)
        try:
            ask(root)
        except Asked as asked:
            return str(asked)
    return None


@pytest.mark.parametrize("name", IMAGES)
def test_sets_too_large_to_be_read_are_never_taken_for_what_they_were(name, world, monkeypatch):
    monkeypatch.setattr("helpers.stimuli.image_sets.MANY", 1)
    before = world.images.digest
    assert world.images.digest == before
    IMAGES[name](world)
    assert world.images.digest != before


# ---- handles that are no artefacts --------------------------------------------------------------

def test_untrained_weights_are_drawn_anew_where_the_network_is_built_otherwise(private,
                                                                               monkeypatch):
    name = "demo-untrained"
    listed = replace(get_entry(name), file="")
    found = []
    for one in (listed, listed, replace(listed, options={**listed.options, "n_classes": 3})):
        monkeypatch.setattr(weight_files, "build", lambda *_, **__: None)
        monkeypatch.setattr(weight_files, "save_state_dict", lambda path, _: None)
        monkeypatch.setattr(weight_files, "write_record", lambda path: None)
        found.append(weight_files.weights_file(one, private))
    assert found[0] == found[1] != found[2]


# ---- the stamps of notebooks --------------------------------------------------------------------

def stamped(profile, opened=("localizer", "names")) -> str:
    return freshness.inputs_key(profile, opened)


@pytest.fixture
def profile(private):
    """A profile whose data lie in this test's own folder."""
    plain = load_profile("demo")
    names = FolderSpec("embeddings", "fetch:clip-names")
    sets = {"localizer": ImageSetSpec("imagefolder", "set", "synthetic:localizer")}
    write_world(private / "data")
    (private / "data/embeddings").mkdir()
    (private / "data/embeddings/vectors.npy").write_bytes(b"12345")
    (private / "cache/weights").mkdir(parents=True)
    for name in ("localizer-abc", "other-net-abc"):
        (private / f"cache/weights/{name}.safetensors").write_bytes(b"123")
    return replace(plain, image_sets=sets, decoding=replace(plain.decoding, network="",
                                                            names=names))


@pytest.mark.parametrize("name", ["data/set/p/2.png", "data/set/classes.csv",
                                  "data/embeddings/vectors.npy", "data/set/linked/0.png",
                                  "cache/weights/localizer-abc.safetensors"])
def test_a_figure_is_stale_after_each_file_that_changed_with_its_old_size_and_time(
        name, profile, private):
    (private / "data/elsewhere").mkdir()
    (private / "data/elsewhere/0.png").write_bytes(b"12345")
    (private / "data/set/linked").symlink_to(private / "data/elsewhere")
    (private / "data/set/round").symlink_to(private / "data/set")  # no end, if it were followed
    first = stamped(profile)
    assert stamped(profile) == first
    flip_byte(private / name)
    assert stamped(profile) != first


def test_a_figure_is_stale_after_a_link_leads_elsewhere_or_classes_are_listed_above(profile,
                                                                                    private):
    for name in ("one", "two"):
        (private / f"data/{name}").mkdir()
        (private / f"data/{name}/0.png").write_bytes(b"12345")
    (private / "data/set/linked").symlink_to(private / "data/one")
    stamps = [stamped(profile)]
    (private / "data/set/linked").unlink()
    (private / "data/set/linked").symlink_to(private / "data/two")
    stamps.append(stamped(profile))
    write_classes(private / "data", DOMAIN)
    stamps.append(stamped(profile))
    write_classes(private / "data", DOMAIN | {"p": "scenes", "r": "faces"})
    stamps.append(stamped(profile))
    assert len(set(stamps)) == len(stamps)
    flip_byte(private / "cache/weights/other-net-abc.safetensors")
    assert stamped(profile) == stamps[-1], "of a network that the notebook did not open"


def test_a_notebook_that_reads_name_embeddings_says_so(monkeypatch, private):
    """Stamps follow what the claims table names as opened, by the names in `Profile.sources`."""
    laboratory = lab.open("mini", notebook="none")
    monkeypatch.setattr(lab, "ensure_available", lambda *_: private)
    digests = {"read_name_embeddings": "1", "name_embedding_space": "2", "open_cohort": "3"}
    for opener, digit in digests.items():
        monkeypatch.setattr(decoding_study, opener,
                            lambda *_, digit=digit: SimpleNamespace(digest=digit * 64))
    DecodingStudy.open(laboratory)
    assert "names" in laboratory.provenance.inputs.keys() & laboratory.profile.sources.keys()


# ---- digests that are remembered ----------------------------------------------------------------

@pytest.fixture
def reads(monkeypatch, private):
    """Count how often files are read; let every file be old enough to be remembered."""
    monkeypatch.setattr(content_digests, "MIN_AGE_S", -1.0)
    read = []
    monkeypatch.setattr(content_digests, "file_digest",
                        lambda path: read.append(path) or file_digest(path))
    return read


def test_a_file_is_read_once_until_it_changes_in_whatever_way(reads, private):
    path = private / "betas.npy"
    path.write_bytes(b"0" * 10)
    first = content_digests.content_digests([path])
    content_digests._loaded_stores.clear()  # another process
    assert content_digests.content_digests([path]) == first == [
        file_digest(path)] and len(reads) == 1
    os.utime(path, (1, 1))
    assert content_digests.content_digests([path]) == first and len(reads) == 2
    path.write_bytes(b"1" * 10)
    os.utime(path, (1, 1))
    assert content_digests.content_digests([path]) == [file_digest(path)] != first
    (private / "other").write_bytes(b"2" * 10)
    os.replace(private / "other", path)
    assert content_digests.content_digests([path]) == [file_digest(path)] and len(reads) == 4


def test_a_young_file_is_not_remembered(reads, private, monkeypatch):
    monkeypatch.setattr(content_digests, "MIN_AGE_S", 60.0)
    path = private / "betas.npy"
    path.write_bytes(b"0")
    assert content_digests.content_digests([path]
                                           * 2) == content_digests.content_digests([path]) * 2
    assert len(reads) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": "/elsewhere", "files": {}}'])
def test_digests_that_cannot_be_read_or_are_of_another_folder_are_taken_anew(reads, private, text):
    path = private / "betas.npy"
    path.write_bytes(b"0")
    first = content_digests.content_digests([path])
    (kept,) = (private / "cache/digests").glob("*.json")
    kept.write_text(text)
    content_digests._loaded_stores.clear()
    assert content_digests.content_digests([path]) == first and len(reads) == 2


def test_a_flipped_bit_among_the_remembered_digests_is_noticed(reads, private, capsys):
    path = private / "betas.npy"
    path.write_bytes(b"0")
    first = content_digests.content_digests([path])
    (kept,) = (private / "cache/digests").glob("*.json")
    digit = first[0][5]
    kept.write_text(kept.read_text().replace(first[0], first[0].replace(
        digit, "1" if digit != "1" else "3")))
    content_digests._loaded_stores.clear()
    assert content_digests.content_digests([path]) == first and len(reads) == 2
    assert "are damaged" in capsys.readouterr().out


def test_large_files_are_read_by_one_process_and_kept_when_interrupted(reads, private, monkeypatch):
    monkeypatch.setattr(content_digests, "LARGE_BYTES", 1)
    paths = [private / f"{number}.hdf5" for number in range(40)]
    for path in paths:
        path.write_bytes(path.name.encode())

    def interrupted(path):
        if path.endswith("30.hdf5"):
            raise KeyboardInterrupt
        return file_digest(path)

    with monkeypatch.context() as patch:
        patch.setattr(content_digests, "file_digest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            content_digests.content_digests(paths)
    assert content_digests.content_digests(paths) == [file_digest(path) for path in paths]
    assert len(reads) == 10


def test_a_file_that_is_absent_is_named(private):
    with pytest.raises(LabError, match="nowhere.npy cannot be read"):
        content_digests.content_digests([private / "nowhere.npy"])
