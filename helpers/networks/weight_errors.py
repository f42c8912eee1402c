"""What is wrong with a file of weights that cannot be read, and what to do about it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from helpers.core.errors import LabError
from helpers.core.substitute_files import N_BYTES, excerpt, substitute_error

FOREIGN_FORMATS = {b"\x89HDF\r\n": "HDF5", b"\x93NUMPY": "NumPy", b"\x1f\x8b": "gzip",
                   b"7z\xbc\xaf": "7-Zip", b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"Rar!": "RAR"}
"""First bytes -> formats in which weights are published, that are not read here."""

_TEXT_PATTERN = re.compile(rb"[\t\r\n -~\x80-\xff]*")


def missing_weights_error(path: Path) -> LabError:
    """Return the error for weights that are no file."""
    if path.is_dir():
        return LabError(f"{path} is a folder", expected="a file of weights",
                        remedy="name the file itself; one that was unpacked into a folder has to "
                        "be fetched again and left as it is")
    return LabError(f"there are no weights at {path}", expected="a file of weights",
                    remedy="fetch them (python -m helpers.prepare), or train them again (make zoo)")


def unreadable_weights_error(path: Path, error: Exception) -> LabError:
    """Return the error for a file of weights, from its first bytes and from how reading failed."""
    if isinstance(error, OSError) and error.filename:
        return LabError(f"{path} cannot be opened: {error.strerror}", expected="a readable file",
                        remedy="see to its permissions, or to the disk")
    if found := substitute_error(path, "a file of weights"):
        return found
    with path.open("rb") as file:
        head = file.read(N_BYTES)
    name = next((name for magic, name in FOREIGN_FORMATS.items() if head.startswith(magic)),
                "tar" if head[257:].startswith(b"ustar") else "")
    members = _archive_members(path)
    if name or members:
        return LabError(f"{path} cannot be read: it is a "
                        + (f"{name} file" if name else f"zip archive of {members}"),
                        expected="safetensors, or a file of torch.save",
                        remedy="unpack it, or convert it, and name the file of weights")
    if _TEXT_PATTERN.fullmatch(head):
        return LabError(f"{path} cannot be read: it is a text: {excerpt(head)}",
                        expected="a file of weights",
                        remedy="read the text: it may say why there is no file, or where it is")
    seen = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return LabError(f"{path} cannot be read: {seen[:200]}",
                    expected="an undamaged file of safetensors, torch.save or TorchScript",
                    remedy="compare its size with the original's; fetch it again, or copy it again "
                    "from where it was made")


def _archive_members(path: Path) -> str:
    """Name the members of a zip archive that torch.save did not write; or return nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except Exception:  # no archive, or a damaged one: its table of contents can fail in any way
        return ""
    return "" if any(name.endswith("data.pkl") for name in members) else ", ".join(members)[:200]
