"""Files of torch.save and TorchScript: their tensors and plain values, without running anything.

A pickle is a program: it names functions and says what to call them with. Here a name stands for a
function below, or for an inert object; nothing is imported, and no function of a library is called
by a name that the file gives. So training states can be read that hold the objects of their
training program beside the tensors, and TorchScript archives without compiling their code.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

LEGACY_HEADER = (0x1950A86A20F9469CFC6C, 1001)
"""The two numbers with which torch.save began its files before PyTorch 1.6, and does on request."""

STORAGE_DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool, "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8}
"""Class of a storage, in ``torch``, ``torch.cuda`` or ``torch.storage`` → type of its numbers."""

_DECLARED = re.compile(r"class (\w+)\(Module\):\s+__parameters__ = \[(.*?)\]"
                       r"\s+__buffers__ = \[(.*?)\]", re.S)


MAX_GROWTH, ALWAYS_BYTES = 20, 2**28
"""Numbers that unpack to more than so many times the file's size are refused, but for so many
bytes. torch.save does not compress; weights that were compressed afterwards hardly shrink."""
MAX_MODULES = 100_000


class Inert:
    """Stands for an object of any class that is not known here; does nothing.

    Attributes
    ----------
    origin : str
        The class or function that the file names.
    args : tuple
        With what it would have been called.
    state : object
        What would have been its attributes.
    """

    origin = ""

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __call__(self, *_: Any) -> Inert:
        return type(self)()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def ignore(self, *_: Any) -> None:
        """Take items, and leave them."""

    append = extend = add = __setitem__ = ignore


class _Ordered(OrderedDict[Any, Any]):
    """A dictionary of the file; of its attributes, the versions of modules are kept."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._metadata = OrderedDict((name, version) for name, version in state.get(
            "_metadata", {}).items() if isinstance(name, str) and isinstance(version, dict))


class _Function:
    """A function that a file may call, and cannot change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, _: Any) -> None:
        """Stay as it is."""


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...],
                    *_: Any) -> Tensor:
    """View numbers as a tensor; PyTorch checks that they suffice.

    A tensor may repeat its numbers, but not so often that it would fill the memory.
    """
    if prod(size) > max(storage.numel(), ALWAYS_BYTES // 16):
        raise pickle.UnpicklingError(f"it repeats {storage.numel()} numbers to the shape {size}")
    return storage.as_strided(size, stride, storage.storage_offset() + offset)


def _rebuild_typed_tensor(storage: Tensor, offset: int, size: tuple[int, ...],
                          stride: tuple[int, ...], _grad: bool, _hooks: Any, dtype: torch.dtype,
                          *_: Any) -> Tensor:
    return _rebuild_tensor(storage.view(dtype), offset, size, stride)


def _first(value: Any, *_: Any) -> Any:
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed_tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.Size": tuple,
    "collections.defaultdict": lambda *_: _Ordered()}
"""Name in a file → the function here that is called in its place."""


class _TensorUnpickler(pickle.Unpickler):
    """Unpickle tensors, numbers, texts and containers; everything else becomes `Inert`.

    Parameters
    ----------
    file : binary file
    load_storage : callable
        Returns the numbers of a storage, shape (n,), for its type, key, place and number.
    """

    def __init__(self, file: BinaryIO, load_storage: Callable[..., Tensor]) -> None:
        super().__init__(file, encoding="latin1")  # texts of Python 2 are bytes
        self._load_storage = load_storage

    def find_class(self, module: str, name: str) -> Any:
        origin = f"{module}.{name}"
        if module in ("torch", "torch.cuda", "torch.storage") and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        if origin in ("collections.OrderedDict", "collections.Counter"):
            return _Ordered
        if origin in FUNCTIONS:
            return _Function(FUNCTIONS[origin])
        return type("Inert", (Inert,), {"origin": origin})

    def persistent_load(self, saved_id: Any) -> Any:
        kind, first, *rest = saved_id
        if kind == "module":  # a network that was saved whole: its class, and its source text
            return first
        if kind != "storage" or not isinstance(first, torch.dtype):
            raise pickle.UnpicklingError(f"it holds a {kind} of an unknown kind")
        return self._load_storage(first, *rest)


def read_torch_file(path: Path) -> Any:
    """Read a file of torch.save, in either format, or a TorchScript archive, on the CPU.

    Returns
    -------
    object
        What was saved, with `Inert` in place of objects; of an archive, the parameters and buffers
        that its modules declare, by name.

    Raises
    ------
    Exception
        Of any kind, where the file is damaged, cut short, or another format.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        if not zipped:
            return _read_legacy(file, path.stat().st_size)
        with zipfile.ZipFile(file) as archive:
            return _read_archive(archive)


