"""Bytes that were changed, cut or made up: every reader gives a value or words, and soon.

Examples are drawn the same way each time, and few: what they cost is bounded. `exhaustive` draws
twenty times as many.
"""

from __future__ import annotations

import io
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from scipy.io import savemat

from helpers.brains.array_files import load_array
from helpers.brains.files import read_mapping, read_names, read_volume, readable
from helpers.brains.hdf5_images import HDF5Images
from helpers.brains.mat_files import read_mat
from helpers.brains.nod import _values
from helpers.brains.sessions import read_session
from helpers.core.errors import LabError
from helpers.core.text import read_table
from helpers.networks.feature_files import read_features, save_features
from helpers.networks.weights import read_state_dict
from helpers.rsa.interchange import read_rdms, save_rdms
from helpers.stimuli.decode import decode_rgb

LONGEST_S = 20
"""Of one file; a reader that never ends would be stopped by no limit here, but be seen."""
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def saved(write: Callable[[Path], object], name: str) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        write(folder / name)
        return (folder / name).read_bytes()
    return content


def image(kind: str, **options: object) -> Callable[[Path], bytes]:
    def content(_: Path) -> bytes:
        file = io.BytesIO()
        mode = options.pop("mode", "RGB") if "mode" in options else "RGB"
        Image.fromarray(PIXELS).convert(mode).save(file, kind, **options)
        return file.getvalue()
    return content


def animated(kind: str) -> Callable[[Path], bytes]:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    return image(kind, save_all=True, append_images=frames[1:])


def grey16(path: Path) -> None:
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(path)


def object_array(path: Path) -> None:
    np.save(path, np.array({0: "Unknown", 1: "OFA"}, dtype=object), allow_pickle=True)


def hdf5_images(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", data=PIXELS[None], chunks=True, compression="gzip")


def hdf5_session(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["betas"] = np.arange(24, dtype=np.int16).reshape(6, 4)


def dscalar(path: Path) -> None:
    axis = nib.cifti2.BrainModelAxis.from_mask(np.ones(5, bool), "CORTEX_LEFT")
    rows = nib.cifti2.ScalarAxis(["a", "b"])
    nib.save(nib.cifti2.Cifti2Image(np.ones((2, 5), np.float32), (rows, axis)), path)


def gifti(path: Path) -> None:
    nib.save(nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.ones(5, np.float32))]), path)


volume = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
state = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
matrix = {"x": np.arange(6.0), "names": np.array(["a", "bc"], object), "s": {"a": 1, "b": [1, 2]}}

READERS: dict[str, tuple[str, Callable[[Path], bytes], Callable[[Path], object]]] = {
    "PNG": ("x.png", image("PNG"), decode_rgb),
    "PNG, 16 bits": ("x.png", saved(grey16, "s.png"), decode_rgb),
    "PNG, animated": ("x.png", animated("PNG"), decode_rgb),
    "JPEG": ("x.jpg", image("JPEG"), decode_rgb),
    "JPEG, CMYK": ("x.jpg", image("JPEG", mode="CMYK"), decode_rgb),
    "GIF, animated, as PNG": ("x.png", animated("GIF"), decode_rgb),
    "TIFF": ("x.tif", image("TIFF", compression="tiff_lzw"), decode_rgb),
    "WEBP, animated": ("x.webp", animated("WEBP"), decode_rgb),
    "BMP": ("x.bmp", image("BMP"), decode_rgb),
    "PPM": ("x.ppm", image("PPM"), decode_rgb),
    "NPY": ("x.npy", saved(lambda p: np.save(p, np.arange(6.0)), "s.npy"),
            lambda p: load_array(p, "numbers", "fiu")),
    "a mapping": ("x.npy", saved(object_array, "s.npy"), read_mapping),
    "NPZ": ("x.npz", saved(lambda p: save_features(p, "n", ["a"], {"b": np.ones((1, 3))}),
                           "s.npz"), read_features),
    "safetensors": ("x.safetensors", saved(lambda p: save_file(state, p), "s"), read_state_dict),
    "torch.save": ("x.pth", saved(lambda p: torch.save(state, p), "s"), read_state_dict),
    "torch.save, old": ("x.pth", saved(lambda p: torch.save(
        state, p, _use_new_zipfile_serialization=False), "s"), read_state_dict),
    "MATLAB": ("x.mat", saved(lambda p: savemat(p, matrix), "s.mat"), lambda p: read_mat(p, "x")),
    "MATLAB, compressed": ("x.mat", saved(lambda p: savemat(p, matrix, do_compression=True),
                                          "s.mat"), lambda p: read_mat(p, "s")),
    "HDF5, images": ("x.hdf5", saved(hdf5_images, "s.hdf5"), lambda p: HDF5Images(p).open(0)),
    "HDF5, betas": ("x.hdf5", saved(hdf5_session, "s.hdf5"),
                    lambda p: read_session(p, n_trials=6, n_vertices=4)),
    "HDF5, RDMs": ("x.h5", saved(lambda p: save_rdms(p, {"a": np.ones(3)}, list("abc")), "s.h5"),
                   read_rdms),
    "NIfTI": ("x.nii", saved(lambda p: nib.save(volume, p), "s.nii"), read_volume),
    "NIfTI, compressed": ("x.nii.gz", saved(lambda p: nib.save(volume, p), "s.nii.gz"),
                          read_volume),
    "MGH": ("x.mgz", saved(lambda p: nib.save(nib.MGHImage(np.ones((5, 1, 1), np.float32),
                                                           np.eye(4)), p), "s.mgz"), read_volume),
    "CIFTI": ("x.dscalar.nii", saved(dscalar, "s.dscalar.nii"), _values),
    "GIFTI": ("x.gii", saved(gifti, "s.gii"), lambda p: readable(
        p, lambda q: nib.load(q).agg_data(), "a GIFTI file")),
    "FreeSurfer": ("lh.inflated", saved(lambda p: nib.freesurfer.write_geometry(
        p, np.eye(3), np.array([[0, 1, 2]])), "s"), lambda p: readable(
            p, nib.freesurfer.read_geometry, "a surface")),
    "CSV": ("x.csv", lambda _: b"image,n\na.png,1\n\"b, c\",2\n",
            lambda p: read_table(p, ("image", "n")).integers("n")),
    "labels": ("x.ctab", lambda _: b"0 Unknown 0 0 0 0\n1 V1v 1 2 3 4\n", read_names),
    "JSON": ("x.json", lambda _: json.dumps({"annotations": [{"a": [1, None, "x"]}]}).encode(),
             lambda p: readable(p, lambda q: json.loads(q.read_bytes()), "JSON")),
}

