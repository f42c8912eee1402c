"""Archives put by hand, or damaged on the way; an output that cannot show every letter."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.core import console
from helpers.core.errors import LabError
from helpers.datasets.archive import unpack
from helpers.datasets.fetch import fetch_file, fetch_folder
from helpers.datasets.prepare import _is_made
from helpers.datasets.sources import DownloadSource

pytestmark = pytest.mark.slow

FILES = {f"set/a/{i}.png": np.random.default_rng(i).bytes(900) + b"a" * 900 for i in range(3)}


def zipped(method: int = zipfile.ZIP_DEFLATED, files=FILES) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in FILES.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


def patched(content: bytes, local: int, central: int, change) -> bytes:
    """Change two bytes of every local and every central header."""
    data = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = data.find(mark)
        while at >= 0:
            here = slice(at + offset, at + offset + 2)
            data[here] = struct.pack("<H", change(struct.unpack("<H", data[here])[0]))
            at = data.find(mark, at + 4)
    return bytes(data)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def attempt(tmp_path: Path, content: bytes, kind: str) -> dict[str, bytes] | LabError:
    archive = tmp_path / f"set.{'tar' if kind == 'tar' else 'zip'}"
    archive.write_bytes(content)
    try:
        with unpack(archive, tmp_path / "out", kind=kind) as folder:
            found = contents(folder)
    except LabError as error:
        found = error
        assert archive.read_bytes() == content, "the archive is the user's"
    assert not (tmp_path / "out").exists()
    return found


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                    zipfile.ZIP_LZMA])
def test_every_compression_that_python_has_is_read(tmp_path, method):
    assert attempt(tmp_path, zipped(method), "zip") == FILES


@pytest.mark.parametrize("content, message", [
    (patched(zipped(), 8, 10, lambda _: 9), "deflate64"),
    (patched(zipped(), 8, 10, lambda _: 93), r"\(zstd|93\)"),
    (patched(zipped(), 6, 8, lambda flags: flags | 1), "password"),
    (gzip.compress(zipped(), mtime=0), "begins like gzip"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(99), "7z"),
    (b"Rar!\x1a\x07\x01\x00" + bytes(99), "rar")])
def test_what_python_cannot_unpack_is_to_be_unpacked_by_hand(tmp_path, content, message):
    error = attempt(tmp_path, content, "zip")
    assert isinstance(error, LabError)
    with pytest.raises(LabError, match=message):
        raise error
    assert f"{tmp_path / 'set'} " in error.remedy and "7-Zip" in error.remedy
    assert "delete" not in error.remedy and "run again" not in error.remedy


def test_a_web_page_in_place_of_an_archive_is_reported(tmp_path):
    error = attempt(tmp_path, b"<!DOCTYPE html><title>Sign in</title>", "zip")
    assert "web page" in error.seen and "browser" in error.remedy


@pytest.mark.parametrize("content", [
    b"", b"PK", zipped()[:-30], zipped()[:500], zipped()[400:],
    zipped(files={"a": b"x", "a/b": b"y"}), zipped(files={"n" * 300: b"x"})])
def test_a_zip_that_is_not_whole_is_to_be_put_there_again(tmp_path, content):
    error = attempt(tmp_path, content, "zip")
    assert "not a whole zip archive" in error.seen and "run again" in error.remedy
    assert "delete" not in error.remedy


@pytest.mark.parametrize("kind, good", [("zip", zipped()), ("tar", tarred())])
@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_end_in_an_error_or_in_the_files(tmp_path, kind, good, seed):
    rng, n_errors = np.random.default_rng(seed), 0
    for _ in range(60):
        data = bytearray(good)
        headers = rng.random() < 0.5  # where there is most to go wrong
        for _ in range(3):
            at = rng.choice([i for i in range(0, len(data), 7)]) if not headers else (
                data.find(b"PK", rng.integers(0, len(data))) if kind == "zip" else
                512 * rng.integers(0, len(data) // 512)) + rng.integers(0, 40)
            data[at % len(data)] = rng.integers(0, 256)
        if rng.random() < 0.1:
            data = data[:rng.integers(0, len(data))]
        found = attempt(tmp_path, bytes(data), kind)
        n_errors += isinstance(found, LabError)
        if kind == "zip" and not isinstance(found, LabError):  # a tar has no sums of its contents
            assert set(found.values()) <= set(FILES.values())
    assert n_errors > 10


def test_an_archive_inside_is_named_with_the_one_around_it(tmp_path):
    assert attempt(tmp_path, zipped(files={"in/x.ZIP": zipped()}), "zip-in-zip") == {
        f"in/{name}": content for name, content in FILES.items()}
    locked = patched(zipped(), 6, 8, lambda flags: flags | 1)
    error = attempt(tmp_path, zipped(files={"in/x.zip": locked}), "zip-in-zip")
    assert f"x.zip in {tmp_path / 'set.zip'}" in error.seen and "password" in error.seen
    assert str(tmp_path / "out") not in str(error)


@pytest.mark.parametrize("before", ["strays", "link"])
def test_a_folder_that_holds_strays_alone_or_is_a_link_is_filled(tmp_path, before):
    folder = tmp_path / "data/set"
    if before == "strays":
        folder.mkdir(parents=True)
        (folder / ".DS_Store").touch()
        (folder / "Thumbs.db").touch()
    else:
        (tmp_path / "large disk").mkdir()
        folder.parent.mkdir()
        folder.symlink_to(tmp_path / "large disk")
    (tmp_path / "data/set.zip").write_bytes(zipped())
    source = DownloadSource(name="set", url="http://127.0.0.1:9/x", licence="none", unpack="zip",
                            member="set", files=3)
    assert set(contents(fetch_folder(source, folder).resolve())) == {
        name.removeprefix("set/") for name in FILES}
    assert folder.is_symlink() == (before == "link")


def test_hidden_files_of_a_user_are_never_removed(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/.mine").touch()
    (tmp_path / "set.zip").write_bytes(zipped())
    with pytest.raises(LabError, match=r"holds \['.mine'\]"):
        fetch_folder(DownloadSource(name="set", url="http://127.0.0.1:9/x", licence="none",
                                    unpack="zip",
                                    member="set", files=3), tmp_path / "set")
    assert (tmp_path / "set/.mine").is_file() and (tmp_path / "set.zip").is_file()


@pytest.mark.parametrize("left", ["", "sha2", "\0\0\0\0"])
def test_a_record_that_a_power_cut_left_is_made_again(tmp_path, left):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"w")
    (tmp_path / "weights.pth.digest").write_text(left)
    fetch_file(DownloadSource(name="w", url="http://127.0.0.1:9/x", licence="none"), path)
    assert (tmp_path / "weights.pth.digest").read_text().startswith("sha256:")
    made = tmp_path / ".set.made.json"
    made.write_text(left)
    assert not _is_made(tmp_path, made, {"part": "set"})


# ---- an output with limits ---------------------------------------------------------------------

class Limited(io.TextIOWrapper):
    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    def shown(self) -> str:
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding, shown", [("ascii", "R? ? 5 ? ?ber\n"),
                                             ("cp1252", "R² · 5 ? über\n"),
                                             ("utf-8", "R² · 5 → über\n")])
def test_letters_that_an_output_lacks_are_replaced(monkeypatch, encoding, shown):
    stream = Limited(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    console.echo("R² · 5 → über")
    assert stream.shown() == shown


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [Broken(), None])
def test_nobody_who_listens_is_no_error(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream)
    console.echo("one")
    console.echo("two")


@pytest.mark.parametrize("end", ["| head -1", "> /dev/full", "1>&- 2>&-"])
def test_a_pipe_that_closes_ends_no_run(tmp_path, end):
    code = ("from helpers.core.console import echo\nfor i in range(9999): echo('line')\n"
            f"open({str(tmp_path / 'done')!r}, 'w')")
    done = subprocess.run(["bash", "-c", f"{sys.executable} -c \"{code}\" {end}"],
                          capture_output=True, text=True, env={**os.environ}, check=False)
    assert (tmp_path / "done").is_file() and "Traceback" not in done.stderr
