"""Downloads against a real server on this machine: resumed, verified, whole or not there."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import zipfile
from collections import namedtuple
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers.core import paths
from helpers.core.errors import LabError
from helpers.datasets import download as transport
from helpers.datasets.archive import folder_manifest
from helpers.datasets.download import download
from helpers.datasets.fetch import fetch_file, fetch_folder
from helpers.datasets.sources import DownloadSource, load_source

BODY = bytes(range(256)) * 4000  # 1.024 MB: some ten pieces
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
TERMS = "CC0, for the test"


class Server(ThreadingHTTPServer):
    """Serves ``body`` at every path; the switches make it misbehave."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.ranges, self.tells_size = BODY, True, True
        self.drop_after: list[int] = []      # bytes after which the next answers break off
        self.statuses: list[int] = []        # errors to answer with first
        self.asked: list[str | None] = []    # Range headers seen
        self.agents: set[tuple[str, str]] = set()
        self.served = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/thing.bin"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        server.agents.add((self.headers["User-Agent"], self.headers["Accept-Encoding"]))
        if server.statuses or self.path.startswith("/missing"):
            self.send_error(server.statuses.pop(0) if server.statuses else 404)
            return
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        size = len(server.body)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if server.tells_size:
            self.send_header("Content-Length", str(size - start))
        self.end_headers()
        stop = start + server.drop_after.pop(0) if server.drop_after else size
        server.served += len(server.body[start:stop])  # first: the client may be done sooner
        self.wfile.write(server.body[start:stop])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transport, "BACKOFF_S", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def source(server):
    return DownloadSource(name="thing", url=server.url, licence=TERMS, digest=DIGEST,
                          bytes=len(BODY),
                          cite="Somebody 2020")


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


# One download

def test_download_says_the_terms_first(server, source, tmp_path, capsys):
    assert download(source, tmp_path / "new" / "thing.bin").read_bytes() == BODY
    said = capsys.readouterr().out
    for words in ("thing", "1.02 MB", server.url, TERMS, "Somebody 2020"):
        assert words in said
    assert names(tmp_path / "new") == ["thing.bin"]
    assert server.agents == {(transport.USER_AGENT, "identity")} and server.asked == [None]


def test_resume_asks_only_for_the_rest(server, source, tmp_path):
    (tmp_path / "thing.bin.part").write_bytes(BODY[:700_000])
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.asked == ["bytes=700000-"] and server.served == len(BODY) - 700_000


def test_resume_when_the_server_ignores_ranges(server, source, tmp_path):
    server.ranges = False
    (tmp_path / "thing.bin.part").write_bytes(b"something else")
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.served == len(BODY)


@pytest.mark.parametrize("tells_size", [True, False])
def test_dropped_connections_are_resumed(server, source, tmp_path, tells_size):
    server.drop_after, server.tells_size = [500_000, 300_000], tells_size
    if tells_size:
        assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
        assert len(server.asked) == 3 and server.served < len(BODY) + 2 * transport.CHUNK_BYTES
    else:  # nobody can notice the end but the digest
        with pytest.raises(LabError, match="digest"):
            download(source, tmp_path / "thing.bin")
        assert names(tmp_path) == []


def test_the_range_tells_the_size_where_the_length_is_not_told(server, source, tmp_path):
    (tmp_path / "thing.bin.part").write_bytes(BODY[:200_000])
    server.drop_after, server.tells_size = [300_000], False
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.asked == ["bytes=200000-", "bytes=500000-"]


def test_a_whole_part_is_only_verified(server, source, tmp_path):
    (tmp_path / "thing.bin.part").write_bytes(BODY)
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.served == 0


def test_a_part_longer_than_the_file_is_dropped(server, source, tmp_path):
    (tmp_path / "thing.bin.part").write_bytes(BODY + b"more")
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + 4}-", None]


def test_busy_servers_are_asked_again(server, source, tmp_path):
    server.statuses = [503, 429]
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert len(server.asked) == 3


def test_a_missing_file_is_not_asked_for_again_but_the_mirror_is(server, source, tmp_path):
    gone = server.url.replace("/thing", "/missing")
    mirrored = replace(source, url=gone, urls=(server.url,))
    assert download(mirrored, tmp_path / "thing.bin").read_bytes() == BODY
    assert len(server.asked) == 2
    with pytest.raises(LabError, match="404"):
        download(replace(source, url=gone), tmp_path / "other.bin")


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:15], "md5:" + hashlib.md5(BODY).hexdigest()])
def test_wrong_content_never_replaces_the_old_file(server, source, tmp_path, digest):
    target = tmp_path / "thing.bin"
    assert download(replace(source, digest=digest), target).read_bytes() == BODY
    server.body = BODY[::-1]
    with pytest.raises(LabError) as caught:
        download(replace(source, digest=digest), target)
    algorithm, _, _ = digest.partition(":")
    assert hashlib.new(algorithm, server.body).hexdigest() in caught.value.seen
    assert caught.value.expected == digest
    assert target.read_bytes() == BODY and names(tmp_path) == ["thing.bin"]


