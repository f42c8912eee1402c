"""One error for bad input: what was seen, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable


class LabError(Exception):
    """Tell a user what is wrong with the input, in three parts.

    Parameters
    ----------
    seen : str
        What was found (the file, the value, the key), one sentence.
    expected : str
        What would have been right; lists the valid choices where there are some.
    remedy : str
        What to do about it, as a command or a sentence.
    """

    def __init__(self, seen: str, *, expected: str, remedy: str) -> None:
        self.seen, self.expected, self.remedy = seen, expected, remedy
        super().__init__(f"{seen}\n  expected: {expected}\n  to do: {remedy}")

    def __reduce__(self):
        """Keep all three parts when the error crosses a process boundary."""
        return _unpickle_error, (type(self), self.seen, self.expected, self.remedy)


def one_of(names: Iterable[object], if_empty: str = "nothing: there is none to choose from") -> str:
    """Return "one of a, b", for what was expected; or what to say where there is nothing."""
    listed = ", ".join(map(str, names))
    return f"one of {listed}" if listed else if_empty


def _unpickle_error(cls: type[LabError], seen: str, expected: str, remedy: str) -> LabError:
    return cls(seen, expected=expected, remedy=remedy)
