"""One bit flipped in every kind of file that the laboratory makes: remade, and said in the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from drilling import light, runs
from drilling.disks import call_reporting, save_report
from drilling.ground import Ground, said
from drilling.report import Report
from drilling.server import serving
from helpers.core import content_digests as digest_store
from helpers.core.cache import cached, cached_table
from helpers.core.digest import file_digest
from helpers.core.paths import cache_dir, data_dir
from helpers.networks.registry import get_entry
from helpers.networks.weight_files import weights_file

STATE = "training state"


def flip_bit(path: Path, random: Random) -> str:
    """Flip one bit of a file; return which, for the report."""
    content = bytearray(path.read_bytes())
    position, bit = random.randrange(len(content)), random.randrange(8)
    content[position] ^= 1 << bit
    path.write_bytes(bytes(content))
    return f"bit {bit} of byte {position} of {len(content)}"


def flip_bits(ground: Ground, random: Random, n: int) -> Report:
    """Flip bits in arrays, records, states, weights, digests, downloads, figures, notebooks."""
    report = Report("bit-flips")
    n_each = max(1, min(5, n))
    call_reporting(ground, report, _flip_kept_files, random.random(), n_each)
    for _ in range(max(1, n_each // 2)):
        _flip_figures(ground, report, random)
    report.not_tried += [
        "data/zoo: its weights are committed, git compares them",
        "a part of a download without a digest in the source: nothing could tell"]
    return report


def _flip_figures(ground: Ground, report: Report, random: Random) -> None:
    """Damage every file of a finished run but one notebook's numbers; run again."""
    room = ground.room("flipped")
    runs.write_notebooks(room)
    first = ground.call(runs.run_notebooks, None, room=room)
    report.check(first.status == 0, f"undisturbed: {first.said[-800:]}")
    before, damaged = runs.notebook_files(room), []
    for pattern in ("figures/*.png", "figures/*.pdf", "figures/*.csv", "figures/*.json",
                    "figures/*.ipynb", "cache/runs/*/98*.json", "cache/curves/97*.npz",
                    "cache/curves/98*.json", "cache/tables/97*.npz"):
        path = random.choice(sorted(room.glob(pattern)))
        where = flip_bit(path, random)
        damaged.append((path, where))
        kind = path.relative_to(room).parts
        report.tried[f"{kind[0]}/{kind[1]}: {path.suffix}" if kind[0] == "cache"
                     else f"figures: {path.suffix}"] += 1
    (room / ".said").write_bytes(b"")
    again = ground.call(runs.run_notebooks, None, "--force", room=room)
    report.check(again.status == 0, f"after flips: {again.said[-1500:]}")
    for path, where in damaged:
        named = path.with_suffix(".npz") if path.parent.name in ("curves", "tables") else path
        stem = next(stem for stem in runs.STEMS if path.name.startswith(stem))
        # Where the record of a run is damaged itself, nothing tells what its figures were.
        report.check(named.name in again.said or f"{stem}.json, the record of" in again.said,
                     f"{path.relative_to(room)}, {where}: not a word in the log")
    report.same_files(runs.notebook_files(room), before, "after flips")


def _flip_kept_files(room: Path, seed: float, n: int) -> int:
    report, random = Report("bit-flips"), Random(seed)
    with serving(random.randbytes(50_000)) as server:
        for kind, (make, pattern, is_same) in _kinds(server).items():
            for k in range(n):
                _flip_and_remake(report, random, kind, make, pattern, is_same, room, k)
    save_report(report, room)
    return 0


Remake = Callable[[], object]


def _flip_and_remake(report: Report, random: Random, kind: str, make: Remake, pattern: str,
                     is_same: Callable[[bytes, bytes], bool], room: Path, number: int) -> None:
    expected = make()
    if kind == STATE:
        _interrupt(make)
    path = sorted(room.glob(pattern))[-1]
    before = path.read_bytes()
    where = flip_bit(path, random)
    n_said = len(said(room))
    found = make()
    text = said(room)[n_said:]
    report.check(found == expected, f"{kind}, {where}: another result")
    report.check(path.name in text or "damaged" in text or is_same(before, path.read_bytes()),
                 f"{kind}, {where}: not a word in the log")
    if kind != STATE:
        report.check(is_same(before, path.read_bytes()), f"{kind}, {where}: not remade")
    report.tried[kind] += 1


def _kinds(server) -> dict[str, tuple[Remake, str, Callable[[bytes, bytes], bool]]]:
    """Return each kind of file: how it is made (again), where it lies, when it is as before."""
    same = bytes.__eq__
    return {
        "cached array": (_array, "cache/kept/array-*.npz", same),
        "its record": (_array, "cache/kept/array-*.json", _same_but_for_seconds),
        "cached table": (_table, "cache/kept/table-*.npz", same),
        STATE: (_train, "cache/readouts/small.state.safetensors", same),
        "weights of an untrained network": (_weights, "cache/weights/*.safetensors", same),
        "remembered digests": (_digests, "cache/digests/*.json", _same_json),
        "downloaded file": (lambda: _fetch(server), "data/file.bin", same),
        "its recorded digest": (lambda: _fetch(server), "data/file.bin.digest", same),
    }


def _same_json(before: bytes, after: bytes) -> bool:
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


def _same_but_for_seconds(before: bytes, after: bytes) -> bool:
    def content(text: bytes) -> dict:
        varying = ("seconds", "cpu_seconds", "sidecar_sha256")
        return {name: value for name, value in json.loads(text).items() if name not in varying}
    try:
        return content(before) == content(after)
    except ValueError:
        return False


def _array() -> bytes:
    return cached("kept", "array", {"a": 1}, lambda: {
        "x": np.random.default_rng(0).normal(size=300)})["x"].tobytes()


def _table() -> str:
    return cached_table("kept", "table", {"a": 2}, lambda: pd.DataFrame(
        {"name": ["a", "b"] * 20, "value": np.arange(40) / 7})).to_csv()


def _train() -> str:
    """Train the small readout to its end, and forget the arrays so that it is trained again."""
    runs.train_readout()
    path = next((cache_dir() / "readouts").glob("*.npz"))
    digest = file_digest(path)
    path.unlink()
    path.with_suffix(".json").unlink()
    return digest


def _interrupt(make: Remake) -> None:
    """Stop the training after some epochs, as Ctrl-C does; its state stays."""
    count = runs._count_step

    def stop(step: int, loss: float) -> None:
        if step == 17:
            raise KeyboardInterrupt

    runs._count_step = stop
    try:
        make()
    except KeyboardInterrupt:
        pass
    finally:
        runs._count_step = count
    if not (cache_dir() / "readouts" / "small.state.safetensors").is_file():
        raise RuntimeError("the interrupted training left no state")


def _weights() -> str:
    entry = get_entry("torchvision:squeezenet1_1-untrained")
    digest_store._loaded_stores.clear()
    return file_digest(weights_file(entry, data_dir("data")))


def _digests() -> list[str]:
    file = cache_dir().parent / "old.bin"
    if not file.is_file():
        file.write_bytes(b"old")
    digest_store.MIN_AGE_S = -1.0  # as if it were old enough
    digest_store._loaded_stores.clear()
    return digest_store.content_digests([file])


def _fetch(server) -> str:
    light.download(server.url(), None)
    return file_digest(data_dir("data") / "file.bin")


