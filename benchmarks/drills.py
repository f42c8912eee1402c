"""Kill, fill, flip, cut and forge on purpose; say what was lost or wrong: make drills.

    python benchmarks/drills.py                         all drills, about half an hour on two cores
    python benchmarks/drills.py --only kills-training   one, or some
    python benchmarks/drills.py --seed 7 --n 5          other moments, fewer of them

Every drill works in a temporary folder of its own with data, cache and figures of its own, on
small notebooks, trainings and downloads from a server on this machine. It ends only processes that
it started, and leaves nothing behind. What this machine does not allow (mounting a small disk) is
said. The exit status is 1 where something was lost, half made, or silently wrong.

docs/drills.md lists what is drilled and what was found.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from drilling import damage, disks, kills, light, runs, side_by_side, transfers, trouble
from drilling.ground import Ground, open_ground
from drilling.report import Report
from drilling.server import serving

from helpers.core.console import echo
from helpers.core.errors import LabError, one_of

Drill = Callable[[Ground, Random, int], Report]


def kill_figures(ground: Ground, random: Random, n: int) -> Report:
    """Kill runs of two notebooks that are published."""
    return kills.kill_and_resume(
        ground, "kills-figures", runs.run_and_publish, look=runs.notebook_files, n=n,
        random=random, pace=0.6, prepare=runs.write_notebooks)


def kill_readout(ground: Ground, random: Random, n: int) -> Report:
    """Kill trainings of a readout."""
    return kills.kill_and_resume(ground, "kills-readout", runs.train_readout, n=n, pace=0.4,
                                 look=light.array_files, random=random)


def kill_finetuning(ground: Ground, random: Random, n: int) -> Report:
    """Kill fine-tunings of a network."""
    return kills.kill_and_resume(ground, "kills-finetuning", runs.finetune, n=n, pace=0.4,
                                 look=light.array_files, random=random)


def kill_download(ground: Ground, random: Random, n: int) -> Report:
    """Kill downloads."""
    body = random.randbytes(1_500_000)
    with serving(body) as server:
        server.pause = 0.008
        report = kills.kill_and_resume(
            ground, "kills-download", light.download, look=light.downloaded_files, random=random,
            arguments=(server.url(), transfers.digest_of(body)), n=n, pace=0.4)
        report.facts.append(f"{sum(map(bool, server.ranges))} downloads went on where they broke "
                            "off")
    return report


DRILLS: dict[str, Drill] = {
    "kills-figures": kill_figures,
    "kills-readout": kill_readout,
    "kills-finetuning": kill_finetuning,
    "kills-download": kill_download,
    "side-by-side": side_by_side.run_at_once,
    "full-disk": disks.fill,
    "read-only": disks.forbid_writing,
    "bit-flips": damage.flip_bits,
    "clock": trouble.set_back_the_clock,
    "downloads": transfers.misbehave,
    "memory": trouble.run_out_of_memory,
    "hanging": trouble.hang,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the drills; return 0 where nothing was lost and nothing was silently wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(DRILLS), metavar="DRILL",
                        help=", ".join(DRILLS))
    parser.add_argument("--seed", type=int, help="of the random moments; printed if not given")
    parser.add_argument("--n", type=int, default=20, help="kills of each kind (20)")
    parser.add_argument("--folder", type=Path, help="in which the temporary folders are made")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    begin, reports = time.monotonic(), []
    try:
        unknown = [name for name in options.only if name not in DRILLS]
        if unknown:
            raise LabError(f"there is no drill {unknown[0]!r}", expected=one_of(DRILLS),
                           remedy="correct the name, or leave --only out: then all are run")
        if options.n < 1:
            raise LabError(f"--n {options.n}", expected="1 or more", remedy="correct it")
        echo(f"seed {seed} (--seed {seed} draws the same moments)")
        with open_ground(options.folder) as ground:
            echo(f"in {ground.folder}, which is removed at the end")
            for name in options.only:
                reports.append(run_drill(name, ground, seed, options.n))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted: what the drills started and made is gone.\n")
        return 130
    problems = sum(len(report.problems) for report in reports)
    echo(f"{len(reports)} drills, {sum(sum(report.tried.values()) for report in reports)} tried, "
         f"{problems} problems, {(time.monotonic() - begin) / 60:.1f} min")
    return 1 if problems else 0


def run_drill(name: str, ground: Ground, seed: int, n: int) -> Report:
    """Run one drill with moments of its own, and print what it found."""
    begin = time.monotonic()
    try:
        report = DRILLS[name](ground, Random(f"{seed} {name}"), n)
    except LabError as error:  # of this drill; the others are tried
        report = Report(name, problems=[f"the drill came to no end: {error}"])
    report.seconds = time.monotonic() - begin
    report.print()
    return report


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing stays behind
    sys.exit(main())
