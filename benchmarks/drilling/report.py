"""What a drill found: moments, kinds and inputs tried, what went wrong, what could not be tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.core.console import echo
from helpers.core.digest import file_digest


@dataclass
class Report:
    """Outcome of one drill.

    Attributes
    ----------
    drill : str
    tried : Counter
        What was tried (a phase, a kind of file, an answer) -> how often.
    problems : list of str
        Whatever was lost, silently wrong, or ended in something other than a clear error.
    not_tried : list of str
        What this machine does not allow, and why.
    facts : list of str
        Other figures, such as what was resumed.
    """

    drill: str
    tried: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def check(self, condition: object, problem: str) -> bool:
        """Note a problem unless the condition holds; return whether it does."""
        if not condition:
            self.problems.append(problem)
        return bool(condition)

    def same_files(self, found: Mapping[str, str], expected: Mapping[str, str], when: str) -> None:
        """Note every file that is missing, too many, or of other bytes than expected."""
        for name in sorted({*found, *expected}):
            if found.get(name) != expected.get(name):
                how = ("is missing" if name not in found else "should not be there"
                       if name not in expected else "has other bytes")
                self.problems.append(f"{when}: {name} {how}")

    def print(self) -> None:
        """Print the outcome in a few lines."""
        n = sum(self.tried.values())
        echo(f"{'✗' if self.problems else '✓'} {self.drill}: {n} tried in {self.seconds:.0f} s, "
             f"{len(self.problems)} problems")
        for what, count in self.tried.items():
            echo(f"    {count:3d}  {what}")
        for sign, lines in (("·", self.facts), ("not tried:", self.not_tried),
                            ("PROBLEM:", self.problems)):
            for line in lines:
                echo(f"    {sign} {line}")


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder that is not hidden, by its relative path."""
    return {path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not any(part.startswith(".")
                                          for part in path.relative_to(folder).parts)}


def hidden_files(folder: Path) -> list[str]:
    """Return hidden files and folders below a folder, but for locks, which stay by design."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".*")
                  if not path.name.endswith(".lock"))
