"""Archives that are made to do harm: paths outside, links, explosion, sizes without an end."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from helpers.core.errors import LabError
from helpers.datasets import archive
from helpers.datasets.archive import sort_into_folders, unpack

MARK = "escaped"


def zipped(members: dict[str, bytes | zipfile.ZipInfo], *, mode: int = 0,
           method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            item = zipfile.ZipInfo(name)
            item.external_attr, item.compress_type = mode << 16, method
            file.writestr(item, content)
    return buffer.getvalue()


def tarred(*items: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as file:
        for item in items:
            file.addfile(item, io.BytesIO(bytes(item.size)))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
           ) -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    item.type, item.linkname, item.size = kind, link, size
    return item


def refused(tmp_path: Path, content: bytes, kind: str = "zip") -> LabError:
    """Unpack; nothing may lie outside of the folder, nor stay in it."""
    place = tmp_path / "a/b"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"set.{kind[:3]}"
    path.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LabError) as error, unpack(path, place / "out", kind=kind):
        pass
    assert sorted(tmp_path.rglob("*")) == before and not Path(f"/{MARK}").exists()
    assert error.value.expected and error.value.remedy
    return error.value


@pytest.mark.parametrize("name", [f"../{MARK}", f"../../{MARK}", f"x/../../{MARK}", f"/{MARK}",
                                  f"//{MARK}", f"./../{MARK}", f"out/../../{MARK}"])
@pytest.mark.parametrize("kind", ["zip", "tar", "zip-in-zip"])
def test_no_member_lies_outside(tmp_path, name, kind):
    if kind == "tar":
        error = refused(tmp_path, tarred(member(name, size=3)), kind)
    elif kind == "zip":
        error = refused(tmp_path, zipped({name: b"x"}))
    else:
        error = refused(tmp_path, zipped({"in/x.zip": zipped({f"../{name}": b"x"})}), kind)
    assert "outside of the folder" in error.seen


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_zip_holds_files_alone(tmp_path, mode):
    error = refused(tmp_path, zipped({"link": b"/etc/passwd"}, mode=mode | 0o644))
    assert "'link', a link or a device" in error.seen
    with unpack(write(tmp_path / "y.zip", zipped({"x": b"1"}, mode=stat.S_IFREG | 0o644)),
                tmp_path / "o") as folder:
        assert (folder / "x").read_bytes() == b"1"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("item", [
    member("l", tarfile.SYMTYPE, "/etc"), member("l", tarfile.LNKTYPE, "../x"),
    member("d", tarfile.CHRTYPE), member("f", tarfile.FIFOTYPE), member("b", tarfile.BLKTYPE)])
def test_a_tar_holds_files_alone(tmp_path, item):
    assert "a link or a device" in refused(tmp_path, tarred(item, member("x")), "tar").seen


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_would_explode_is_refused_before_it_is_written(tmp_path, monkeypatch, method):
    content = zipped({"zeros": bytes(3_000_000), "more": bytes(3_000_000)}, method=method)
    with unpack(write(tmp_path / "x.zip", content), tmp_path / "o") as folder:
        assert len(list(folder.iterdir())) == 2, "what is small in all passes"
    monkeypatch.setattr(archive, "ALWAYS_BYTES", 2_000_000)
    error = refused(tmp_path, content)
    seen = error.seen.replace(str(tmp_path), "")
    assert "would unpack to 2 files, 6 MB" in seen and "100" not in seen
    assert "unpack it by hand" in error.remedy


def test_archives_in_an_archive_count_together(tmp_path, monkeypatch):
    """Each of ten is below the limit; all of them are not."""
    inner = zipped({"zeros": bytes(400_000)})
    content = zipped({f"{i}/x.zip": inner for i in range(10)})
    monkeypatch.setattr(archive, "ALWAYS_BYTES", 2_000_000)
    assert "MB or more" in refused(tmp_path, content, "zip-in-zip").seen


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 9)
    error = refused(tmp_path, zipped({str(i): b"" for i in range(10)}))
    assert "10 files" in error.seen and "at most 9 files" in error.expected


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """One stored file, listed many times: a zip bomb without nesting (Fifield 2019)."""
    content = bytearray(zipped({"a": bytes(5000), "b": bytes(5000)}, method=zipfile.ZIP_STORED))
    start = content.find(b"PK\1\2")
    second = content.find(b"PK\1\2", start + 1)
    content[second + 42:second + 46] = struct.pack("<I", 0)
    content[second + 46:second + 47] = b"a"
    assert "not a whole zip archive" in refused(tmp_path, bytes(content)).seen


def test_a_tar_of_negative_size_ends(tmp_path):
    """CVE-2025-8194: Python's tarfile reads it again and again."""
    content = bytearray(tarred(member("a", size=10), member("b", size=10)))
    size = (-1024).to_bytes(12, "big", signed=True)
    content[124:136] = size
    content[148:156] = b"        "
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert "not a whole tar archive" in refused(tmp_path, bytes(content), "tar").seen


def test_a_file_with_holes_is_refused(tmp_path):
    """A gigabyte of nothing in a block of 512 bytes."""
    item = member("holes", tarfile.GNUTYPE_SPARSE)
    content = bytearray(tarred(item))
    content[386:398] = b"%011o\0" % 0
    content[483:495] = b"%011o\0" % 2**40
    content[148:156] = b"        "
    content[148:156] = b"%06o\0 " % sum(content[:512])
    error = refused(tmp_path, bytes(content), "tar")
    assert "a file with holes" in error.seen or "not a whole tar" in error.seen


@pytest.mark.parametrize("name", ["..-1.jpg", "...-1.jpg", ".-1.jpg", "-1.jpg"])
def test_a_file_is_not_sorted_upwards(tmp_path, name):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / name).write_bytes(b"x")
    with pytest.raises(LabError, match="would go to a folder"):
        sort_into_folders(folder, r"(.*?)-\d", ".")
    assert (folder / name).is_file()
