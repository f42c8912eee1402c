"""Files of weights that are none, are damaged, or hold more: each is named, with what to do."""

from __future__ import annotations

import argparse
import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from helpers.core.errors import LabError
from helpers.networks.registry import get_entry
from helpers.networks.weight_files import find_weights, weights_file
from helpers.networks.weights import (
    load_weights,
    read_state_dict,
    save_state_dict,
    save_tensors,
    state_digest,
)

STATE = {"weight": torch.ones(300, 4), "bias": torch.zeros(4)}
POINTER = (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3\n")
PAGE = b"\n <!DOCTYPE html><html><title>Quota exceeded</title></html>"


def refused(path: Path) -> LabError:
    with pytest.raises(LabError) as caught:
        read_state_dict(path)
    text = str(caught.value)
    assert path.name in text
    assert not any(word in text for word in ("weights_only", "add_safe_globals", "\x1b",
                                             "trusted source", "delete"))
    return caught.value


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin", "safetensors", "pth.tar"])
@pytest.mark.parametrize("content, seen, remedy", [
    (POINTER, "a pointer of Git LFS", "git lfs pull"),
    (PAGE, "a web page.*Quota exceeded", "browser"),
    (b"\xef\xbb\xbf<html>", "a web page", "browser"),
    (b"", "is empty", "fetch it again"),
    (b'{"error": "not authorised"}', "a text.*not authorised", "read the text"),
    (b'{"data":{"status": 404}}', "a text.*404", "read the text"),  # the ninth byte is a brace
    ("Fichier supprimé".encode("latin-1"), "a text", "read the text"),
    (b"\x89HDF\r\n\x1a\n" + bytes(40), "a HDF5 file", "convert"),
    (gzip.compress(b"x" * 600, mtime=0), "a gzip file", "unpack"),
    (b"model.pth".ljust(257, b"\0") + b"ustar\x0000".ljust(600, b"\0"), "a tar file", "unpack")])
def test_what_is_no_file_of_weights_is_recognised_by_its_content(tmp_path, suffix, content, seen,
                                                                 remedy):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    error = refused(path)
    assert remedy in error.remedy
    with pytest.raises(LabError, match=f"cannot be read: it is.*{seen.removeprefix('is ')}"):
        read_state_dict(path)
    if "LFS" in seen or "text" in seen:
        assert "fetch" not in error.remedy


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("content, named", [
    ({"epoch": 3, "args": argparse.Namespace(rate=0.1)}, "args (argparse.Namespace)"),
    ({name: tensor.numpy() for name, tensor in STATE.items()}, "numpy._core.multiarray"),
    (nn.Linear(3, 2), "torch.nn.modules.linear.Linear"),
    ({"epoch": 3, "path": Path("x")}, "pathlib."),
    ({"epoch": 3, "best": np.float64(0.7)}, "numpy._core.multiarray.scalar")])
def test_python_objects_are_named_and_the_file_is_not_called_damaged(tmp_path, content, named,
                                                                     zipped):
    path = tmp_path / "x.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    error = refused(path)
    assert "holds no state dict, but a " in error.seen and named in error.seen
    assert "fetch it again" not in error.remedy.replace("to fetch it again changes nothing", "")
    assert "save the tensors alone" in error.remedy


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_to_be_fetched_again(tmp_path, zipped, share):
    torch.save(STATE, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:int(share * len(whole))])
    assert "fetch it again" in refused(tmp_path / "cut.pth").remedy


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
def test_the_content_tells_the_format_not_the_name(tmp_path, zipped):
    save_file(STATE, tmp_path / "x.pth")
    torch.save(STATE, tmp_path / "y.safetensors", _use_new_zipfile_serialization=zipped)
    for name in ("x.pth", "y.safetensors"):
        assert state_digest(read_state_dict(tmp_path / name)) == state_digest(STATE)


