"""Files of weights: read without ever running code, hashed by content, written whole."""

from __future__ import annotations

import hashlib
import importlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write
from helpers.networks.builders import PUBLISHED_WEIGHTS, TORCH_FILES
from helpers.networks.weight_errors import missing_weights_error, unreadable_weights_error


def read_state_dict(path: Path, *, key: str = "", prefix: str = "",
                    keys: str = "") -> dict[str, Tensor]:
    """Read the tensors of a file of weights, never running code from it.

    Parameters
    ----------
    path : Path
        A file of safetensors, of torch.save, or of TorchScript, as its content says. Of a training
        state (epoch, optimiser, arguments, ...) the state dict alone is returned.
    key : str
        Which state dict, where the file holds several: ``teacher``, ``teacher.model``.
    prefix : str
        Stripped from the front of every name. What PyTorch puts before the names of a network that
        was trained on several GPUs, or compiled, is stripped without being named.
    keys : {"", "open_ipcl", "open_clip", "open_clip_text"}
        Whose names the file has, where they are not the network's own: those of open_ipcl, or
        those of OpenAI's CLIP and of open_clip, of which the image encoder is kept, or the text
        encoder.

    Raises
    ------
    LabError
        Where the file is absent, damaged, no file of weights, has no state dict or none under
        ``key``, or holds values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise missing_weights_error(path)
    try:
        with path.open("rb") as file:
            # A safetensors file begins with the length of its header, eight bytes; then the header.
            is_safetensors = file.read(9)[8:] == b"{"
        state = load_file(path) if is_safetensors else importlib.import_module(
            TORCH_FILES).read_torch_file(path)
    except Exception as error:  # bytes of others: a damaged pickle can fail in any way
        raise unreadable_weights_error(path, error) from error
    if not is_safetensors or prefix or keys:
        state = importlib.import_module(PUBLISHED_WEIGHTS).select_tensors(
            state, path, key=key, prefix=prefix, keys=keys)
    _require_finite(state, f"{path} holds")
    return state


def _require_finite(state: Mapping[str, Tensor], subject: str, *, remedy: str = (
        "such weights come of a training that failed, or of a conversion to fewer bits; take "
        "another checkpoint, or the original")) -> None:
    for name, tensor in state.items():
        as_float = tensor.float() if tensor.element_size() == 1 else tensor
        if tensor.is_floating_point() and not (finite := as_float.isfinite()).all():
            raise LabError(f"{subject} {int((~finite).sum())} of {tensor.numel()} values in "
                           f"{name} that are infinite or not a number",
                           expected="finite weights", remedy=remedy)


def load_weights(model: nn.Module, state: Mapping[str, Tensor], error_prefix: str) -> None:
    """Give a network its weights, in the precision that it has: all of them, and no others.

    The model's own ``load_state_dict`` does it.

    Parameters
    ----------
    model : nn.Module
    state : mapping of str to Tensor
    error_prefix : str
        Begins the message of the error.

    Raises
    ------
    LabError
        Where a tensor is missing, unexpected or of another shape.
    """
    model_state = model.state_dict()
    if state.keys() != model_state.keys():
        state = importlib.import_module(PUBLISHED_WEIGHTS).match_model_names(state, model_state)
    if state.keys() == model_state.keys() and not hasattr(state, "_metadata"):
        # A file without versions, such as safetensors: its tensors are of the model's present form.
        state = OrderedDict(state)
        state._metadata = model_state._metadata
    try:
        # The model's own loader: it knows the names and forms of its publisher's old files.
        missing, unexpected = model.load_state_dict(state, strict=False)
        mismatches = {"missing": missing, "unexpected": unexpected}
    except (RuntimeError, ValueError) as error:
        shapes = [f"{name} {tuple(state[name].shape)} for {tuple(model_state[name].shape)}"
                  for name in model_state if name in state
                  and state[name].shape != model_state[name].shape]
        mismatches = {"missing": [name for name in model_state if name not in state],
                      "unexpected": [name for name in state if name not in model_state],
                      "of another shape": shapes} if shapes else {"refused": [" ".join(
                          str(error).split())[:200]]}
    if any(mismatches.values()):
        summary = "; ".join(f"{len(names)} {mismatch}: {', '.join(names[:3])}"
                            for mismatch, names in mismatches.items() if names)
        raise LabError(f"{error_prefix}: {summary}",
                       expected=f"all {len(model_state)} tensors, no others",
                       remedy="put the weights of this network there; or, where they are, check "
                       "`architecture`, `options`, `prefix` and `keys` in its table")


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Hash the names, shapes and bytes of all tensors, in alphabetical order (SHA-256)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_state_dict(path: Path, model: nn.Module, *, half: bool = False) -> None:
    """Save the weights of a network as safetensors; see `save_tensors`."""
    save_tensors(path, model.state_dict(), half=half)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, half: bool = False) -> None:
    """Save tensors as safetensors, whole or not at all.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
    half : bool
        Store floating-point tensors as float16: half the size, relative error below 0.05 %.

    Raises
    ------
    LabError
        With ``half``, where a value is not finite in float16; nothing is written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor
                 for name, tensor in state.items()}
        _require_finite(state, f"{path}, in half precision, would hold",
                        remedy="save without half=True: float16 ends at 65,504; if the weights "
                        "are not finite themselves, the training has failed")
    # As bytes: of an error while writing, safetensors would keep no number, but words.
    atomic_write(Path(path), lambda part: part.write_bytes(serialize(state)))
