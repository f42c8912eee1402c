"""Set the laboratory up: an environment with the exact packages of ``requirements.lock``.

    python -m helpers.setup                    # into .venv, as `make setup` does
    python -m helpers.setup --torch-index URL  # PyTorch from there, without NVIDIA's libraries

It needs nothing but Python and pip, on Linux, macOS and Windows; the Makefile calls it. Packages
are installed by uv in a tenth of pip's time; where uv cannot be had or fails, pip does the same.
An active conda environment (not base) is used as it is: this package is added to it.
Every file is compared with its SHA-256 in ``requirements.hashes``; those of another index
(``--torch-index``) have other contents, and are not.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

# Standard library alone, in a syntax that older Pythons read, so that they can say what is wrong.

ROOT = Path(__file__).resolve().parent.parent
LOWEST, BELOW = (3, 11, 5), (3, 15)
"""Python versions: from the first, below the second."""

READY = ".ready"
"""File in the environment that says: all is installed. Its time is compared with the lock's."""
CONDA_READY = ".category-selectivity-lab"

LARGE = ("about 3.3 GB to download, 6.6 GB on disk (0.5 GB without an NVIDIA card: TORCH_INDEX, "
         "see README)")
SMALL = "about 0.5 GB to download, 2 GB on disk"
NVIDIA = re.compile(r"(nvidia|cuda|triton)[-=]")
TORCH = re.compile(r"(torch|torchvision)==")
EDITABLE = ["--no-deps", "--no-build-isolation", "--editable", "."]


def say(text: str) -> None:
    """Write a line at once, so that it stands before what pip and uv write."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def shown(path: Path) -> str:
    """Return a path as a user reads it: from the repository, if it lies there."""
    return str(path.relative_to(ROOT) if ROOT in path.parents else path)


def call(command: list[str]) -> bool:
    """Run a command in the repository; tell whether it succeeded."""
    return subprocess.run(command, cwd=str(ROOT)).returncode == 0


def check_version(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Refuse a Python for which packages of the lock do not exist.

    Raises
    ------
    SystemExit
        With what was seen, what was expected, and what to do.
    """
    if not LOWEST <= version < BELOW:
        raise SystemExit(
            f"Python {'.'.join(map(str, version))} seen, 3.11.5 to 3.14 expected: "
            "python3.12 -m helpers.setup, or make PYTHON=python3.12 (with a Python that you have)")


def python_of(venv: Path, system: str = os.name) -> Path:
    """Return the interpreter of an environment; ``system`` as `os.name` ("nt" is Windows)."""
    return venv / ("Scripts/python.exe" if system == "nt" else "bin/python")


def is_ready(venv: Path) -> bool:
    """Tell whether the environment was set up after its lists were changed."""
    ready = venv / READY
    sources = (ROOT / "requirements.lock", ROOT / "requirements.hashes", ROOT / "pyproject.toml")
    return (ready.is_file() and python_of(venv).is_file()
            and all(ready.stat().st_mtime >= path.stat().st_mtime for path in sources))


def write_lists(venv: Path, *, with_nvidia: bool) -> dict[str, list[str]]:
    """Write the lists that the installer reads; return the arguments that name each.

    Parameters
    ----------
    venv : Path
    with_nvidia : bool
        Whether the list of others holds torch and NVIDIA's libraries, too: the lock as it is.

    Returns
    -------
    dict of str to list of str
        ``torch``: torch's pair. ``others``: all others. ``hashed``: these with the SHA-256 of each
        file that may be installed.
    """
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines(keepends=True)
    others = [line for line in lines if with_nvidia
              or not (NVIDIA.match(line) or TORCH.match(line))]
    hashes = read_hashes(ROOT / "requirements.hashes")
    lists = {"torch": [line for line in lines if TORCH.match(line)], "others": others,
             "hashed": [with_hashes(line, hashes) for line in others]}
    for name, content in lists.items():
        (venv / f"{name}.txt").write_text("".join(content), encoding="utf-8")
    return {name: ["--requirement", str(venv / f"{name}.txt")] for name in lists}


