"""A disk that fills up at ten moments, and folders that are read-only."""

from __future__ import annotations

import errno
import json
import os
import resource
from multiprocessing import get_context
from pathlib import Path
from random import Random

from drilling import light, runs
from drilling.ground import Ground, _run_apart, folders_of, said
from drilling.mounts import enter_private_mounts, mount_read_only, mount_small_disk, unmount
from drilling.report import Report, digests, hidden_files
from drilling.server import serving
from drilling.transfers import digest_of

DISK_BYTES = 12_000_000
WORDS = ("disk is full", "has ", "allows", "quota")
"""What every message about space says, one of them."""


def fill(ground: Ground, random: Random, n: int) -> Report:
    """Leave too little space for a cache file, a training, a download, a run of notebooks."""
    report = Report("full-disk")
    tried = ["notebooks", "readout", "finetuning", "download"]
    jobs = [tried[k % len(tried)] for k in range(max(1, min(10, n)))]
    moments = [(job, random.uniform(0.02, 0.95)) for job in jobs]
    call_reporting(ground, report, _fill_disk, moments, random.randbytes(1_000_000))
    if report.not_tried:
        call_reporting(ground, report, _limit_files, moments, random.randbytes(1_000_000))
    return report


def forbid_writing(ground: Ground, random: Random, n: int) -> Report:
    """Let data, cache and figures be read-only, one at a time."""
    report = Report("read-only")
    call_reporting(ground, report, _forbid_in_turn)
    return report


def call_reporting(ground: Ground, report: Report, function, *arguments: object) -> None:
    """Call a drill in a process that may have mounts of its own; it fills a report in a file."""
    room = ground.room("disk")
    ended = ground.call(function, room, *arguments, room=room)
    path = room / "report.json"
    if not path.is_file():
        report.problems.append(f"the drill itself failed: {ended.said[-1500:]}")
        return
    found = json.loads(path.read_text())
    report.tried.update(found["tried"])
    report.problems += found["problems"]
    report.not_tried += found["not_tried"]
    report.facts += found["facts"]


def save_report(report: Report, room: Path) -> None:
    (room / "report.json").write_text(json.dumps({
        "tried": report.tried, "problems": report.problems, "not_tried": report.not_tried,
        "facts": report.facts}))


def _call(room: Path, function, *arguments: object, limit: int = 0) -> tuple[int, str]:
    """Call a function in a process of its own; return its status and what it said.

    That is written beside the room: the disk of the room may be full.
    """
    (room.parent / ".said").write_bytes(b"")
    process = get_context("fork").Process(target=_limited, args=(limit, function, arguments, room))
    process.start()
    process.join()
    return process.exitcode, said(room.parent)


def _limited(limit: int, function, arguments: tuple, room: Path) -> None:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    _run_apart(function, arguments, room.parent, folders_of(room))


def _jobs(server_url: str, body: bytes) -> dict[str, tuple]:
    return {"notebooks": (_run_in_little_space,), "readout": (runs.train_readout,),
            "finetuning": (runs.finetune,),
            "download": (light.download, server_url, digest_of(body))}


def _run_in_little_space() -> int:
    """Run the notebooks without the look at free memory and disk that comes before any work."""
    runs.runner.divide_cores = lambda n_parallel, *_: (n_parallel, [])
    return runs.run_notebooks(None)


def _made(room: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests(room).items()
            if not name.startswith("notebooks/") and (
                name.endswith((".npz", ".bin")) or name.startswith("figures/"))}


def _fill_disk(room: Path, moments: list[tuple[str, float]], body: bytes) -> int:
    report = Report("full-disk")
    reason = enter_private_mounts()
    if reason:
        report.not_tried.append(f"a small disk: {reason}; a limit of file sizes is tried instead")
        save_report(report, room)
        return 0
    references: dict[str, tuple[dict[str, str], int]] = {}
    with serving(body) as server:
        jobs = _jobs(server.url(), body)
        for number, (job, fraction) in enumerate(moments):
            if job not in references:
                disk = _new_disk(room, f"reference-{job}")
                status, text = _call(disk, *jobs[job])
                report.check(status == 0, f"{job}, undisturbed: {text[-800:]}")
                references[job] = _made(disk), _used(disk)
                unmount(disk)
            expected, need = references[job]
            disk = _new_disk(room, f"full-{number}")
            filler = disk / "filler"
            _leave(filler, disk, int(fraction * need))
            status, text = _call(disk, *jobs[job])
            when = f"{job}, {fraction:.0%} of {need:,} bytes free"
            _judge(report, status, text, _made(disk), expected, when)
            filler.unlink()
            status, text = _call(disk, *jobs[job])
            report.check(status == 0, f"{when}, then all: {text[-800:]}")
            report.same_files(_made(disk), expected, f"{when}, then all")
            report.tried[f"disk full: {job}"] += 1
            unmount(disk)
    save_report(report, room)
    return 0