def _read_archive(archive: zipfile.ZipFile) -> Any:
    root = next(name for name in archive.namelist() if name.endswith("data.pkl"))[:-len("data.pkl")]
    if f"{root}byteorder" in archive.namelist():
        _require_little_endian(archive.read(f"{root}byteorder") == b"little")
    storages: dict[str, Tensor] = {}
    stored = sum(item.compress_size for item in archive.infolist())
    limit = max(ALWAYS_BYTES, MAX_GROWTH * stored)
    total = sum(item.file_size for item in archive.infolist())
    if total > limit:
        raise pickle.UnpicklingError(f"its {stored} bytes would unpack to {total}")

    def load_storage(dtype: torch.dtype, key: str, *_: Any) -> Tensor:
        if key not in storages:
            n_bytes = archive.getinfo(f"{root}data/{key}").file_size
            storages[key] = torch.empty(n_bytes, dtype=torch.uint8)
            with archive.open(f"{root}data/{key}") as member:
                _fill(storages[key], member)
        return storages[key].view(dtype)

    with archive.open(f"{root}data.pkl") as file:
        content = _TensorUnpickler(file, load_storage).load()
    if f"{root}constants.pkl" in archive.namelist():
        return dict(_module_tensors(content, _declared_tensors(archive, f"{root}code/")))
    return content


def _declared_tensors(archive: zipfile.ZipFile, code: str) -> dict[str, list[str]]:
    """Read from an archive's program text which tensors each class declares its own."""
    return {f"{name[len(code):-len('.py')].replace('/', '.')}.{declared[0]}":
            re.findall(r'"(.*?)"', declared[1] + declared[2])
            for name in archive.namelist() if name.startswith(code) and name.endswith(".py")
            for declared in _DECLARED.findall(archive.read(name).decode())}


def _module_tensors(module: Inert, declared: Mapping[str, list[str]], prefix: str = "",
                    visited: Iterator[int] | None = None) -> Iterator[tuple[str, Tensor]]:
    visited = visited or count()
    if next(visited) > MAX_MODULES:  # modules that hold each other many times over
        raise pickle.UnpicklingError(f"it holds more than {MAX_MODULES} modules")
    attributes = module.state if isinstance(module.state, Mapping) else {}
    for name, value in attributes.items():
        if isinstance(value, Inert):
            yield from _module_tensors(value, declared, f"{prefix}{name}.", visited)
        elif isinstance(value, Tensor) and name in declared.get(module.origin, ()):
            yield f"{prefix}{name}", value


def _read_legacy(file: BinaryIO, n_bytes: int) -> Any:
    storages: dict[str, Tensor] = {}

    def load_storage(dtype: torch.dtype, key: str, _: Any, n_numbers: int,
                     view: tuple[str, int, int] | None = None) -> Tensor:
        held = sum(one.nbytes for one in storages.values()) if key not in storages else 0
        if n_numbers * dtype.itemsize + held > n_bytes:
            raise EOFError("it is cut short")
        storage = storages.setdefault(key, torch.empty(n_numbers, dtype=dtype))
        return storage if view is None else storage[view[1]:view[1] + view[2]]

    def load() -> Any:
        return _TensorUnpickler(file, load_storage).load()

    if not all(load() == number for number in LEGACY_HEADER):
        raise pickle.UnpicklingError("it is no file of torch.save")
    _require_little_endian(load()["little_endian"])
    content = load()
    for key in load():
        n_numbers, = struct.unpack("<q", file.read(8))
        _fill(storages[key][:n_numbers].view(torch.uint8), file)
    return content


def _fill(storage: Tensor, file: BinaryIO) -> None:
    if file.readinto(storage.numpy()) != len(storage):  # type: ignore[attr-defined]
        raise EOFError("it is cut short")


def _require_little_endian(little_endian: bool) -> None:
    if not little_endian:
        raise pickle.UnpicklingError("its numbers are big-endian, of a machine of another kind")
