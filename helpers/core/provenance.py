"""Where numbers come from: the line under every figure and the head of every claims table."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Provenance:
    """What a notebook ran on.

    Attributes
    ----------
    notebook : str
        Stem of the notebook, its figure and its numbers.
    profile : str
    data_kind : str
        "REAL" or "SYNTHETIC".
    seed : int
    device : str
    code : str
        First digits of the digest of the notebook's code and every helper it can reach. A
        commit would change with each word of a text; this changes when the figure may.
    inputs : dict of str to str
        Name of each image set and network that was opened -> first digits of its digest.
        Filled as the notebook opens them.
    machine : dict of str to str or int
        Chip, instructions, threads (`machine`): what rounding depends on. Recorded
        with the numbers; neither printed nor compared, since every machine should give the same.
    """

    notebook: str
    profile: str
    data_kind: str
    seed: int
    device: str
    code: str
    inputs: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str | int] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """One line for readers and for the stamp on the figure."""
        return (f"profile {self.profile} · {self.data_kind} data · seed {self.seed} · "
                f"{self.device} · code {self.code}")


def machine() -> dict[str, str | int]:
    """Return what rounding depends on: the chip, the instructions torch uses, its threads."""
    import torch  # late: asked once per notebook, and the runner must start without it

    cpu_model = torch.cpu.get_capabilities().get("cpu_name") or platform.processor()
    return {"cpu": cpu_model or platform.machine(), "system": sys.platform,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads()}
