"""Artefacts: keyed by content, made once, whole or not there."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed

from helpers.core import cache, paths
from helpers.core.cache import ArtefactLocked, cached, key, raise_if_locked
from helpers.core.cooperative_map import cooperative_map
from helpers.core.errors import LabError

ARRAYS = {"t_values": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "bc"])}

texts = st.text('aü",:[{1', max_size=4)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(texts, inner, max_size=3), max_leaves=6)
names = st.text("abcdefgh", min_size=1)


@dataclass(frozen=True)
class Spec:
    size: int
    layers: tuple[str, ...]


def reorder(value):
    if isinstance(value, dict):
        return {label: reorder(item) for label, item in reversed(value.items())}
    return tuple(reorder(item) for item in value) if isinstance(value, list) else value


@given(st.dictionaries(names, values, max_size=4))
def test_key_does_not_depend_on_order_or_on_list_or_tuple(parts):
    assert key(**parts) == key(**reorder(parts))
    assert len(key(**parts)) == 16 and int(key(**parts), 16) >= 0


@given(st.dictionaries(names, values, min_size=1, max_size=3), st.data())
def test_key_changes_with_content(parts, data):
    label = data.draw(st.sampled_from(sorted(parts)))
    other = data.draw(values)
    same = json.dumps(parts[label], sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (key(**parts) == key(**{**parts, label: other})) == same


def test_key_tells_types_and_nesting_apart():
    different = [1, 1.0, True, "1", None, "None", [1], [[1]], {"a": 1}, [1, 1], ["a", 1]]
    assert len({key(x=value) for value in different}) == len(different)
    assert key(x=Spec(3, ("a",))) == key(x={"size": 3, "layers": ["a"]})
    assert key(x=Spec(3, ("a",))) != key(x=Spec(3, ("b",)))


@pytest.mark.parametrize("value", [np.arange(3), np.int64(3), {1: 2}, {3}, b"x", Spec, object()])
def test_key_refuses_what_it_cannot_write_down(value):
    with pytest.raises(LabError, match=r"parts\['spec'\]\[0\] is of type"):
        key(spec=[value])


class Maker:
    def __init__(self, arrays=ARRAYS):
        self.arrays, self.calls = arrays, 0

    def __call__(self):
        self.calls += 1
        return self.arrays


def ask(folder, make, **parts):
    return cached("localizer", "net-fc6", {"seed": 0, **parts}, make, folder=folder)


def files(folder):
    return sorted(path.name for path in folder.rglob("*")
                  if path.is_file() and not path.name.endswith(".lock"))


def assert_same(arrays):
    assert list(arrays) == list(ARRAYS)
    for label, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[label], array)
        assert arrays[label].dtype == array.dtype


def test_made_once_then_read(tmp_path):
    make = Maker()
    assert_same(ask(tmp_path, make))
    assert_same(ask(tmp_path, make))
    assert make.calls == 1
    ask(tmp_path, make, q=0.05)
    assert make.calls == 2 and len(files(tmp_path)) == 4


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "c"))
    cached("k", "n", {}, Maker())
    assert files(tmp_path / "c" / "k") == [f"n-{key()}.json", f"n-{key()}.npz"]


def test_sidecar_tells_from_what_it_was_made(tmp_path):
    ask(tmp_path, Maker(), layers=("fc6", "fc7"))
    sidecar = json.loads(next(tmp_path.rglob("*.json")).read_text())
    assert sidecar["parts"] == {"seed": 0, "layers": ["fc6", "fc7"]}
    assert sidecar["shapes"] == {"t_values": [[2, 3], "float64"], "names": [[2], "<U2"]}
    assert sidecar["versions"]["numpy"] == np.__version__ and sidecar["seconds"] >= 0


def test_sidecar_tells_the_work_from_the_waiting(tmp_path):
    def make():
        time.sleep(0.3)
        begin = time.process_time()
        while time.process_time() < begin + 0.1:
            pass
        return ARRAYS

    ask(tmp_path, make)
    sidecar = json.loads(next(tmp_path.rglob("*.json")).read_text())
    assert sidecar["seconds"] >= 0.4 and 0.1 <= sidecar["cpu_seconds"] < sidecar["seconds"] - 0.2


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("suffix", "damage", "flaw"), [
    (".npz", truncate, "digest differs"), (".npz", flip, "digest differs"),
    (".json", truncate, "cannot be read"),
    (".json", lambda path: path.write_text("[]"), "cannot be read"),
])
def test_a_damaged_artefact_is_named_and_made_again(tmp_path, capsys, suffix, damage, flaw):
    make = Maker()
    ask(tmp_path, make)
    damage(next(tmp_path.rglob(f"*{suffix}")))
    capsys.readouterr()
    assert_same(ask(tmp_path, make))
    said = capsys.readouterr().out
    assert make.calls == 2 and "net-fc6-" in said and flaw in said
    assert_same(ask(tmp_path, make))
    assert make.calls == 2


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_a_half_missing_artefact_is_made_again(tmp_path, suffix):
    make = Maker()
    ask(tmp_path, make)
    next(tmp_path.rglob(f"*{suffix}")).unlink()
    assert_same(ask(tmp_path, make))
    assert make.calls == 2


def test_objects_are_refused(tmp_path):
    ragged = np.array([np.ones(2), np.ones(3)], dtype=object)
    with pytest.raises(LabError, match="'ragged'.*object"):
        ask(tmp_path, Maker({"ragged": ragged}))
    assert not files(tmp_path)


@pytest.mark.parametrize("word", ["", "a/b", ".hidden", "..", "a\\b"])
def test_names_stay_in_the_folder(tmp_path, word):
    with pytest.raises(LabError, match="the name"):
        cached("kind", word, {}, Maker(), folder=tmp_path)
    with pytest.raises(LabError, match="the kind"):
        cached(word, "name", {}, Maker(), folder=tmp_path)


def test_interrupted_making_leaves_nothing_and_can_be_repeated(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, interrupted)
    assert not files(tmp_path)
    assert_same(ask(tmp_path, Maker()))


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_interrupted_saving_leaves_nothing(tmp_path, monkeypatch, problem):
    savez = np.savez

    def half(path, **arrays):
        savez(path, **arrays)
        raise problem

    monkeypatch.setattr(cache.np, "savez", half)
    with pytest.raises(LabError if isinstance(problem, OSError) else KeyboardInterrupt):
        ask(tmp_path, Maker())
    assert not files(tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    make = Maker()
    with pytest.raises(LabError, match="LAB_CACHE"):
        ask(tmp_path / "file", make)
    assert make.calls == 0


def test_a_whole_artefact_is_read_from_a_read_only_folder(tmp_path, monkeypatch):
    ask(tmp_path, Maker())

    def refuse(folder):
        raise AssertionError("reading must not write")

    monkeypatch.setattr(cache, "ensure_writable", refuse)
    assert_same(ask(tmp_path, Maker()))


def _ask_in_a_process(folder, barrier):
    def make():
        with open(folder / "calls", "a") as file:
            file.write("x")
        time.sleep(0.3)
        return ARRAYS

    barrier.wait()
    assert_same(ask(folder, make))


def test_two_processes_that_ask_at_once_make_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    processes = [context.Process(target=_ask_in_a_process, args=(tmp_path, barrier))
                 for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "calls").read_text() == "x"


def _hold(folder, item, made, held, release):
    """Make an artefact in another process, slowly, or die while at it."""
    def make():
        held.set()
        release.wait(20)
        return {"item": np.array(item)} if made else os._exit(9)

    cached("jobs", f"item{item}", {}, make, folder=folder)


@pytest.fixture
def held(tmp_path):
    """Start processes that hold items of the folder ``jobs``; each call returns how to let go."""
    context = multiprocessing.get_context("fork")
    started = []

    def start(item, *, made=True):
        ready, release = context.Event(), context.Event()
        process = context.Process(target=_hold, args=(tmp_path, item, made, ready, release))
        process.start()
        started.append((process, release))
        assert ready.wait(20)
        return release

    yield start
    for process, release in started:
        release.set()
        process.join(20)


def test_who_does_not_wait_is_reported_that_another_is_at_it(tmp_path, held):
    held(1)
    make = Maker({"item": np.array(1)})
    with pytest.raises(ArtefactLocked, match="item1"), raise_if_locked():
        cached("jobs", "item1", {}, make, folder=tmp_path)
    with raise_if_locked():
        cached("jobs", "item2", {}, make, folder=tmp_path)
    assert make.calls == 1


def test_an_artefact_within_another_that_is_busy_frees_both(tmp_path, held):
    release = held(1)

    def outer():
        return cached("jobs", "item1", {}, Maker(), folder=tmp_path)

    with pytest.raises(ArtefactLocked), raise_if_locked():
        cached("outer", "all", {}, outer, folder=tmp_path)
    release.set()
    assert int(cached("outer", "all", {}, outer, folder=tmp_path)["item"]) == 1


@pytest.mark.parametrize("made", [True, False])
def test_work_is_shared_and_nothing_waits_while_there_is_any_left(tmp_path, held, made):
    """Items 0 and 2 are another's: they come last, read or (if it died) made here; order stays."""
    releases = [held(0, made=made), held(2, made=made)]
    order = []

    def do(item):
        def make():
            order.append(item)
            return {"item": np.array(item)}

        if len(order) == 2:  # all that is nobody's has been made
            for release in releases:
                release.set()
        return int(cached("jobs", f"item{item}", {}, make, folder=tmp_path)["item"])

    assert cooperative_map(do, iter(range(4))) == [0, 1, 2, 3]
    assert order[:2] == [1, 3] and sorted(order[2:]) == ([] if made else [0, 2])


