"""Sources of several files: an archive and parts, or parts alone, from a server on this machine."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.brain_files import write_tiny_object2vec

from helpers.brains.object2vec import Object2Vec
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.datasets import fetch
from helpers.datasets.archive import folder_manifest
from helpers.datasets.fetch import fetch_folder
from helpers.datasets.sources import DownloadSource, PartFile, load_source

REAL = ROOT.parent / "shared" / "data"
TERMS = "CC0, for the test"
PARTS = {"scores.csv": b"network,score\n", "deep/ceilings.csv": b"subject,value\n"}


def part(address: str, path: str, content: bytes) -> PartFile:
    return PartFile(path, f"{address}/{path}", "sha256:" + hashlib.sha256(content).hexdigest(),
                    len(content))


def put(folder: Path, contents) -> None:
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}


@pytest.fixture
def served(tmp_path, serve):
    """The folder that is served, and a source of two parts without an archive."""
    folder = tmp_path / "served"
    put(folder, PARTS)
    address = serve(folder)
    return folder, DownloadSource("scores", "https://example.org/page", TERMS, cite="Somebody 2020",
                                  parts=tuple(part(address, *item) for item in PARTS.items()))


def test_parts_alone_are_downloaded_once_terms_first(served, tmp_path, capsys):
    folder, source = served
    target = tmp_path / "data" / "scores"
    assert fetch_folder(source, target) == target and contents(target) == PARTS
    said = capsys.readouterr().out
    assert said.count(TERMS) == 2 and "scores, deep/ceilings.csv" in said and "Somebody" in said
    shutil.rmtree(folder)  # from here on nothing can be asked for
    assert contents(fetch_folder(source, target)) == PARTS and capsys.readouterr().out == ""


def test_a_damaged_or_missing_part_is_downloaded_again(served, tmp_path, capsys):
    _, source = served
    target = fetch_folder(source, tmp_path / "scores")
    (target / "scores.csv").write_bytes(b"network,sc")
    (target / "deep/ceilings.csv").unlink()
    assert contents(fetch_folder(source, target)) == PARTS
    assert "differs from its digest" in capsys.readouterr().out


def test_another_file_at_the_address_is_refused(served, tmp_path):
    folder, source = served
    (folder / "scores.csv").write_bytes(b"something else")
    with pytest.raises(LabError, match="scores, scores.csv has the digest"):
        fetch_folder(source, tmp_path / "scores")
    assert contents(tmp_path / "scores") == {}


def test_without_a_server_the_address_the_place_and_the_terms_are_said(served, tmp_path,
                                                                       monkeypatch):
    folder, source = served
    (folder / "deep/ceilings.csv").unlink()
    with pytest.raises(LabError) as caught:
        fetch_folder(source, tmp_path / "scores")
    for words in (source.parts[1].url, str(tmp_path / "scores/deep/ceilings.csv"), TERMS):
        assert words in str(caught.value)
    put(tmp_path / "scores", PARTS)  # as it says
    assert contents(fetch_folder(source, tmp_path / "scores")) == PARTS


@pytest.fixture
def both(served):
    """The same with an archive of two files."""
    folder, source = served
    with zipfile.ZipFile(folder / "archive.zip", "w") as packed:
        for name in ("a.jpg", "b.jpg"):
            packed.writestr(f"repo-1/data/stimuli/{name}", name)
        packed.writestr("repo-1/README.md", "code")
    address = source.parts[0].url.rpartition("/")[0]
    return folder, replace(source, url=f"{address}/archive.zip", unpack="zip",
                           member="repo-1/data", files=2)


def test_an_archive_and_parts_make_one_folder(both, tmp_path):
    folder, source = both
    target = fetch_folder(source, tmp_path / "study")
    expected = {**PARTS, "stimuli/a.jpg": b"a.jpg", "stimuli/b.jpg": b"b.jpg"}
    assert contents(target) == expected and not (tmp_path / "study.zip").exists()
    shutil.rmtree(folder)
    assert contents(fetch_folder(source, target)) == expected


def test_interrupted_between_archive_and_parts_it_goes_on_there(both, tmp_path, monkeypatch):
    folder, source = both

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "fetch_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_folder(source, tmp_path / "study")
    (folder / "archive.zip").unlink()
    (tmp_path / "study/scores.csv.part").write_bytes(PARTS["scores.csv"][:3])
    assert len(contents(fetch_folder(source, tmp_path / "study"))) == 4


def test_files_of_the_archive_are_counted_without_the_parts(both, tmp_path):
    _, source = both
    target = fetch_folder(source, tmp_path / "study")
    (target / "stimuli/a.jpg").unlink()
    with pytest.raises(LabError, match="holds 1 files") as caught:
        fetch_folder(source, target)
    assert "2 files" in caught.value.expected


@pytest.mark.parametrize(("path", "digest", "seen"), [
    ("../evil.csv", "sha256:" + "0" * 64, "evil"), ("/evil.csv", "sha256:" + "0" * 64, "evil"),
    ("deep\\scores.csv", "sha256:" + "0" * 64, "deep"), ("scores.csv", "sha1:00", "sha1:00")])
def test_a_part_outside_of_the_folder_or_without_a_digest_is_refused(path, digest, seen):
    with pytest.raises(LabError, match=seen):
        PartFile(path, "https://example.org/scores.csv", digest, 10)


def test_parts_are_listed_strictly(tmp_path):
    path = tmp_path / "sources.toml"
    path.write_text('[a]\nurl = "u"\nlicence = "l"\n[[a.parts]]\npath = "p"\nurl = "u"\nbytes = 1\n'
                    f'digest = "sha256:{"0" * 64}"\n')
    assert load_source("a", path).part_sources()["p"].url == "u"
    path.write_text(path.read_text().replace("bytes", "size"))
    with pytest.raises(LabError, match="unknown key 'size'"):
        load_source("a", path)


def test_what_is_listed_names_one_commit_and_every_digest():
    for name in ("object2vec", "deepnsd"):
        source = load_source(name)
        assert source.parts and source.bytes >= sum(one.bytes for one in source.parts)
        for url in ([source.url] + [one.url for one in source.parts]):
            assert any(len(step.removesuffix(".zip")) == 40 for step in url.split("/")), url
        assert all(len(one.digest) == len("sha256:") + 64 for one in source.parts)
        assert "object2vec" != name or source.manifest and "no licence" in source.licence


def test_object2vec_comes_from_two_addresses_and_can_be_opened(tmp_path, serve):
    """The listed source with the tiny study's files in the places of the real ones."""
    listed, tiny = load_source("object2vec"), write_tiny_object2vec(tmp_path / "tiny")
    folder = tmp_path / "served"
    parts = {path: (tiny / path).read_bytes() for path in contents(tiny)
             if path.startswith("fmri_ppa_loc")}
    put(folder, parts)
    with zipfile.ZipFile(folder / "archive.zip", "w") as packed:
        for path, content in contents(tiny).items():
            if path not in parts:
                packed.writestr(f"{listed.member}/{path}", content)
    shutil.copytree(tiny, tmp_path / "expected")
    for path in parts:
        (tmp_path / "expected" / path).unlink()
    address = serve(folder)
    source = replace(listed, url=f"{address}/archive.zip", bytes=0,
                     files=len(contents(tiny)) - len(parts),
                     manifest=folder_manifest(tmp_path / "expected"),
                     parts=tuple(part(address, *item) for item in parts.items()))
    assert Object2Vec(fetch_folder(source, tmp_path / "data")).subjects == Object2Vec(tiny).subjects


@pytest.mark.parametrize("name", ["object2vec", "deepnsd"])
def test_the_real_files_are_those_that_are_listed(name):
    if not (REAL / name).is_dir():
        pytest.skip(f"no ../shared/data/{name} here")
    assert fetch_folder(load_source(name), REAL / name) == REAL / name
