"""Run a network again from a layer on, without what comes before that layer.

A first pass over one or two pictures learns the order of all calls. Later passes keep the outputs
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
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from helpers.ground.errors import LabError
from helpers.networks.activations import exact, first_tensor, with_first_tensor
from helpers.networks.axes import nth_call

Change = Callable[[str, Tensor], Tensor]
"""Takes a layer's name and its output (n_images, ...); returns what takes its place."""

NOTHING, NEVER = -1, sys.maxsize


@dataclass
class _Call:
    """One call of one module, the same in every pass."""

    module: nn.Module
    name: str
    end: int = NEVER
    """Number of the first call that begins after this one and its parts have ended."""
    finished: int = NEVER
    """Rank among all calls by the time of their end; a call may be left before its end."""
    mutated: bool = False
    """Whether code further on writes into the output (``out += identity``)."""
    kept: bool = False
    """Whether some repeated pass takes the output instead of computing it."""
    output: Any = None


class Replay:
    """A network whose passes can begin at any of its layers; use it as a context.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        Layer name -> module path. A module that is called several times in one pass gives
        ``name``, ``name#2``, ... as in `helpers.networks.activations.hooked`.

    Notes
    -----
    Within the context every module's ``forward`` is wrapped; it is restored on leaving. The
    network must take the same path through its modules in every pass.
    """

    def __init__(self, model: nn.Module, layers: Mapping[str, str]) -> None:
        self.model = model
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._named = {path: name for name, path in layers.items()}
        self._calls: list[_Call] = []
        self._rank: dict[str, int] = {}
        self._known = False
        self._next = 0
        self._replay_to = NOTHING
        self._see: Change | None = None

    def __enter__(self) -> Replay:
        with ExitStack() as stack:
            stack.enter_context(exact(self.model))
            for path, module in self.model.named_modules():
                if path:
                    own = module.__dict__.get("forward")
                    stack.callback(_restore, module, own)
                    module.forward = self._wrapped(module, self._named.get(path, ""))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._calls = []
        self._stack.__exit__(*error)

    def learn(self, images: Tensor) -> None:
        """Learn the order of the calls and the shapes of the layers' outputs from few pictures.

        Afterwards ``shapes`` maps every layer that is computed, in order, to the shape of its
        output for one picture.
        """
        self._calls, self._rank, self.shapes, self._known = [], {}, {}, False
        self._counts: Counter[str] = Counter()
        self._versions: list[int] = []
        self._n_finished = 0
        # Only outside of inference mode do tensors count how often they are written to.
        with torch.inference_mode(False), torch.no_grad():
            self._start()
            self.model(images.clone())
        for call, version in zip(self._calls, self._versions):
            if call.finished < NEVER:
                call.mutated = first_tensor(call.output)._version != version
                call.output = None
        self._known = True

    def order(self, layer: str) -> int:
        """Return the place of a layer among all calls by the time of its end."""
        return self._rank[layer]

    def keep_for(self, starts: Iterable[str]) -> None:
        """Let later passes keep what repeated passes from these layers on will need.

        Of nested modules, the outermost one that has ended is enough.
        """
        ranks = {self._rank[layer] for layer in starts}
        open_calls: list[_Call] = []
        for number, call in enumerate(self._calls):
            while open_calls and open_calls[-1].end <= number:
                open_calls.pop()
            outer = min((other.finished for other in open_calls), default=NEVER)
            call.kept = any(call.finished <= rank < outer for rank in ranks)
            open_calls.append(call)

    def run(self, images: Tensor, *, see: Change | None = None) -> Tensor:
        """Run a whole pass.

        Parameters
        ----------
        images : Tensor, float32, shape (n_images, 3, height, width)
        see : callable, optional
            ``see(layer, output)`` returns the output, or what takes its place.
        """
        self._start(see=see)
        return self.model(images)

    def again(self, images: Tensor, *, start: str, change: Change) -> Tensor:
        """Repeat the pass over the same pictures from the layer ``start`` on, with changes.

        Parameters
        ----------
        images : Tensor
            Those of the last `run`.
        start : str
            First layer whose output changes; one of those that `keep_for` was told.
        change : callable
            ``change(layer, output)`` returns what takes the output's place; it must not write
            into ``output``.
        """
        self._start(replay_to=self._rank[start], see=change)
        return self.model(images)

    def _start(self, *, replay_to: int = NOTHING, see: Change | None = None) -> None:
        self._next, self._replay_to, self._see = 0, replay_to, see

    def _wrapped(self, module: nn.Module, name: str) -> Callable:
        original = module.forward

        def forward(*arguments: Any, **options: Any) -> Any:
            number = self._next
            call = self._enter(module, name)
            if self._known and call.finished <= self._replay_to:
                self._next = call.end
                output = _copy(call.output) if call.mutated else call.output
            else:
                output = original(*arguments, **options)
                self._leave(call, number, output)
            if self._see is None or not call.name:
                return output
            changed = self._see(call.name, first_tensor(output))
            return output if changed is first_tensor(output) else with_first_tensor(output, changed)

        return forward

    def _enter(self, module: nn.Module, name: str) -> _Call:
        number, self._next = self._next, self._next + 1
        if not self._known:
            if name:
                self._counts[name] += 1
                name = nth_call(name, self._counts[name])
            self._calls.append(_Call(module, name))
            self._versions.append(0)
        elif number >= len(self._calls) or self._calls[number].module is not module:
            raise LabError("the network took another path through its modules than at first",
                           expected="the same modules in the same order for all pictures",
                           remedy="lesion such a network with silencing.lesioned, which "
                                  "runs every pass from the beginning")
        return self._calls[number]

    def _leave(self, call: _Call, number: int, output: Any) -> None:
        if not self._known:
            call.end, call.finished, call.output = self._next, self._n_finished, output
            self._n_finished += 1
            self._versions[number] = first_tensor(output)._version
            if call.name:
                self._rank[call.name] = call.finished
                self.shapes[call.name] = tuple(first_tensor(output).shape[1:])
        elif call.kept and self._replay_to == NOTHING:
            call.output = _copy(output) if call.mutated else output


def _restore(module: nn.Module, own: Callable | None) -> None:
    if own is None:
        del module.forward
    else:
        module.forward = own


def _copy(output: Any) -> Any:
    return tree_map_only(Tensor, torch.clone, output)