def test_an_error_of_the_work_is_not_taken_for_waiting(tmp_path):
    def broken(item):
        raise LabError("a hole", expected="a whole", remedy="mend it")

    with pytest.raises(LabError, match="a hole"):
        cooperative_map(broken, [1])
    assert cooperative_map(broken, []) == []


def _square(folder, item):
    return int(cached("jobs", f"item{item}", {}, Maker({"item": np.array(item**2)}),
                      folder=folder)["item"])


@pytest.mark.slow
def test_work_can_be_shared_among_own_workers_too(tmp_path, held):
    release = held(1)

    def map_function(do, items):
        found = Parallel(n_jobs=2)(delayed(do)(item) for item in items)
        release.set()
        return found

    assert cooperative_map(partial(_square, tmp_path), range(4),
                           map_function=map_function) == [0, 1, 4, 9]


def test_a_changed_bit_in_a_sidecar_is_noticed_whatever_it_says(tmp_path, capsys):
    make = Maker()
    ask(tmp_path, make)
    sidecar = next(tmp_path.rglob("*.json"))
    sidecar.write_text(sidecar.read_text().replace('"seed": 0', '"seed": 1'))
    assert_same(ask(tmp_path, make))
    assert make.calls == 2 and "is not as it was written" in capsys.readouterr().out