def _judge(report: Report, status: int, text: str, made: dict[str, str],
           expected: dict[str, str], when: str) -> None:
    """See that a run said that space is lacking, and that what it made is whole."""
    report.check(status != 0, f"{when}: the run did not notice")
    report.check(any(words in text for words in WORDS) and "to do:" in text,
                 f"{when}: no message about space: {text[-600:]}")
    report.check("Traceback" not in text, f"{when}: a traceback: {text[-600:]}")
    for name, digest in made.items():
        report.check(digest == expected.get(name), f"{when}: {name} is half made")


def _new_disk(room: Path, name: str) -> Path:
    disk = room / name
    mount_small_disk(disk, DISK_BYTES)
    runs.write_notebooks(disk)
    return disk


def _used(disk: Path) -> int:
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def _leave(filler: Path, disk: Path, n_bytes: int) -> None:
    """Fill a disk but for so many bytes."""
    state = os.statvfs(disk)
    left = state.f_bfree * state.f_frsize - n_bytes
    with filler.open("wb") as file:
        try:
            while left > 0:
                left -= file.write(bytes(min(left, 2**20)))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def _limit_files(room: Path, moments: list[tuple[str, float]], body: bytes) -> int:
    """The same with a limit of file sizes (RLIMIT_FSIZE) in place of a small disk."""
    report = Report("full-disk")
    with serving(body) as server:
        jobs = _jobs(server.url(), body)
        for number, (job, fraction) in enumerate(moments):
            folder = room / f"limit-{number}"
            folder.mkdir()
            runs.write_notebooks(folder)
            status, text = _call(folder, *jobs[job], limit=int(20_000 * fraction))
            when = f"{job}, files of up to {int(20_000 * fraction):,} bytes"
            _judge(report, status, text, {}, {}, when)
            status, text = _call(folder, *jobs[job])
            report.check(status == 0, f"{when}, then of any size: {text[-800:]}")
            report.tried[f"limit of file sizes: {job}"] += 1
    save_report(report, room)
    return 0


def _forbid_in_turn(room: Path) -> int:
    report = Report("read-only")
    reason = enter_private_mounts()
    if reason:
        report.not_tried.append(f"read-only folders: {reason}")
        save_report(report, room)
        return 0
    outer, room = room, room / "laboratory"
    room.mkdir()
    runs.write_notebooks(room)
    for name in ("data", "cache", "figures"):
        (room / name).mkdir()
    status, text = _call(room, runs.run_notebooks, None)
    report.check(status == 0, f"undisturbed: {text[-800:]}")
    before = digests(room)
    body = os.urandom(1000)
    with serving(body) as server:
        trials = {
            ("figures", "--force"): (runs.run_notebooks, None, "--force"),
            ("cache", "--force"): (runs.run_notebooks, None, "--force"),
            ("cache", "a training"): (runs.train_readout,),
            ("data", "a download"): (light.download, server.url(), digest_of(body)),
        }
        for (folder, what), job in trials.items():
            mount_read_only(room / folder)
            status, text = _call(room, *job)
            unmount(room / folder)
            when = f"{folder} read-only, {what}"
            report.check(status != 0, f"{when}: it did not notice")
            report.check("Nothing can be written" in text and "to do:" in text
                         and "Traceback" not in text, f"{when}: {text[-600:]}")
            report.same_files(digests(room), before, when)
            report.tried[f"{folder} read-only: {what}"] += 1
    mount_read_only(room / "data")
    status, text = _call(room, runs.run_notebooks, None, "--force")
    report.check(status == 0, f"data read-only, nothing to be fetched: {text[-600:]}")
    report.tried["data read-only: nothing to be fetched"] += 1
    mount_read_only(room / "cache" / "curves")
    report.check(_call(room, runs.run_notebooks, None, "--force")[0] == 0,
                 "whole artefacts in a read-only folder are read")
    report.tried["artefacts read-only, whole"] += 1
    left = hidden_files(room / "figures") + hidden_files(room / "cache")
    report.check(not left, f"left behind: {', '.join(left)}")
    save_report(report, outer)
    return 0