def test_offline_says_what_to_fetch_by_hand(monkeypatch, source, tmp_path):
    monkeypatch.setattr(transport, "ATTEMPTS", 2)
    with socket.socket() as closed:  # bound but not listening: nobody else can open it
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/thing.bin"
        with pytest.raises(LabError) as caught:
            download(replace(source, url=url, urls=(url + "?mirror",)), tmp_path / "thing.bin")
    for words in ("thing", "1.02 MB", TERMS, url, url + "?mirror", str(tmp_path / "thing.bin")):
        assert words in str(caught.value)


def test_interrupt_leaves_a_part_to_go_on_from(server, source, tmp_path, monkeypatch):
    def interrupted(pieces, label, total):
        assert total == 11
        for count, piece in enumerate(pieces):
            if count == 4:
                raise KeyboardInterrupt
            yield piece

    monkeypatch.setattr(transport, "progress", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(source, tmp_path / "thing.bin")
    assert names(tmp_path) == [".thing.bin.part.origin", "thing.bin.part"]
    monkeypatch.undo()
    assert download(source, tmp_path / "thing.bin").read_bytes() == BODY
    assert server.asked[-1] == f"bytes={4 * transport.CHUNK_BYTES}-"


def test_too_small_a_disk_is_noticed_before(server, source, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1_000)
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(LabError, match="1 kB free"):
        download(source, tmp_path / "thing.bin")
    assert server.asked == []


def test_a_disk_that_fills_up_is_reported(server, source, tmp_path, monkeypatch):
    def full(pieces, label, total):
        yield next(iter(pieces))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transport, "progress", full)
    with pytest.raises(LabError, match="disk is full"):
        download(source, tmp_path / "thing.bin")
    assert names(tmp_path) == [".thing.bin.part.origin", "thing.bin.part"]


def test_a_folder_that_cannot_be_written_to(server, source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="LAB_DATA"):
        download(source, tmp_path / "file" / "thing.bin")
    assert server.asked == []


# Files

def test_fetch_file_once_and_again_when_damaged(server, source, tmp_path, capsys):
    path = tmp_path / "thing.bin"
    for _ in range(2):
        assert fetch_file(source, path).read_bytes() == BODY
    assert len(server.asked) == 1
    path.write_bytes(BODY[:100])
    assert fetch_file(source, path).read_bytes() == BODY
    assert "differs from its digest" in capsys.readouterr().out


def test_first_use_is_trusted_and_remembered(server, source, tmp_path):
    path, unknown = tmp_path / "thing.bin", replace(source, digest=None)
    fetch_file(unknown, path)
    assert (tmp_path / "thing.bin.digest").read_text().split()[0] == DIGEST
    path.unlink()
    server.body = BODY[::-1]
    with pytest.raises(LabError, match="digest"):
        fetch_file(unknown, path)
    assert names(tmp_path) == ["thing.bin.digest"]


def test_a_file_put_there_by_hand_is_taken(server, source, tmp_path):
    (tmp_path / "thing.bin").write_bytes(BODY)
    fetch_file(source, tmp_path / "thing.bin")
    fetch_file(replace(source, digest=None), tmp_path / "thing.bin")
    assert server.asked == [] and "thing.bin.digest" in names(tmp_path)