def test_other_archives_and_contents_are_reported_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("weights/model.pth", b"x" * 100)
    assert "weights/model.pth" in refused(tmp_path / "x.pth").seen
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    assert "but a list" in refused(tmp_path / "list.pth").seen
    torch.save({0: torch.ones(2)}, tmp_path / "numbered.pth")
    assert "a dictionary of 0" in refused(tmp_path / "numbered.pth").seen
    (tmp_path / "folder.pth").mkdir()
    assert "is a folder" in refused(tmp_path / "folder.pth").seen


def test_a_file_that_may_not_be_opened_is_not_called_damaged(tmp_path, monkeypatch):
    def closed(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    torch.save(STATE, tmp_path / "x.pth")
    monkeypatch.setattr(Path, "open", closed)
    error = refused(tmp_path / "x.pth")
    assert "Permission denied" in error.seen and "permissions" in error.remedy


@pytest.mark.parametrize("value, fits", [(65_000.0, True), (65_520.0, False), (1e5, False),
                                         (float("nan"), False)])
def test_half_precision_refuses_what_it_cannot_hold(tmp_path, value, fits):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[1].running_var[2] = value
    if fits:
        save_state_dict(tmp_path / "x.safetensors", model, half=True)
        read = read_state_dict(tmp_path / "x.safetensors")["1.running_var"]
        assert read.dtype == torch.float16 and float(read[2]) == pytest.approx(value, rel=5e-4)
        return
    with pytest.raises(LabError, match="x.safetensors, in half.* 1 of 4 values in 1.running_var"):
        save_state_dict(tmp_path / "x.safetensors", model, half=True)
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net.", "module.model.",
                                    "encoder.", "_orig_mod.module.backbone."])
def test_a_prefix_that_all_names_share_is_stripped(prefix, tmp_path):
    model, wanted = nn.Linear(300, 4), nn.Linear(300, 4).state_dict()
    torch.save({"net": {f"{prefix}{name}": tensor for name, tensor in wanted.items()}},
               tmp_path / "x.pth")
    load_weights(model, read_state_dict(tmp_path / "x.pth"), "x.pth does not fit")
    assert state_digest(model.state_dict()) == state_digest(wanted)
    with pytest.raises(LabError, match=r"weight \(4, 300\) for \(4, 200\)"):
        load_weights(nn.Linear(200, 4), read_state_dict(tmp_path / "x.pth"), "x.pth does not fit")


def test_the_file_of_another_network_is_named_with_the_layers_that_differ():
    seen = "2 missing: weight, bias; 1 unexpected: module.conv.kernel(?s:.)*of this network there"
    with pytest.raises(LabError, match=seen):
        load_weights(nn.Linear(300, 4), {"module.conv.kernel": torch.ones(2, 2)},
                     "x.pth does not fit")


@pytest.mark.parametrize("content, key", [
    ({"epoch": 3, "teacher": STATE, "student": {"model": STATE}}, "student"),
    ({"state_dict": STATE, "ema": {"state_dict": STATE}}, "ema.state_dict")])
def test_of_several_state_dicts_the_registry_names_one(tmp_path, content, key):
    path = tmp_path / "x.pth"
    torch.save(content, path)
    error = refused(path)
    assert "holds several state dicts: " in error.seen and "set `state_dict_key`" in error.remedy
    assert state_digest(read_state_dict(path, key=key)) == state_digest(STATE)


def test_weights_of_an_untrained_network_that_were_damaged_are_drawn_again(private, capsys):
    entry = get_entry("torchvision:squeezenet1_1-untrained")
    path = weights_file(entry, private / "data")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert find_weights(entry, private / "data") is None
    assert weights_file(entry, private / "data") == path and path.read_bytes() == whole
    assert f"{path}, are damaged" in capsys.readouterr().out
    path.with_name(path.name + ".digest").unlink()  # as an earlier version left it
    assert weights_file(entry, private / "data") == path


@pytest.mark.parametrize("number, words", [(28, "The disk is full"), (27, "your limit")])
def test_a_full_disk_is_named(tmp_path, monkeypatch, number, words):
    def full(*_):
        raise OSError(number, "x")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(LabError, match=words):
        save_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(3)})