def read_hashes(path: Path) -> dict[str, list[str]]:
    """Return "name==version" -> SHA-256 of each of its files, of all systems."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {line[0]: line[1:] for line in lines if line and not line[0].startswith("#")}


def with_hashes(line: str, hashes: dict[str, list[str]]) -> str:
    """Return a line of the lock with its hashes, as pip and uv read them; a comment as it is.

    Raises
    ------
    SystemExit
        If a version has no hash: the two files do not belong together.
    """
    wanted = line.partition(";")[0].strip()
    if not wanted or wanted.startswith("#"):
        return line
    if not hashes.get(wanted):
        raise SystemExit(f"{wanted} of requirements.lock has no line in requirements.hashes.\n"
                         "  expected: one for each package\n  to do: git checkout both files; "
                         "after a change of the lock, docs/security.md says how hashes are made")
    return f"{line.strip()} {' '.join(f'--hash=sha256:{one}' for one in hashes[wanted])}\n"


def install(python: Path, arguments: list[str],
            for_pip: tuple[list[str], ...] = ()) -> None:
    """Install with uv, and where that fails with pip.

    Compiled at once: every notebook would compile the packages again.

    Parameters
    ----------
    python : Path
    arguments : list of str
    for_pip : list of lists of str, optional
        What pip is called with, one after another, in place of ``arguments``.

    Raises
    ------
    SystemExit
        If pip fails, too.
    """
    uv = [str(python), "-m", "uv", "pip", "install", "--compile-bytecode", "--python", str(python)]
    if call([*uv, *arguments]):
        return
    say("uv did not do it: pip does it, which takes some minutes")
    for chosen in for_pip or (arguments,):
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *chosen]
        if not call(pip):
            raise SystemExit(
                f"Failed: {' '.join(map(shlex.quote, pip))}\n  expected: the packages of "
                "requirements.lock, each file with a hash of requirements.hashes\n  to do: see "
                "what pip says above; without a network see docs/install.md; where an index of "
                "your own has other files, and you trust it, --no-hashes; then run this again, "
                "what is done is kept")


def set_up(venv: Path, torch_index: str = "", *, verify: bool = True) -> Path:
    """Make the environment, install into it, mark it as ready; return its interpreter.

    Parameters
    ----------
    venv : Path
    torch_index : str
        Index to take PyTorch from.
    verify : bool
        Whether every other file must have a hash of ``requirements.hashes``.

    Raises
    ------
    SystemExit
        If the environment cannot be made, or a package not be installed.
    """
    check_version()
    python = python_of(venv)
    say(f"Setting up {shown(venv)}, once: {SMALL if torch_index else LARGE}. "
        "Downloads are kept for the next time.")
    (venv / READY).unlink(missing_ok=True)
    if not python.is_file() and not call([sys.executable, "-m", "venv", str(venv)]):
        raise SystemExit(f"No environment could be made in {venv}.\n  expected: Python's modules "
                         "venv and ensurepip, and a folder that can be written\n  to do: on Debian "
                         "and Ubuntu, apt install python3-venv; or name another folder: --venv")
    call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"])
    lists = write_lists(venv, with_nvidia=not torch_index)
    if torch_index:  # before what depends on it
        install(python, ["--no-deps", "--index-url", torch_index, *lists["torch"]])
    if verify:  # pip refuses what has no hash, such as a package that the lock of Linux lacks
        install(python, lists["hashed"],
                for_pip=(["--no-deps", *lists["hashed"]], lists["others"]))
    else:
        install(python, lists["others"])
    install(python, EDITABLE)
    (venv / READY).touch()
    return python


def set_up_conda(prefix: Path) -> Path:
    """Add this package to a conda environment, which has the others; return its interpreter."""
    python = prefix / "python.exe" if os.name == "nt" else python_of(prefix)
    if not call([str(python), "-m", "pip", "install", "--quiet", *EDITABLE]):
        raise SystemExit(f"This package could not be added to {prefix}.\n  to do: see what pip "
                         "says above; conda env update -f environment.yml brings the others")
    (prefix / CONDA_READY).touch()
    return python


def main(arguments: list[str] | None = None) -> int:
    """Set the laboratory up and say how to go on."""
    parser = argparse.ArgumentParser(prog="python -m helpers.setup", description=main.__doc__)
    parser.add_argument("--venv", default=os.environ.get("VENV", ".venv"), metavar="FOLDER",
                        help="where the environment goes, from the repository (.venv)")
    parser.add_argument("--torch-index", default=os.environ.get("TORCH_INDEX", ""), metavar="URL",
                        help="index to take PyTorch from, without NVIDIA's libraries")
    parser.add_argument("--no-hashes", action="store_true",
                        help="take files of other contents than requirements.hashes lists")
    parser.add_argument("--force", action="store_true", help="also where it is set up already")
    parser.add_argument("--quiet", action="store_true", help="do not say how to go on")
    options = parser.parse_args(arguments)
    venv = ROOT / Path(options.venv).expanduser()
    if os.environ.get("CONDA_DEFAULT_ENV", "base") != "base":
        python = set_up_conda(Path(os.environ["CONDA_PREFIX"]))
    elif options.force or not is_ready(venv):
        python = set_up(venv, options.torch_index, verify=not options.no_hashes)
    else:
        python = python_of(venv)
        say(f"{shown(venv)} is ready.")
    if not options.quiet:
        quoted = f'"{shown(python)}"' if " " in shown(python) else shown(python)
        say(f"Next:  {quoted} -m helpers.runner --only 01     the first figure\n"
            f"       {quoted} -m helpers.doctor               what this machine can run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
