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

FETCH_AGAIN = ("compare its size with the original's; fetch it again, or copy it again from where "
               "it was made")
_TEXT_PATTERN = re.compile(rb"[\t\r\n -~\x80-\xff]*")


def missing_weights_error(path: Path) -> LabError:
    """Return the error for weights that are no file."""
    if path.is_dir():
        return LabError(f"{path} is a folder", expected="a file of weights",
                        remedy="name the file itself; one that was unpacked into a folder has to "
                        "be fetched again and left as it is")
    return LabError(f"there are no weights at {path}", expected="a file of weights",
                    remedy="fetch them (make fetch), or train them again (make zoo)")


def unreadable_weights_error(path: Path, error: Exception) -> LabError:
    """Return the error for a file of weights, from its first bytes and from how reading failed."""
    if isinstance(error, OSError) and error.filename:
        return LabError(f"{path} cannot be opened: {error.strerror}", expected="a readable file",
                        remedy="see to its permissions, or to the disk")
    with path.open("rb") as file:
        head = file.read(N_BYTES)
    if found := _wrong_format_error(path, head):
        return found
    return LabError(f"{path} cannot be read: {_short_message(error)}",
                    expected="an undamaged file of safetensors, torch.save or TorchScript",
                    remedy=FETCH_AGAIN)


def _wrong_format_error(path: Path, head: bytes) -> LabError | None:
    """Recognise what is no file of weights, or not by this name."""
    if error := substitute_error(path, "a file of weights"):
        return error
    for magic, name in {**FOREIGN_FORMATS, head[:257] + b"ustar": "tar"}.items():
        if head.startswith(magic):
            return LabError(f"{path} cannot be read: it is a {name} file",
                            expected="safetensors, or a file of torch.save",
                            remedy="unpack it, or convert it, and name the result")
    if members := _archive_members(path):
        return LabError(f"{path} cannot be read: it is a zip archive of {members}",
                        expected="safetensors, or a file of torch.save",
                        remedy="unpack it, and name the file of weights in it")
    if _TEXT_PATTERN.fullmatch(head):
        return LabError(f"{path} cannot be read: it is a text: {excerpt(head)}",
                        expected="a file of weights",
                        remedy="read the text: it may say why there is no file, or where it is")
    return None


def _archive_members(path: Path) -> str:
    """Name the members of a zip archive that torch.save did not write; or return nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except Exception:  # no archive, or a damaged one: its table of contents can fail in any way
        return ""
    return "" if any(name.endswith("data.pkl") for name in members) else ", ".join(members)[:200]


def _short_message(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile) and "not a zip" in str(error):
        return "it is cut short: its table of contents, at the end, is missing"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

