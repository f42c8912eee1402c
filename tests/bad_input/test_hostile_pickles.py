"""No file from outside runs anything: pickles that would make a folder, given to every reader."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.brains.array_files import load_array, read_ncsnr, read_regions, read_seen_images
from helpers.brains.files import read_mapping, read_volume, readable
from helpers.brains.hdf5_images import open_hdf5
from helpers.brains.mat_files import read_mat
from helpers.core import cache
from helpers.core.digest import file_digest
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.networks.feature_files import read_features
from helpers.networks.name_embeddings import RELEASE_FILES, read_name_embeddings
from helpers.networks.weights import read_state_dict
from helpers.rsa.interchange import read_rdms
from helpers.training.classifiers import read_readout_weight


class Hostile:
    """What a pickle of it would do when it is read: make a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def quoted(mark: Path) -> bytes:
    return f"S'{mark}'\n".encode()


def programs(mark: Path) -> dict[str, bytes]:
    """The ways in which a pickle may call a function, by its instruction."""
    nested = f"__import__('os').mkdir({str(mark)!r})"
    return {
        **{f"protocol {n}": pickle.dumps(Hostile(mark), n) for n in range(6)},
        "INST": b"(" + quoted(mark) + b"ios\nmkdir\n.",
        "OBJ": b"(cos\nmkdir\n" + quoted(mark) + b"o.",
        "eval": b"cbuiltins\neval\n(" + f"S{nested!r}\n".encode() + b"tR.",
        "exec through a module": b"cos\nsystem\n(S'mkdir " + str(mark).encode() + b"'\ntR.",
        "EXT and BUILD": b"cos\nmkdir\n)\x81" if False else b"cos\nmkdir\n(" + quoted(mark)
        + b"tR}b.",
        "a dotted name": b"\x80\x04\x8c\x05torch\x8c\x0b_utils.os.x\x93.",
        "joblib": b"cjoblib.numpy_pickle\nload\n(" + quoted(mark) + b"tR.",
        "numpy.load": b"cnumpy\nload\n(" + quoted(mark) + b"tR.",
        "torch.load": b"ctorch\nload\n(" + quoted(mark) + b"tR.",
    }


NAMES = tuple(programs(Path("x")))


def header(kind: str = "|O", shape: tuple[int, ...] = ()) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False,
                                                "shape": shape})
    return file.getvalue()


def torch_zip(program: bytes, byteorder: bytes = b"little") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", byteorder)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def npz(program: bytes, **others: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **others)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("hostile.npy", header() + program)
    return file.getvalue()


def legacy(program: bytes) -> bytes:
    return b"".join(pickle.dumps(part, 2) for part in (
        0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})) + program + pickle.dumps([], 2)


def features(folder: Path, content: bytes) -> object:
    return read_features(written(folder / "x.npz", content))


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def in_folder(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    return lambda folder, content: (written(folder / name, content), read(folder))[1]


def at(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    return lambda folder, content: read(written(folder / name, content))


def embeddings(folder: Path, content: bytes) -> object:
    (folder / RELEASE_FILES[0]).write_text('[{"id": 1, "name": "a"}]')
    (folder / RELEASE_FILES[2]).write_text("1,b,b\n")
    np.save(folder / RELEASE_FILES[3], np.zeros((1, 512)))
    written(folder / RELEASE_FILES[1], content)
    return read_name_embeddings(folder)


def artefact(folder: Path, content: bytes) -> object:
    """An artefact of the cache that was exchanged, its sidecar with it."""
    cache.cached("kind", "name", {"a": 1}, lambda: {"x": np.arange(3)}, folder=folder)
    path, = (folder / "kind").glob("*.npz")
    path.write_bytes(content)
    sidecar = path.with_suffix(".json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()),
                                   "bytes": len(content), "sha256": file_digest(path)}))
    try:
        return cache.cached("kind", "name", {"a": 1}, lambda: {"x": np.arange(3)}, folder=folder)
    except ValueError as error:  # the folder is this machine's own; what it is not: executed
        raise LabError(str(error), expected="", remedy="") from error


