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
from helpers.networks.weights import load_weights, read_state_dict, save_state_dict

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
    ("Fichier supprimé".encode("latin-1"), "a text", "read the text"),
    (b"\x89HDF\r\n\x1a\n" + bytes(40), "a HDF5 file", "convert"),
    (gzip.compress(b"x" * 600, mtime=0), "a gzip file", "unpack")])
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
    ({"state_dict": STATE, "args": argparse.Namespace(rate=0.1)}, "argparse.Namespace"),
    ({name: tensor.numpy() for name, tensor in STATE.items()}, "numpy._core.multiarray"),
    (nn.Linear(3, 2), "torch.nn.modules.linear.Linear"),
    ({"state_dict": STATE, "path": Path("x")}, "pathlib."),
    ({"state_dict": STATE, "best": np.float64(0.7)}, "numpy._core.multiarray.scalar")])
def test_python_objects_are_named_and_the_file_is_not_called_damaged(tmp_path, content, named,
                                                                     zipped):
    path = tmp_path / "x.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    error = refused(path)
    assert "holds Python objects: " in error.seen and named in error.seen
    assert "fetch it again" not in error.remedy.replace("to fetch it again changes nothing", "")
    assert "save the tensors alone" in error.remedy


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_to_be_fetched_again(tmp_path, zipped, share):
    torch.save(STATE, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:int(share * len(whole))])
    assert "fetch it again" in refused(tmp_path / "cut.pth").remedy


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 0:UserWarning")
def test_a_file_by_another_name_is_to_be_renamed(tmp_path):
    save_file(STATE, tmp_path / "x.pth")
    assert "rename it to x.safetensors" in refused(tmp_path / "x.pth").remedy
    torch.save(STATE, tmp_path / "y.safetensors")
    assert "rename it to y.pth" in refused(tmp_path / "y.safetensors").remedy


def test_other_archives_and_contents_are_reported_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("weights/model.pth", b"x" * 100)
    assert "weights/model.pth" in refused(tmp_path / "x.pth").seen
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    assert "holds a list" in refused(tmp_path / "list.pth").seen
    torch.save({0: torch.ones(2)}, tmp_path / "numbered.pth")
    assert "more than tensors" in refused(tmp_path / "numbered.pth").seen
    (tmp_path / "folder.pth").mkdir()
    assert "is a folder" in refused(tmp_path / "folder.pth").seen


def test_a_file_that_may_not_be_opened_is_not_called_damaged(tmp_path, monkeypatch):
    def closed(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    torch.save(STATE, tmp_path / "x.pth")
    monkeypatch.setattr(torch, "load", closed)
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


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.net."])
def test_a_prefix_that_all_names_share_is_named(prefix):
    state = {f"{prefix}{name}": tensor for name, tensor in nn.Linear(300, 4).state_dict().items()}
    with pytest.raises(LabError, match=rf'set `prefix = "{prefix}"`'):
        load_weights(nn.Linear(300, 4), state, "x.pth does not fit")


def test_another_network_is_not_blamed_on_a_prefix():
    with pytest.raises(LabError, match="check `architecture`"):
        load_weights(nn.Linear(300, 4), {"module.conv.kernel": torch.ones(2, 2)},
                     "x.pth does not fit")


@pytest.mark.parametrize("content, remedy", [
    ({"epoch": 3, "state_dict": STATE}, "tensors are in state_dict"),
    ({"epoch": 3, "net": {"model": STATE}}, "save the tensors alone"),
])
def test_a_checkpoint_says_where_its_tensors_are(tmp_path, content, remedy):
    path = tmp_path / "x.pth"
    torch.save(content, path)
    assert remedy in refused(path).remedy