DAMAGE = st.one_of(
    st.tuples(st.just("flip"), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1,
                                        max_size=4)),
    st.tuples(st.just("put"), st.lists(st.tuples(st.floats(0, 1), st.sampled_from(
        [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])), min_size=1,
        max_size=2)),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("twice"), st.floats(0, 1)),
    st.tuples(st.just("other"), st.binary(max_size=200)))


def damaged(content: bytes, how: tuple[str, object]) -> bytes:
    """Change a file; places are fractions of its length, in the first of which headers stand."""
    kind, what = how
    data = bytearray(content)
    if kind == "cut":
        return bytes(data[:int(what * len(data))])
    if kind == "twice":
        at = int(what * len(data))
        return bytes(data[:at] + data)
    if kind == "other":
        return bytes(data[:8]) + what
    for place, change in what:
        at = min(int(place**2 * len(data)), len(data) - 1)
        if kind == "flip":
            data[at] ^= 1 << change
        else:
            data[at:at + 4] = change
    return bytes(data)


def tried(read: Callable[[Path], object], path: Path) -> LabError | None:
    start = time.process_time()
    try:
        read(path)
    except LabError as error:
        assert error.seen and error.expected and error.remedy and len(str(error)) < 4000
        return error
    finally:
        assert time.process_time() - start < LONGEST_S
    return None


def fuzz(name: str, folder: Path, examples: int) -> None:
    file, content, read = READERS[name]
    whole, path, seen = content(folder), folder / file, []
    path.write_bytes(whole)
    assert tried(read, path) is None, "the file itself is read"

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))
    @given(DAMAGE)
    def attempt(how: tuple[str, object]) -> None:
        path.write_bytes(damaged(whole, how))
        seen.append(tried(read, path))

    attempt()
    assert any(seen), "some of what was tried is refused"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_changed_bytes_end_in_a_value_or_in_words(tmp_path, name):
    fuzz(name, tmp_path, 12)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_many_changed_bytes_end_in_a_value_or_in_words(tmp_path, name):
    fuzz(name, tmp_path, 100 if name == "MATLAB" else 500)  # which starts a process each time


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1), (20_000, 20_000)])
def test_a_png_that_claims_to_be_enormous_is_refused_unread(tmp_path, size):
    """A few bytes that would be ten gigabytes of pixels."""
    content = bytearray(image("PNG")(tmp_path))
    content[16:24] = b"".join(side.to_bytes(4, "big") for side in size)
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    (tmp_path / "x.png").write_bytes(bytes(content))
    with pytest.raises(LabError, match="too large|cannot be read") as error:
        decode_rgb(tmp_path / "x.png")
    assert "x.png" in error.value.seen
