"""Variables of MATLAB 5 files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from scipy.io import loadmat

from helpers.brains.files import readable, unlike_release
from helpers.core.errors import LabError

COMPRESSED = 15
"""Type of an element of MATLAB 5 that is compressed, with a checksum: after 128 bytes of header."""


def read_mat(path: Path, name: str) -> Any:
    """Read one variable of a MATLAB file.

    Raises
    ------
    LabError
        If the file is missing or damaged, or holds no such variable.
    """
    def read(where: Path) -> dict[str, Any]:
        _require_no_crash(where)
        try:
            return loadmat(where, squeeze_me=True, struct_as_record=False)
        except NotImplementedError as error:  # HDF5 inside
            raise LabError(f"{path} is of MATLAB 7.3", expected="a MATLAB 5 file",
                           remedy="save it in MATLAB with the option '-v7', or use the file as it "
                           "was published") from error

    content = readable(path, read, "a MATLAB 5 file")
    if name not in content:
        raise unlike_release(f"{path} has no variable {name!r}", name)
    return content[name]


def _require_no_crash(path: Path) -> None:
    """Read a file without checksums in a process of its own first.

    SciPy follows the types that such a file gives its elements as addresses: a changed bit may end
    the process (scipy.io.matlab, ``read_numeric``). Compressed elements end in an error instead.
    """
    with path.open("rb") as file:
        kind = file.read(132)[128:]
    if COMPRESSED in (int.from_bytes(kind, "little"), int.from_bytes(kind, "big")):
        return
    program = "import sys; from scipy.io import loadmat; loadmat(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=False)
    if done.returncode not in (0, 1):  # 1: an exception, which the reader meets, too
        raise ValueError(f"SciPy ends with status {done.returncode} on it")