def test_two_who_ask_at_once_download_once(server, source, tmp_path):
    threads = [threading.Thread(target=fetch_file, args=(source, tmp_path / "thing.bin"))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(server.asked) == 1 and (tmp_path / "thing.bin").read_bytes() == BODY


# Folders

IMAGES = {"adult/adult-0.jpg": b"a", "adult/adult-1.jpg": b"b" * 100, "word/word-0.jpg": b"c"}


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def archived(server):
    """A source of the three images, served in a zip below ``repo-1/stimuli``."""
    junk = {"repo-1/README": b"r", "repo-1/stimuli/.DS_Store": b"d", "__MACOSX/adult-0.jpg": b"m"}
    server.body = zipped(
        {**junk, **{f"repo-1/stimuli/{name}": content for name, content in IMAGES.items()}})
    return DownloadSource(name="images", url=server.url, licence=TERMS, unpack="zip",
                          member="repo-1/stimuli", files=3)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_fetch_folder_unpacks_verifies_and_tidies_up(server, archived, tmp_path):
    folder = tmp_path / "floc" / "stimuli"
    for _ in range(2):
        assert contents(fetch_folder(archived, folder)) == IMAGES
    assert len(server.asked) == 1 and names(folder.parent) == ["stimuli", "stimuli.digest"]
    assert (folder.parent / "stimuli.digest").read_text().split()[0] == folder_manifest(folder)


def test_an_archive_within_an_archive(server, archived, tmp_path):
    inner = zipped({f"some/depth/{name}": content for name, content in IMAGES.items()})
    server.body = zipped({"outer/categ.zip": inner})
    nested = replace(archived, unpack="zip-in-zip", member=None, holding="adult")
    assert contents(fetch_folder(nested, tmp_path / "classic")) == IMAGES


def test_a_manifest_that_differs_is_refused(server, archived, tmp_path):
    folder = tmp_path / "stimuli"
    manifest = folder_manifest(fetch_folder(archived, tmp_path / "first"))
    right = replace(archived, manifest=manifest[:20])
    with pytest.raises(LabError) as caught:
        fetch_folder(replace(archived, manifest="sha256:" + "0" * 64), folder)
    assert manifest in caught.value.seen and "stimuli" not in names(tmp_path)
    assert contents(fetch_folder(right, folder)) == IMAGES
    # an archive with other content, first trusted and then not
    server.body = zipped({f"repo-1/stimuli/{name}": b"other" for name in IMAGES})
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(LabError, match="manifest"):
        fetch_folder(archived, tmp_path / "first")


def test_a_wrong_number_of_files_is_reported(server, archived, tmp_path):
    folder = tmp_path / "stimuli"
    with pytest.raises(LabError, match="holds 3 files"):
        fetch_folder(replace(archived, files=4), folder)
    assert not folder.exists()
    fetch_folder(archived, folder)
    (folder / ".DS_Store").touch()  # left by a desktop: no image
    fetch_folder(archived, folder)
    (folder / "word" / "word-0.jpg").unlink()
    with pytest.raises(LabError, match="holds 2 files"):
        fetch_folder(archived, folder)


@pytest.mark.parametrize("name", ["../evil.txt", "repo-1/../../evil.txt", "/evil-absolute.txt"])
def test_a_name_outside_of_the_folder_is_refused(server, archived, tmp_path, name):
    server.body = zipped({"repo-1/stimuli/a.jpg": b"a", name: b"evil"})
    with pytest.raises(LabError, match="outside"):
        fetch_folder(replace(archived, files=1), tmp_path / "deep" / "stimuli")
    assert not list(tmp_path.rglob("*evil*")) and names(tmp_path / "deep") == ["stimuli.zip"]


def test_a_damaged_archive_is_reported(server, archived, tmp_path):
    server.body = server.body[:-40]
    with pytest.raises(LabError, match="not a whole zip archive"):
        fetch_folder(archived, tmp_path / "stimuli")
    assert names(tmp_path) == ["stimuli.zip"]


def test_an_archive_put_there_by_hand_is_taken_and_kept(server, archived, tmp_path):
    (tmp_path / "stimuli.zip").write_bytes(server.body)
    assert contents(fetch_folder(archived, tmp_path / "stimuli")) == IMAGES
    assert server.asked == [] and "stimuli.zip" in names(tmp_path)


def test_interrupted_unpacking_leaves_no_folder(archived, tmp_path, monkeypatch):
    def interrupted(self, folder, members):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extractall", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_folder(archived, tmp_path / "stimuli")
    assert names(tmp_path) == ["stimuli.zip"]


def test_a_member_that_is_not_there_is_reported(archived, tmp_path):
    with pytest.raises(LabError, match="repo-1") as caught:
        fetch_folder(replace(archived, member="repo-2/stimuli"), tmp_path / "stimuli")
    assert "repo-2/stimuli" in caught.value.expected


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs the command sha256sum")
def test_manifest_is_what_the_shell_computes(tmp_path):
    for name, content in IMAGES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    lines = subprocess.run(["sha256sum", *sorted(IMAGES)], cwd=tmp_path, capture_output=True,
                           check=True).stdout
    before = folder_manifest(tmp_path)
    assert before == "sha256:" + hashlib.sha256(lines).hexdigest()
    (tmp_path / "adult" / "adult-0.jpg").rename(tmp_path / "adult" / "adult-2.jpg")
    assert folder_manifest(tmp_path) != before


# The list

def test_listed_sources():
    floc, classic = load_source("vpnl-floc"), load_source("classic-categ")
    assert (floc.files, classic.files) == (1584, 560)
    assert floc.all_urls[0].startswith("https://github.com/VPNL/fLoc/")
    assert classic.size == "size not stated" and "Dataverse" in classic.licence


def test_listed_sources_are_read_strictly(tmp_path):
    with pytest.raises(LabError, match="classic-categ") as caught:
        load_source("classic-categs")
    assert "did you mean" in caught.value.remedy
    path = tmp_path / "sources.toml"
    path.write_text('[a]\nurl = "u"\nlicence = "l"\nsha = "s"\n')
    with pytest.raises(LabError, match="unknown key 'sha'"):
        load_source("a", path)
    path.write_text('[a]\nurl = "u"\nlicence = "l"\ndigest = "sha256:ABC"\n')
    with pytest.raises(LabError, match="sha256:ABC"):
        load_source("a", path)


def test_the_real_localizer_has_the_layout_that_is_counted():
    stimuli = Path(paths.ROOT).parent / "shared" / "data" / "floc" / "stimuli"
    if not stimuli.is_dir():
        pytest.skip("needs the photographs of the localizer beside the repository")
    assert fetch_folder(load_source("vpnl-floc"), stimuli) == stimuli


def test_a_flat_archive_is_sorted_into_folders(server, archived, tmp_path):
    server.body = zipped({f"samples-master/{name}": name.encode() for name in (
        "n01440764_tench.JPEG", "n01443537_goldfish.JPEG", "README.md")})
    listed = replace(archived, member=None, holding="n01440764_tench.JPEG", files=2,
                     sorted_by="^(n[0-9]{8})_.*[.]JPEG$", sorted_in="val")
    assert sorted(contents(fetch_folder(listed, tmp_path / "imagenet"))) == [
        "val/n01440764/n01440764_tench.JPEG", "val/n01443537/n01443537_goldfish.JPEG"]


def test_data_that_need_an_agreement_are_asked_for(server, source, tmp_path):
    listed = replace(source, url="https://example.org/terms", by_hand="sign there, then unpack it",
                     licence="for research", bytes=155_000_000_000)
    with pytest.raises(LabError, match="sign there") as caught:
        fetch_folder(listed, tmp_path / "imagenet")
    for part in (str(tmp_path / "imagenet"), "155 GB", "for research", "https://example.org/terms"):
        assert part in str(caught.value)
    assert server.served == 0
    (tmp_path / "imagenet" / "val").mkdir(parents=True)
    assert fetch_folder(listed, tmp_path / "imagenet") == tmp_path / "imagenet"


# Tar archives

def tarred(members, kinds=()):
    """Pack contents by name, then members that are no files: (name, type, link)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size, item.mode = len(content), 0o4070  # nobody's to read
            archive.addfile(item, io.BytesIO(content))
        for name, kind, link in kinds:
            item = tarfile.TarInfo(name)
            item.type, item.linkname = kind, link
            archive.addfile(item)
    return buffer.getvalue()


TARRED = {f"Categories/{name}": content for name, content in IMAGES.items()}


@pytest.fixture
def tar(server):
    """A source of the three images, served in a tar below ``Categories``."""
    junk = {"Categories/.DS_Store": b"d", "__MACOSX/adult-0.jpg": b"m", "._Categories": b"x"}
    empty = [("Categories/adult/greg/vision309", tarfile.DIRTYPE, "")]
    server.body = tarred({**junk, **TARRED}, empty)
    return DownloadSource(name="images", url=server.url, licence=TERMS, unpack="tar",
                          member="Categories", files=3)


def test_a_tar_is_unpacked_verified_and_tidied_up(server, tar, tmp_path):
    folder = tmp_path / "caltech"
    tar = replace(tar, digest="md5:" + hashlib.md5(server.body).hexdigest())
    for _ in range(2):
        assert contents(fetch_folder(tar, folder)) == IMAGES
    assert len(server.asked) == 1 and names(tmp_path) == ["caltech", "caltech.digest"]
    assert (tmp_path / "caltech.digest").read_text().split()[0] == folder_manifest(folder)
    assert (folder / "adult" / "greg" / "vision309").is_dir()
    modes = {path.stat().st_mode & 0o7722 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}  # its owner's, and no more than that


@pytest.mark.parametrize("name", ["../evil.txt", "Categories/../../evil.txt", "/evil-absolute.txt"])
def test_a_tars_name_outside_of_the_folder_is_refused(server, tar, tmp_path, name):
    server.body = tarred({**TARRED, name: b"evil"})
    with pytest.raises(LabError, match="outside"):
        fetch_folder(replace(tar, files=0), tmp_path / "deep" / "caltech")
    assert not list(tmp_path.rglob("*evil*")) and names(tmp_path / "deep") == ["caltech.tar"]


@pytest.mark.parametrize("kind, link", [
    (tarfile.SYMTYPE, "adult-0.jpg"), (tarfile.SYMTYPE, "/etc/passwd"),
    (tarfile.LNKTYPE, "Categories/adult/adult-0.jpg"), (tarfile.FIFOTYPE, ""),
    (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, "")])
def test_links_and_devices_in_a_tar_are_refused(server, tar, tmp_path, kind, link):
    server.body = tarred(TARRED, [("Categories/adult/strange", kind, link)])
    with pytest.raises(LabError, match="'Categories/adult/strange', a link or a device"):
        fetch_folder(replace(tar, files=0), tmp_path / "caltech")
    assert names(tmp_path) == ["caltech.tar"]


BLOCK = tarfile.BLOCKSIZE


@pytest.mark.parametrize("damage", [
    lambda body: body[:BLOCK + 1],                      # within the content of the first member
    lambda body: body[:4 * BLOCK],                      # between two members: looks like the end
    lambda body: body[:4 * BLOCK + 99],                 # within a header
    lambda body: body[:4 * BLOCK] + b"x" * BLOCK + body[5 * BLOCK:],  # a header overwritten
    lambda body: zipped(IMAGES), lambda body: b"", lambda body: b"<html>not found</html>" * 90])
def test_a_damaged_tar_is_reported_and_leaves_no_folder(server, tar, tmp_path, damage):
    server.body = damage(tarred(TARRED))
    (tmp_path / "caltech.tar").write_bytes(server.body)
    with pytest.raises(LabError, match="not a whole tar archive"):
        fetch_folder(replace(tar, files=0), tmp_path / "caltech")
    assert names(tmp_path) == ["caltech.tar"]


def test_a_compressed_tar_is_not_mistaken_for_a_plain_one(server, tar, tmp_path):
    server.body = gzip.compress(server.body)
    with pytest.raises(LabError, match="not a whole tar archive"):
        fetch_folder(tar, tmp_path / "caltech")


def test_a_tar_put_there_by_hand_is_verified_and_kept(server, tar, tmp_path):
    whole = replace(tar, digest="md5:" + hashlib.md5(server.body).hexdigest())
    (tmp_path / "caltech.tar").write_bytes(tarred({"Categories/other.jpg": b"other"}))
    with pytest.raises(LabError, match="caltech.tar has the digest md5:") as caught:
        fetch_folder(whole, tmp_path / "caltech")
    assert whole.digest in caught.value.expected and names(tmp_path) == ["caltech.tar"]
    (tmp_path / "caltech.tar").write_bytes(server.body)
    assert contents(fetch_folder(whole, tmp_path / "caltech")) == IMAGES
    assert server.asked == [] and "caltech.tar" in names(tmp_path)


def test_interrupted_unpacking_of_a_tar_leaves_no_folder(tar, tmp_path, monkeypatch):
    def interrupted(self, folder, members, filter):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "extractall", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_folder(tar, tmp_path / "caltech")
    assert names(tmp_path) == ["caltech.tar"]


def test_too_small_a_disk_is_noticed_before_a_tar_is_unpacked(server, tar, tmp_path, monkeypatch):
    (tmp_path / "caltech.tar").write_bytes(server.body)
    usage = namedtuple("usage", "total used free")(10, 9, 50)
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(LabError, match="free(?s:.)*caltech.tar"):
        fetch_folder(tar, tmp_path / "caltech")
    assert names(tmp_path) == ["caltech.tar"]


def test_the_listed_tasks_of_the_second_paper():
    caltech, places = load_source("caltech256"), load_source("places365")
    assert (caltech.unpack, caltech.member) == ("tar", "256_ObjectCategories")
    assert caltech.digest == "md5:67b4f42ca05d46448c6bb8ecd2220f6d"
    assert caltech.bytes % BLOCK == 0 and caltech.licence == "CC BY 4.0"
    assert "val_256.tar" in places.by_hand and "filelist_places365-standard.tar" in places.by_hand