def test_under_the_runner_damage_stands_in_its_log(tmp_path, capsys, monkeypatch):
    """Not in the output of a cell: an executed notebook would differ from an undisturbed one."""
    log = tmp_path / "notices"
    monkeypatch.setenv("LAB_NOTICES", str(log))
    ask(tmp_path / "c", Maker())
    flip(next((tmp_path / "c").rglob("*.npz")))
    assert_same(ask(tmp_path / "c", Maker()))
    assert capsys.readouterr().out == "" and "is damaged" in log.read_text()


def test_what_a_killed_process_had_begun_is_removed(tmp_path):
    ask(tmp_path, Maker())
    made = next(tmp_path.rglob("*.npz"))
    stem = f".{made.stem}-{paths.HOST}"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, of_another, alive = (made.with_name(name) for name in (
        f"{stem}-{gone.pid}-abcdef.part.npz", f".{made.stem}-ffffff-{gone.pid}-abcdef.part.npz",
        f"{stem}-{os.getpid()}-abcdef.part.npz"))
    for path in (left, of_another, alive):
        path.write_bytes(b"half")
    flip(made)
    ask(tmp_path, Maker())
    assert not left.exists() and of_another.exists() and alive.exists()


@pytest.mark.parametrize("number, words", [
    (errno.ENOSPC, "The disk is full"), (errno.EDQUOT, "Your quota on this disk is exhausted"),
    (errno.EFBIG, "larger than this disk or your limit")])
def test_every_lack_of_space_is_named(tmp_path, number, words):
    def full(_):
        raise OSError(number, "x")

    with pytest.raises(LabError, match=words):
        paths.atomic_write(tmp_path / "file", full)
