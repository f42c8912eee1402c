"""Files of a user and of publishers: one table of what may be wrong, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.brains import surfaces
from helpers.brains.array_files import (
    open_responses,
    read_ncsnr,
    read_regions,
    read_seen_images,
)
from helpers.brains.coco_annotations import read_annotations
from helpers.brains.files import read_mapping, read_names, read_volume, whole_numbers
from helpers.brains.hdf5_images import HDF5Images
from helpers.brains.layouts import read_cohort
from helpers.brains.mat_files import read_mat
from helpers.brains.nsd import NSD
from helpers.brains.object2vec import Object2Vec
from helpers.brains.rsa92 import read_rsa92
from helpers.brains.sessions import read_session
from helpers.core.cache import cached
from helpers.core.errors import LabError
from helpers.core.text import read_table
from helpers.datasets.sources import DownloadSource, load_source
from helpers.networks.feature_files import read_features, save_features
from helpers.networks.weights import read_state_dict
from helpers.rsa.interchange import read_rdms
from helpers.stimuli.decode import decode_rgb
from helpers.stimuli.image_sets import image_folder, image_table

N_IMAGES = ("a.png", "b.png", "c.png")


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def array(name: str, values: object) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, values)


def raw(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def mat(name: str, **content: object) -> Callable[[Path], None]:
    return lambda folder: savemat(folder / name, content)


def hdf5(name: str, write: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        np.save(folder / "secret.npy", np.arange(750 * 4, dtype=np.float32))
        with h5py.File(folder / "other.hdf5", "w") as other:
            other["betas"] = np.zeros((750, 4), np.int16)
            other["imgBrick"] = np.zeros((2, 4, 4, 3), np.uint8)
        with h5py.File(folder / name, "w") as file:
            write(file)
    return make


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((750, 4), np.int16)
    layout[:] = h5py.VirtualSource("other.hdf5", "betas", (750, 4))
    file.create_virtual_dataset("betas", layout)


def external(name: str, shape: tuple[int, ...], kind: str) -> Callable[[h5py.File], object]:
    return lambda file: file.create_dataset(name, shape, kind, external=[("secret.npy", 0,
                                                                          h5py.h5f.UNLIMITED)])


def npz(**arrays: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with (folder / "x.npz").open("wb") as file:
            np.savez(file, **arrays)
    return make


def table(columns: tuple[str, ...] = ("image", "n"), *, numbers: str = "") -> Callable:
    def read(folder: Path) -> object:
        found = read_table(folder / "t.csv", columns)
        return found.integers(numbers) if numbers else found
    return read


responses = lambda folder: open_responses(folder / "responses.npy", 3)  # noqa: E731
regions = lambda folder: read_regions(folder, 4)  # noqa: E731
seen = lambda folder: read_seen_images(folder, N_IMAGES)  # noqa: E731
session = lambda folder: read_session(folder / "s.hdf5")  # noqa: E731
bricks = lambda folder: HDF5Images(folder / "s.hdf5")  # noqa: E731
features = lambda folder: read_features(folder / "x.npz")  # noqa: E731
names = np.array(["a", "b"])

CASES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object], str]] = {
    # tables
    "a number beyond what is exact": (text("t.csv", "image,n\na,9007199254740994"),
                                      table(numbers="n"), "line 2: n is '9007199254740994'"),
    "a number beyond 64 bits": (text("t.csv", "image,n\na,1e300"), table(numbers="n"), "1e300"),
    "an infinite number": (text("t.csv", "image,n\na,inf"), table(numbers="n"), "n is 'inf'"),
    "a number with an underscore": (text("t.csv", "image,n\na,1_0"), table(numbers="n"), "1_0"),
    "a header of one enormous cell": (text("t.csv", "x" * 200_000 + "\n1"), table(),
                                     "line 1: field larger"),
    "a cell of enormous length": (text("t.csv", "image,n\na," + "1" * 200_000), table(),
                                  "line 2: field larger"),
    "a table of nulls": (raw("t.csv", b"\0" * 99), table(), "zero byte"),
    "no table": (lambda _: None, table(), "no file"),
    # arrays of the user
    "an empty file": (raw("responses.npy", b""), responses, "empty"),
    "a header alone": (raw("responses.npy", b"\x93NUMPY\x01\0"), responses, "cannot be read"),
    "a header of another version": (raw("responses.npy", b"\x93NUMPY\x09\x00v\0{}"), responses,
                                    "cannot be read"),
    "a header that is a program": (raw("responses.npy", b"\x93NUMPY\x01\0\x30\0"
                                       + b"__import__('os').mkdir('x')".ljust(48)), responses,
                                   "cannot be read"),
    "a header of brackets": (raw("responses.npy", b"\x93NUMPY\x01\0\x00\x20" + b"(" * 8192),
                             responses, "cannot be read"),
    "a header of an enormous shape": (raw("responses.npy", b"\x93NUMPY\x01\0\x76\0" + (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999999999999), }").ljust(117)
        + b"\n"), responses, "cannot be read"),
    "an archive cut short": (raw("responses.npy", b"PK\3\4" + bytes(60)), responses,
                             "cannot be read"),
    "an archive of arrays": (lambda f: np.savez(f / "x.npz", a=1) or (
        f / "x.npz").rename(f / "responses.npy"), responses, "an archive"),
    "complex responses": (array("responses.npy", np.ones((3, 2), complex)), responses, "complex"),
    "texts as responses": (array("responses.npy", np.array([["a"]] * 3)), responses, "type <U1"),
    "four axes": (array("responses.npy", np.ones((3, 1, 1, 1))), responses, "shape"),
    "no voxel": (array("responses.npy", np.ones((3, 0))), responses, "shape"),
    "axes exchanged": (array("responses.npy", np.ones((9, 3))), responses, "9 rows"),
    "a structured array": (array("responses.npy", np.zeros(3, [("a", "f4")])), responses, "type"),
    "a negative ncsnr": (array("ncsnr.npy", np.array([-1.0, 0, 1])),
                         lambda f: read_ncsnr(f / "ncsnr.npy", 3), "voxel 0"),
    "an ncsnr of booleans": (array("ncsnr.npy", np.ones(3, bool)),
                             lambda f: read_ncsnr(f / "ncsnr.npy", 3), "type bool"),
    "places beyond the list": (array("images.npy", np.array([0, 3])), seen, "the value 3"),
    "places that are fractions": (array("images.npy", np.array([0.5])), seen, "the value 0.5"),
    "places beyond 64 bits": (array("images.npy", np.array([2**63], np.uint64)), seen, "the value"),
    "a mask of another length": (array("images.npy", np.ones(2, bool)), seen, "twice|listed"),
    "an image seen twice": (array("images.npy", np.array([1, 1])), seen, "'b.png' twice"),
    "an unknown image": (array("images.npy", np.array(["d.png"])), seen, "did you mean"),
    "a table of images of two axes": (array("images.npy", np.ones((2, 2), int)), seen, "shape"),
    "a region with a slash": (text("rois.csv", "voxel,roi\n0,../../x"), regions,
                              "the name '../../x'"),
    "a region in HTML": (text("rois.csv", "voxel,roi\n0,<b>x</b>"), regions, "holds '<'"),
    "a region that is a link": (text("rois.csv", "voxel,roi\n0,[a](b)"), regions, r"holds '\]\('"),
    "a hidden region": (text("rois.csv", "voxel,roi\n0,.x"), regions, r"holds '\.'"),
    "a region of endless name": (text("rois.csv", "voxel,roi\n0," + "x" * 999), regions,
                                 "999 letters"),
    "a region with a bell": (array("rois.npy", np.array(["a\x07"] * 4)), regions, "x07"),
    "a voxel beyond 64 bits": (text("rois.csv", "voxel,roi\n1e30,x"), regions, "line 2"),
    "a published region in other letters": (text("rois.csv", "voxel,roi\n0,ffa-1"), regions,
                                            "FFA-1"),
    "no region": (array("rois.npy", np.array([""] * 4)), regions, "names no region"),
    # publishers' files
    "labels of another kind": (text("x.ctab", "one V1v"), lambda f: read_names(f / "x.ctab"),
                               "line 1"),
    "a mapping without objects": (array("m.npy", np.zeros(3)),
                                  lambda f: read_mapping(f / "m.npy"), "an array of float64"),
    "a volume of enormous size": (
        lambda f: nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), f / "v.nii")
        or huge_header(f / "v.nii"), lambda f: read_volume(f / "v.nii"), "its shape is"),
    "a volume cut short": (
        lambda f: nib.save(nib.Nifti1Image(np.zeros((9, 9, 9)), np.eye(4)), f / "v.nii")
        or (f / "v.nii").write_bytes((f / "v.nii").read_bytes()[:900]),
        lambda f: read_volume(f / "v.nii"), "cannot be read"),
    "a session in another file": (hdf5("s.hdf5", lambda file: file.__setitem__(
        "betas", h5py.ExternalLink("other.hdf5", "/betas"))), session,
        "link, to /betas of another"),
    "a session behind a link": (hdf5("s.hdf5", lambda file: file.__setitem__(
        "betas", h5py.SoftLink("/x"))), session, "link, to /x"),
    "a session put together": (hdf5("s.hdf5", virtual), session, "lie in other files"),
    "a session of bytes outside": (hdf5("s.hdf5", external("betas", (750, 4), "f4")), session,
                                   "lie in other files"),
    "a group in place of betas": (hdf5("s.hdf5", lambda file: file.create_group("betas")),
                                  session, "no dataset 'betas'"),
    "images of bytes outside": (hdf5("s.hdf5", external("imgBrick", (2, 4, 4, 3), "u1")), bricks,
                                "lie in other files"),
    "images in another file": (hdf5("s.hdf5", lambda file: file.__setitem__(
        "imgBrick", h5py.ExternalLink("other.hdf5", "/imgBrick"))), bricks, "of another file"),
    "images of enormous size": (hdf5("s.hdf5", lambda file: file.create_dataset(
        "imgBrick", (2, 99_999, 99_999, 3), "u1", chunks=(1, 64, 64, 3))), bricks, "99999 x 99999"),
    "images of floats": (hdf5("s.hdf5", lambda file: file.create_dataset(
        "imgBrick", (2, 4, 4, 3), "f4")), bricks, "no dataset 'imgBrick'"),
    "a MATLAB file of no structure": (mat("fmri/subj001/roistack.mat", roistack=3.0),
                                      lambda f: stack_of(f).rois("subj001"), "no rois"),
    "betas that are texts": (mat("fmri/subj001/roistack.mat", roistack={
        "rois": ["FFA"], "indices": [1], "betas": ["x"], "conds": ["a"]}),
        lambda f: stack_of(f).rois("subj001"), "betas that are no numbers"),
    "two sets": (mat("fmri/subj001/sets.mat", sets=np.array(["a", "b"], object)),
                 lambda f: stack_of(f).folds("subj001"), "holds 2 sets"),
    "a variable that is absent": (mat("x.mat", y=1), lambda f: read_mat(f / "x.mat", "x"),
                                  "no variable 'x'"),
    "a MATLAB file of nothing": (raw("x.mat", b"MATLAB 5.0" + bytes(200)),
                                 lambda f: read_mat(f / "x.mat", "x"), "cannot be read"),
    # features, RDMs, weights
    "features in a bare array": (array("x.npz.npy", np.ones(3)),
                                 lambda f: read_features(f / "x.npz.npy"), "no .npz file"),
    "features without images": (npz(network="n"), features, "images"),
    "features of numbered images": (npz(images=np.arange(2), network="n",
                                        **{"layer/a": np.ones((2, 3))}), features, "no names"),
    "features of one axis": (npz(images=names, network="n", **{"layer/a": np.ones(2)}), features,
                             "features of shapes"),
    "features of another length": (npz(images=names, network="n", **{"layer/a": np.ones((3, 1))}),
                                   features, "features of shapes"),
    "features under another name": (npz(images=names, network="n", a=np.ones((2, 1))), features,
                                    "has an array 'a'"),
    "features in a damaged archive": (
        lambda f: save_features(f / "x.npz", "n", ["a"], {"b": np.ones((1, 99))})
        or (f / "x.npz").write_bytes((f / "x.npz").read_bytes().replace(b"NUMPY", b"NOMPY")),
        features, "cannot be read as features"),
    "RDMs in a text": (text("r.h5", "x"), lambda f: read_rdms(f / "r.h5"), "cannot be read as RDM"),
    "RDMs of nothing": (lambda f: h5py.File(f / "r.h5", "w").close(),
                        lambda f: read_rdms(f / "r.h5"), "cannot be read as RDMs"),
    "RDMs in another file": (hdf5("r.h5", lambda file: file.__setitem__(
        "dissimilarities", h5py.ExternalLink("other.hdf5", "/betas"))),
        lambda f: read_rdms(f / "r.h5"), "of another file"),
    "a header of safetensors alone": (raw("w.safetensors", (2**40).to_bytes(8, "little") + b"{}"),
                                      lambda f: read_state_dict(f / "w.safetensors"), "cannot be"),
    "tensors that overlap": (
        lambda f: safetensors(f / "w.safetensors", {"a": ("F32", [4], [0, 16]),
                                                    "b": ("F32", [4], [8, 24])}, bytes(24)),
        lambda f: read_state_dict(f / "w.safetensors"), "cannot be read"),
    "tensors beyond the file": (
        lambda f: safetensors(f / "w.safetensors", {"a": ("F32", [2**40], [0, 2**42])}, bytes(8)),
        lambda f: read_state_dict(f / "w.safetensors"), "cannot be read"),
    # images and lists of images
    "a program of PostScript": (raw("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
                                    b"%%EndComments\n(x) (w) file\nshowpage\n"),
                                lambda f: decode_rgb(f / "x.png"), "cannot be read"),
    "a picture of Photoshop": (raw("x.png", b"8BPS\0\1" + bytes(99)),
                               lambda f: decode_rgb(f / "x.png"), "cannot be read"),
    "a picture in SVG": (text("x.png", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
                         lambda f: decode_rgb(f / "x.png"), "cannot be read"),
    "a category in HTML": (
        lambda f: Image.new("RGB", (2, 2)).save(f / "a.png")
        or text("t.csv", "file,category\na.png,<img src=x>")(f),
        lambda f: image_table(f / "t.csv"), "holds '<'"),
    "a domain that is a link": (
        lambda f: Image.new("RGB", (2, 2)).save(f / "a.png")
        or text("t.csv", "file,category,domain\na.png,a,[x](y)")(f),
        lambda f: image_table(f / "t.csv"), r"holds '\]\('"),
    "a folder in HTML": (lambda f: (f / "<script>").mkdir(), image_folder, "holds '<'"),
    "a table that leads upwards": (text("t.csv", "file,category\n../../etc/x.png,a"),
                                   lambda f: image_table(f / "t.csv"), "outside the table"),
    # sources and the cache
    "a source of no name": (lambda _: None, lambda _: load_source("imagenot"), "no source"),
    "a digest of another kind": (lambda _: None, lambda _: DownloadSource(
        "x", "http://x", "none", digest="crc:12345678"), "has the digest"),
    "a part outside of its folder": (lambda _: None, lambda _: DownloadSource(
        "x", "http://x", "none", parts=({"path": "../x", "url": "u", "digest": "md5:12345678",
                                         "bytes": 1},)), "is to lie at"),
    "an artefact outside of its folder": (
        lambda _: None, lambda f: cached("kind", "../x", {}, dict, folder=f), "has the name"),
    "an artefact of objects": (lambda _: None, lambda f: cached(
        "kind", "x", {}, lambda: {"a": np.array([{}])}, folder=f), "has dtype object"),
    # cohorts
    "an unknown layout": (lambda _: None, lambda f: read_cohort("nds", f), "did you mean 'nsd'"),
    "a split of another layout": (lambda _: None, lambda f: read_cohort("nod", f, n_pool=3),
                                  "n_pool"),
    "z-scores of another layout": (lambda _: None, lambda f: read_cohort(
        "arrays", f, per_run="vertex"), "per_run"),
    **{f"an empty folder of {layout}": (lambda _: None, lambda f, layout=layout: read_cohort(
        layout, f), ".") for layout in ("nsd", "nsd-volume", "algonauts", "nod", "object2vec",
                                        "arrays")},
    "an empty folder of 92 images": (lambda _: None, read_rsa92, "no file"),
}


def huge_header(path: Path) -> None:
    """Let a volume say that it is 30,000 voxels a side: five gigabytes of zeros are five of bytes.
    """
    content = bytearray(path.read_bytes())
    content[40:48] = np.array([3, 30_000, 30_000, 30_000], "<i2").tobytes()
    path.write_bytes(bytes(content))


def safetensors(path: Path, tensors: dict, content: bytes) -> None:
    header = json.dumps({name: dict(zip(("dtype", "shape", "data_offsets"), parts))
                         for name, parts in tensors.items()}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + content)


def stack_of(folder: Path) -> Object2Vec:
    """Open a participant of whose files one is there; the rest is made."""
    for name in ("a", "b"):
        (folder / "stimuli" / name).mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(folder / "stimuli" / name / "1.png")
    if not (folder / "fmri/subj001/roistack.mat").is_file():
        savemat(folder / "fmri/subj001/roistack.mat", {"x": 1})
    return Object2Vec(folder)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_three_parts(tmp_path, case):
    (tmp_path / "fmri/subj001").mkdir(parents=True)
    make, read, words = CASES[case]
    make(tmp_path)
    if case.startswith("an empty folder"):
        (tmp_path / "none").mkdir()
    with pytest.raises(LabError, match=words) as error:
        read(tmp_path / "none" if case.startswith("an empty folder") else tmp_path)
    assert error.value.seen and error.value.expected and error.value.remedy
    assert len(str(error.value)) < 3000, "an error is to be read"


@pytest.mark.parametrize("value", [2.0**53 + 2, 1e300, -1e19])
def test_whole_numbers_that_a_conversion_would_change_are_refused(value):
    with pytest.raises(LabError, match="x.npy: the value"):
        whole_numbers(np.array([0, value]), "x.npy")
    assert whole_numbers(np.array([2.0**53]), "x").tolist() == [2**53]


@pytest.mark.parametrize("spoil, words", [
    (lambda points, faces: (points, faces + 99), "triangles"),
    (lambda points, faces: (points * np.nan, faces), "points"),
    (lambda points, faces: (points, faces), "points")])
def test_a_surface_that_does_not_fit_is_refused(tmp_path, spoil, words):
    points, faces = np.eye(3), np.array([[0, 1, 2]])
    nib.freesurfer.write_geometry(tmp_path / "lh.inflated", *spoil(points, faces))
    np.save(tmp_path / "mask.npy", np.ones(2))
    with pytest.raises(LabError, match=words):
        surfaces._opened(tmp_path / "lh.inflated", tmp_path / "mask.npy")


@pytest.mark.parametrize("content", [
    {"annotations": [{"image_id": 1}]}, {"annotations": [{"caption": "x"}]}, {"annotations": 3},
    {"annotations": [{"image_id": 1, "caption": 7}]}, {"annotations": [[]]},
    {"annotations": {"image_id": 1}}, {"other": 1}, [], None])
@pytest.mark.parametrize("kind", ["captions", "instances"])
def test_annotations_of_another_form_are_refused(tmp_path, content, kind):
    (tmp_path / "annotations").mkdir()
    path = tmp_path / f"annotations/{kind}_val2017.json"
    path.write_text(json.dumps(content))
    cohort = object.__new__(NSD)
    cohort.root = tmp_path
    cohort.info = pd.DataFrame({"cocoId": [1], "cropBox": ["(0, 0, 0, 0)"]})
    with pytest.raises(LabError, match=f"{kind}_val2017.json"):
        read_annotations(cohort)
    path.write_text("[" * 100_000)
    with pytest.raises(LabError, match=f"{kind}_val2017.json"):
        read_annotations(cohort)


