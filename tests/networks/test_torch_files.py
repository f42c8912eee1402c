"""Training states as their programs save them are read; what they would run is not run."""

from __future__ import annotations

import argparse
import collections
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training_states import readout_training_state
from torch import nn

from helpers.core.errors import LabError
from helpers.networks import torch_files
from helpers.networks.weights import load_weights, read_state_dict, state_digest
from helpers.training.classifiers import read_readout_weight

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])


def small_network() -> nn.Module:
    """A network with parameters, buffers, and tensors that share their numbers."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                          nn.Linear(4 * 36, 8), nn.Linear(8, 8, bias=False))
    model.add_module("tied", nn.Linear(8, 8, bias=False))
    model.tied.weight = model[5].weight
    return model


class Meter:
    """A class of the training program, unknown to whoever reads the file."""

    def __init__(self) -> None:
        self.values = [1.0, np.float32(2)]


class Settings(dict):
    """A dictionary of a class of its own, as configuration libraries have."""


def same(found, wanted) -> bool:
    return found.keys() == wanted.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        for name, tensor in wanted.items())


# ---- as published -------------------------------------------------------------------------------

@FORMATS
def test_the_published_readout_is_read_from_its_training_state(tmp_path, zipped):
    """With what the authors' program saves: PyTorch's own safeguard refuses it."""
    model, path = small_network(), tmp_path / "readout-checkpoint-1.pth"
    model.readout = nn.Linear(8, 5, bias=False)
    torch.save({**readout_training_state(model.readout.weight), "model": model.state_dict()}, path,
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert torch.equal(read_readout_weight(path, 8), model.readout.weight)
    assert same(read_state_dict(path), model.state_dict())


def test_another_network_in_place_of_the_readout_is_refused(tmp_path):
    torch.save({"model": small_network().state_dict()}, tmp_path / "x.pth")
    with pytest.raises(LabError, match=r"no readout of 8 units: .*0\.weight \(4, 3, 3, 3\)"):
        read_readout_weight(tmp_path / "x.pth", 8)


@FORMATS
@pytest.mark.parametrize("key", ["state_dict", "model", "net", "model_state_dict"])
def test_training_states_are_read_whatever_else_they_hold(tmp_path, zipped, key):
    model, path = small_network(), tmp_path / "checkpoint.pth.tar"
    wrapped = nn.DataParallel(model).state_dict()
    torch.save({**readout_training_state(model[5].weight), "arch": "alexnet", key: wrapped,
                "args": argparse.Namespace(gpu=0, out=Path("/x"), device=torch.device("cpu")),
                "meter": Meter(), "settings": Settings(rate=0.1, deep=Settings(a=[1])),
                "rng": np.random.default_rng(0).bit_generator.state, "torch_rng":
                torch.get_rng_state(), "log": collections.defaultdict(list, loss=[0.1]),
                "milestones": collections.Counter([30, 60]), "seen": {1, 2}, "raw": b"x",
                "shape": torch.Size([2, 3]), "kind": torch.float32}, path,
               _use_new_zipfile_serialization=zipped)
    found = read_state_dict(path)
    assert same(found, model.state_dict())
    assert found._metadata["1"]["version"] == 2
    fresh = small_network()
    load_weights(fresh, found, "x")
    assert state_digest(fresh.state_dict()) == state_digest(model.state_dict())


@FORMATS
@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_every_protocol_and_type_of_number_is_read(tmp_path, zipped, protocol):
    numbers = torch.arange(24.0).reshape(4, 6)
    state = {str(kind): numbers.to(kind) for kind in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
        torch.int16, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn, torch.uint16)}
    state |= {"view": numbers[1:3, ::2], "turned": numbers.T, "scalar": torch.tensor(3.5),
              "empty": torch.zeros(0, 3), "tail": numbers.flatten()[20:],
              "parameter": nn.Parameter(numbers), "expanded": torch.ones(1).expand(5)}
    torch.save({"state_dict": state, "who": Meter()}, tmp_path / "x.pth", pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)
    found = read_state_dict(tmp_path / "x.pth")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        assert torch.equal(found[name].float(), tensor.float()), name
        assert not found[name].requires_grad


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_loaded_into_single(tmp_path, kind):
    model = small_network()
    torch.save({"net": {name: tensor.to(kind) if tensor.is_floating_point() else tensor
                        for name, tensor in model.state_dict().items()}}, tmp_path / "x.pth")
    fresh = small_network()
    load_weights(fresh, read_state_dict(tmp_path / "x.pth"), "x")
    assert torch.equal(fresh[0].weight, model[0].weight.to(kind).float())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_an_archive_holds_what_its_modules_declare(tmp_path, how, monkeypatch):
    model = small_network().eval()
    model.bare = torch.ones(3)  # neither a parameter nor a buffer
    torch.jit.save(torch.jit.script(model) if how == "script" else torch.jit.trace(
        model, torch.randn(1, 3, 8, 8)), tmp_path / "x.pt")
    monkeypatch.setattr(torch.jit, "load", None)
    assert same(read_state_dict(tmp_path / "x.pt"), model.state_dict())


def test_numbers_of_the_other_byte_order_are_refused(tmp_path):
    torch.save({"weight": torch.ones(3)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as whole, zipfile.ZipFile(
            tmp_path / "y.pth", "w") as turned:
        for name in whole.namelist():
            turned.writestr(name, b"big" if name.endswith("byteorder") else whole.read(name))
    with pytest.raises(LabError, match="big-endian"):
        read_state_dict(tmp_path / "y.pth")


# ---- hostile ------------------------------------------------------------------------------------

TRACE = "ran"


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *args) -> None:
        self.call = function, args

    def __reduce__(self):
        return self.call


class Builds(Calls):
    """Pickles as a call of a function, whose result is given a state."""

    def __init__(self, function, args, state) -> None:
        self.call = function, args, state


def touch(name: str = TRACE) -> str:
    return f"open({name!r}, 'w').close()"


HOSTILE = {
    "os.system": lambda: Calls(os.system, f"touch {TRACE}"),
    "eval": lambda: Calls(eval, touch()),
    "exec": lambda: Calls(exec, touch()),
    "open": lambda: Calls(open, TRACE, "w"),
    "nested": lambda: Calls(eval, Calls(str, touch())),
    "getattr": lambda: Calls(getattr, Calls(__import__, "os"), "system"),
    "apply": lambda: Calls(map, eval, [touch()]),
    "state": lambda: Builds(argparse.Namespace, (), {"x": Calls(eval, touch())}),
    "partial": lambda: Builds(os.path.join, ("a",), (eval, (touch(),), {}, None)),
    "hooks": lambda: Builds(nn.Parameter, (torch.ones(2),),
                            (True, True, {0: Calls(eval, touch())}))}


def in_both_formats(content, folder, protocol=2):
    for zipped in (True, False):
        path = folder / f"{zipped}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        yield path


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, kind, protocol):
    """The tensors beside it are read all the same; alone, it is no state dict."""
    monkeypatch.chdir(tmp_path)
    state = {"weight": torch.ones(2)}
    for path in in_both_formats({"state_dict": state, "x": HOSTILE[kind]()}, tmp_path, protocol):
        assert same(read_state_dict(path), state)
    for path in in_both_formats({"weight": HOSTILE[kind]()}, tmp_path, protocol):
        with pytest.raises(LabError):
            read_state_dict(path)
    assert not (tmp_path / TRACE).exists()


@pytest.mark.parametrize("kind", ["os.system", "eval", "exec", "open", "nested"])
def test_the_hostile_files_are_real(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    result = pickle.loads(pickle.dumps(HOSTILE[kind](), protocol=2))
    if hasattr(result, "close"):
        result.close()
    assert (tmp_path / TRACE).exists()


def unpickle(program: bytes):
    return torch_files._TensorUnpickler(io.BytesIO(b"\x80\x02" + program + b"."), None).load()


def test_a_name_is_never_looked_up(tmp_path, monkeypatch):
    """Not even imported: no module is, whose import would run code."""
    (tmp_path / "sprung.py").write_text(touch(str(tmp_path / TRACE)))
    monkeypatch.syspath_prepend(tmp_path)
    found = unpickle(b"csprung\nthing\n)R")
    assert isinstance(found, torch_files.Inert) and found.origin == "sprung.thing"
    assert unpickle(b"ctorch\n_dynamo\n").origin == "torch._dynamo"
    assert not (tmp_path / TRACE).exists()


@pytest.mark.parametrize("name", ["torch._utils\n_rebuild_tensor_v2", "torch\nSize",
                                  "collections\nOrderedDict", "collections\ndefaultdict",
                                  "torch\nfloat32", "torch\nFloatStorage", "os\nsystem"])
@pytest.mark.parametrize("state", [b"}U\x04argsK\x01s", b"N}U\x08__call__cos\nsystem\ns\x86",
                                   b"N}U\x0c__defaults__)s\x86", b"K\x01"])
def test_a_file_changes_nothing_that_the_next_one_uses(tmp_path, name, state):
    """BUILD gives an object a state; here it is tried on the functions and classes themselves."""
    def surface():
        kept = (torch_files.Inert, torch_files._Function, torch_files._Ordered, torch.Tensor,
                *torch_files.FUNCTIONS.values())
        return [(dict(vars(one)) if hasattr(one, "__dict__") else None,
                 getattr(one, "__defaults__", None)) for one in kept]

    before = surface()
    try:
        unpickle(b"c" + name.encode() + b"\n" + state + b"b")
    except Exception as error:  # refused in any way, or inert
        assert not isinstance(error, LabError)
    assert surface() == before


@FORMATS
def test_a_storage_larger_than_its_file_is_not_made(tmp_path, zipped):
    torch.save({"weight": torch.ones(3)}, tmp_path / "x.pth",
               _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "x.pth").read_bytes()
    assert content.count(b"K\x03") >= 2  # three numbers, in the storage and in the size
    (tmp_path / "y.pth").write_bytes(content.replace(b"K\x03", b"K\xff"))
    with pytest.raises(LabError, match="cannot be read"):
        read_state_dict(tmp_path / "y.pth")
