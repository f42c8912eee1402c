"""Run a network again from a layer on, without what comes before that layer.

A first pass over one or two images learns the order of all calls. Later passes keep the outputs
of what runs before a layer; a repeated pass takes these instead of computing them, and changes
outputs from that layer on. No copy of the network, no assumption on its architecture: residual
additions and other code between modules run as they are written.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from helpers.core.errors import LabError
from helpers.networks.activations import exact_inference, replace_first_tensor
from helpers.networks.channel_axes import call_name, first_tensor

OutputTransform = Callable[[str, Tensor], Tensor]
"""Takes a layer's name and its output (n_images, ...); returns what takes its place."""

NO_CALL, NEVER = -1, sys.maxsize


@dataclass
class _Call:
    """One call of one module, the same in every pass."""

    module: nn.Module
    name: str
    end: int = NEVER
    """Number of the first call that begins after this one and its parts have ended."""
    end_rank: int = NEVER
    """Rank among all calls by the time of their end; a call may be left before its end."""
    is_mutated: bool = False
    """Whether code further on writes into the output (``out += identity``)."""
    is_cached: bool = False
    """Whether some repeated pass takes the output instead of computing it."""
    output: Any = None
    version: int = 0
    """How often the output had been written to when the call ended."""


class PartialForward:
    """A network whose passes can begin at any of its layers; use it as a context.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path. A module that is called several times in one pass gives
        ``name``, ``name#2``, ... as in `helpers.networks.activations.layer_hooks`.

    Notes
    -----
    Within the context every module's ``forward`` is wrapped; it is restored on leaving. The
    network must take the same path through its modules in every pass.
    """

    def __init__(self, model: nn.Module, layers: Mapping[str, str]) -> None:
        self.model = model
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._layer_of_path = {path: name for name, path in layers.items()}
        self._calls: list[_Call] = []
        self._end_rank_of_layer: dict[str, int] = {}
        self._is_traced = False
        self._next_call = 0
        self._skip_to = NO_CALL
        self._transform: OutputTransform | None = None

    def __enter__(self) -> PartialForward:
        with ExitStack() as stack:
            stack.enter_context(exact_inference(self.model))
            for path, module in self.model.named_modules():
                if path:
                    instance_forward = module.__dict__.get("forward")
                    stack.callback(_restore_forward, module, instance_forward)
                    module.forward = self._wrap_forward(module, self._layer_of_path.get(path, ""))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._calls = []
        self._stack.__exit__(*error)

    def trace(self, images: Tensor) -> None:
        """Learn the order of the calls and the shapes of the layers' outputs from few images.

        Afterwards ``shapes`` maps every layer that is computed, in order, to the shape of its
        output for one image.
        """
        self._calls, self._is_traced = [], False
        self._counts: Counter[str] = Counter()
        self._end_ranks = count()
        # Only outside of inference mode do tensors count how often they are written to.
        with torch.inference_mode(False), torch.no_grad():
            self._start()
            self.model(images.clone())
        ended = sorted((call for call in self._calls if call.end_rank < NEVER),
                       key=lambda call: call.end_rank)
        self._end_rank_of_layer = {call.name: call.end_rank for call in ended if call.name}
        self.shapes = {call.name: tuple(first_tensor(call.output).shape[1:])
                       for call in ended if call.name}
        for call in ended:
            call.is_mutated = first_tensor(call.output)._version != call.version
            call.output = None
        self._is_traced = True

    def call_rank(self, layer: str) -> int:
        """Return the place of a layer among all calls by the time of its end."""
        return self._end_rank_of_layer[layer]

    def cache_outputs_before(self, start_layers: Iterable[str]) -> None:
        """Let later passes keep what repeated passes from these layers on will need.

        Of nested modules, the outermost one that has ended is enough.
        """
        ranks = {self._end_rank_of_layer[layer] for layer in start_layers}
        open_calls: list[_Call] = []
        for number, call in enumerate(self._calls):
            while open_calls and open_calls[-1].end <= number:
                open_calls.pop()
            outer_end_rank = min((other.end_rank for other in open_calls), default=NEVER)
            call.is_cached = any(call.end_rank <= rank < outer_end_rank for rank in ranks)
            open_calls.append(call)

    def run(self, images: Tensor, *, transform: OutputTransform | None = None) -> Tensor:
        """Run a whole pass.

        Parameters
        ----------
        images : Tensor, float32, shape (n_images, 3, height, width)
        transform : callable, optional
            ``transform(layer, output)`` returns the output, or what takes its place.
        """
        self._start(transform=transform)
        return self.model(images)

    def rerun_from(self, images: Tensor, *, start: str, transform: OutputTransform) -> Tensor:
        """Repeat the pass over the same images from the layer ``start`` on, with changes.

        Parameters
        ----------
        images : Tensor
            Those of the last `run`.
        start : str
            First layer whose output changes; one of those given to `cache_outputs_before`.
        transform : callable
            ``transform(layer, output)`` returns what takes the output's place; it must not write
            into ``output``.
        """
        self._start(skip_to=self._end_rank_of_layer[start], transform=transform)
        return self.model(images)

    def _start(self, *, skip_to: int = NO_CALL, transform: OutputTransform | None = None) -> None:
        self._next_call, self._skip_to, self._transform = 0, skip_to, transform

    def _wrap_forward(self, module: nn.Module, name: str) -> Callable:
        original = module.forward

        def forward(*arguments: Any, **options: Any) -> Any:
            call = self._begin_call(module, name)
            if self._is_traced and call.end_rank <= self._skip_to:
                self._next_call = call.end
                output = _copy(call.output) if call.is_mutated else call.output
            else:
                output = original(*arguments, **options)
                self._end_call(call, output)
            if self._transform is None or not call.name:
                return output
            replacement = self._transform(call.name, first_tensor(output))
            return output if replacement is first_tensor(
                output) else replace_first_tensor(output, replacement)

        return forward

    def _begin_call(self, module: nn.Module, name: str) -> _Call:
        number, self._next_call = self._next_call, self._next_call + 1
        if not self._is_traced:
            if name:
                self._counts[name] += 1
                name = call_name(name, self._counts[name])
            self._calls.append(_Call(module, name))
        elif number >= len(self._calls) or self._calls[number].module is not module:
            raise LabError("the network took another path through its modules than at first",
                           expected="the same modules in the same order for all images",
                           remedy="lesion such a network with silencing.lesioned, which "
                           "runs every pass from the beginning")
        return self._calls[number]

    def _end_call(self, call: _Call, output: Any) -> None:
        if not self._is_traced:
            call.end, call.end_rank, call.output = self._next_call, next(self._end_ranks), output
            call.version = first_tensor(output)._version
        elif call.is_cached and self._skip_to == NO_CALL:
            call.output = _copy(output) if call.is_mutated else output


def _restore_forward(module: nn.Module, instance_forward: Callable | None) -> None:
    if instance_forward is None:
        del module.forward
    else:
        module.forward = instance_forward


def _copy(output: Any) -> Any:
    return tree_map_only(Tensor, torch.clone, output)