PLACES: dict[str, tuple[Callable[[Path, bytes], object], Callable[[bytes], bytes]]] = {
    "names of labels": (at("mapping.npy", read_mapping), lambda p: header() + p),
    "responses": (at("responses.npy", lambda p: load_array(p, "numbers", "fiu")),
                  lambda p: header(shape=(1,)) + p),
    "an archive of responses": (at("r.npy", lambda p: load_array(p, "numbers", "fiu")), npz),
    "ncsnr": (at("ncsnr.npy", lambda p: read_ncsnr(p, 3)), lambda p: header(shape=(3,)) + p),
    "regions": (in_folder("rois.npy", lambda f: read_regions(f, 3)),
                lambda p: header(shape=(3,)) + p),
    "images seen": (in_folder("images.npy", lambda f: read_seen_images(f, ["a"])),
                    lambda p: header(shape=(1,)) + p),
    "features": (features, lambda p: npz(p, images=np.array(["a"]), network=np.array("n"))),
    "features, bare": (features, lambda p: p),
    "embeddings of names": (embeddings, lambda p: header(shape=(1, 512)) + p),
    "RDMs": (at("rdms.pkl", read_rdms), lambda p: p),
    "weights": (at("w.pth", read_state_dict), torch_zip),
    "old weights": (at("w.pth", read_state_dict), legacy),
    "bare weights": (at("w.pt", read_state_dict), lambda p: p),
    "weights called safetensors": (at("w.safetensors", read_state_dict), lambda p: p),
    "readout": (at("r.pth", lambda p: read_readout_weight(p, 3)), torch_zip),
    "a volume": (at("x.nii.gz", read_volume), lambda p: p),
    "a MATLAB file": (at("x.mat", lambda p: read_mat(p, "x")), lambda p: p),
    "an HDF5 file": (at("x.hdf5", open_hdf5), lambda p: p),
    "a mask": (at("m.npy", lambda p: readable(p, lambda q: np.load(q, allow_pickle=False), "x")),
               lambda p: header(shape=(3,)) + p),
    "the cache": (artefact, npz),
}


def attempt(read: Callable[[Path, bytes], object], folder: Path, content: bytes) -> object:
    """Read; return what came, or the error: of any other kind it is none of ours."""
    try:
        return read(folder, content)
    except LabError as error:
        return error


def test_the_payloads_are_live(tmp_path):
    """What is not run below would run: a test that cannot fail shows nothing."""
    live = []
    for name, program in programs(tmp_path / "mark").items():
        try:
            pickle.loads(program)
        except Exception:  # some need what is not there; one live payload a form is enough
            continue
        finally:
            if (tmp_path / "mark").is_dir():
                (tmp_path / "mark").rmdir()
                live.append(name)
    assert {"protocol 0", "protocol 2", "protocol 4", "INST", "OBJ", "eval"} <= set(live)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_reader_runs_what_a_file_names(tmp_path, place):
    mark, (read, form) = tmp_path / "mark", PLACES[place]
    for number, program in enumerate(programs(mark).values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = attempt(read, folder, form(program))
        assert not mark.exists(), f"program {NAMES[number]} was run"
        assert isinstance(found, LabError) or place == "the cache"


# ---- what needs no function of another library ---------------------------------------------------

def mapping(folder: Path, program: bytes) -> object:
    return attempt(PLACES["names of labels"][0], folder, header() + program)


def test_bytes_are_never_taken_for_addresses(tmp_path):
    """numpy.ndarray((1,), object, bytes) is allowed by NumPy, and follows eight bytes anywhere."""
    program = (b"cnumpy\nndarray\n((I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR"
               b"S'AAAAAAAA'\ntR.")
    found = mapping(tmp_path, program)
    assert isinstance(found, LabError), "and no crash"


@pytest.mark.parametrize("program", [
    b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nN(S'a'\nt}I8\nI1\nI0\ntb.",  # fields
    b"cnumpy\ndtype\n(S'datetime64'\nI0\nI1\ntR.", b"cnumpy\ndtype\n(I5\ntR.",
    b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRS'AAAAAAAA'\ntR.",
    b"cnumpy.core.multiarray\n_reconstruct\n(}b.", b"cnumpy\nndarray\n}b.", b"}.", b"].", b"N.",
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntI5\nI00\n"
    b"(lp1\ntb.", b"", b".", b"\x80\x05", b"(" * 50])
def test_a_mapping_of_other_things_is_refused(tmp_path, program):
    assert isinstance(mapping(tmp_path, program), LabError)


@pytest.mark.parametrize("content", [{0: "Unknown", 1: "OFA"}, {np.int64(1): np.str_("OFA")},
                                     {np.float32(2): "x"}, {np.uint8(7): "é"}])
@pytest.mark.parametrize("protocol", [3, 4, 5])  # 3 and 4 are those of numpy.save
def test_plain_mappings_are_read(tmp_path, content, protocol):
    program = pickle.dumps(np.array(content, dtype=object), protocol)
    assert mapping(tmp_path, program) == {int(key): str(name) for key, name in content.items()}


def test_weights_that_would_fill_the_memory_are_refused(tmp_path):
    """Numbers repeated by a stride of zero, and zeros that were compressed."""
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1).as_strided((2**36,), (0,))}, path)
    assert path.stat().st_size < 5000
    with pytest.raises(LabError, match="repeats 1 numbers"):
        read_state_dict(path)
    torch.save({"a": torch.zeros(2**10)}, path)
    with zipfile.ZipFile(path) as archive, \
            zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for item in archive.infolist():
            content = archive.read(item)
            if item.filename.endswith("data/0"):
                with bomb.open(item.filename, "w") as member:
                    for _ in range(2**5):
                        member.write(bytes(2**20))
            else:
                bomb.writestr(item.filename, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.networks.torch_files.ALWAYS_BYTES", 2**20)
        with pytest.raises(LabError, match="would unpack to"):
            read_state_dict(tmp_path / "bomb.pth")


@pytest.mark.parametrize("depth", [2, 60])
def test_dictionaries_that_hold_each_other_end(tmp_path, depth):
    """A hundred names for one dictionary, which has a hundred names for the next."""
    inner: dict = {"x": 1}
    for _ in range(depth):
        inner = {str(i): inner for i in range(100)}
    inner["self"] = inner
    torch.save(inner, tmp_path / "w.pth")
    with pytest.raises(LabError, match="no state dict"):
        read_state_dict(tmp_path / "w.pth")


def test_modules_that_hold_each_other_end(tmp_path):
    """Sixty modules, each of which holds the next twice, are 2^60 to whoever walks them all."""
    program = [b"\x80\x02cmine\nModule\n)\x81q\0"]
    for level in range(60):
        here, below = bytes([level + 1]), bytes([level])
        program.append(b"cmine\nModule\n)\x81}(X\1\0\0\0ah" + below + b"X\1\0\0\0bh" + below
                       + b"ubq" + here)
    content = b"".join(program) + b"."
    file = io.BytesIO(torch_zip(content))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/constants.pkl", b"\x80\x02).")
    with pytest.raises(LabError, match="more than 100000 modules"):
        read_state_dict(written(tmp_path / "w.pt", file.getvalue()))


# ---- nowhere else --------------------------------------------------------------------------------

DANGEROUS = {"pickle", "yaml", "dill", "cloudpickle", "marshal", "shelve", "runpy"}
CALLS = {"eval", "exec", "os.system", "os.popen", "torch.load", "torch.jit.load", "joblib.load",
         "pd.read_pickle"}
PICKLES = {"helpers/networks/torch_files.py", "helpers/brains/plain_pickle.py"}
SOURCES = sorted(path for package in ("helpers", "data", "notebooks")
                 for path in (ROOT / package).rglob("*.py"))


def dotted(node: ast.expr) -> str:
    """Return the name of what is called: numpy.load."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "", *reversed(parts)])


@pytest.mark.slow
def test_no_other_module_unpickles():
    """Of all places in which reading could run something: none but the two restricted ones."""
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not named & DANGEROUS or name in PICKLES, name
            if isinstance(node, ast.Call):
                called = dotted(node.func)
                assert called not in CALLS, name
                words = {word.arg: getattr(word.value, "value", None) for word in node.keywords
                         if word.arg in ("shell", "allow_pickle")}
                assert not any(words.values()), name
                if called in ("np.load", "numpy.load"):
                    assert words.get("allow_pickle") is False, f"{name} does not say so"
                if called.endswith(".loads"):
                    assert called in ("json.loads", "tomllib.loads"), name
