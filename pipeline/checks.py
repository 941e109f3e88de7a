"""One line of a diagnosis: what was looked at, whether it can run, what to do if not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The state of one part of an installation.

    Attributes
    ----------
    name : str
        What was looked at.
    ok : bool
        Whether it can be used.
    detail : str
        What was found.
    fix : str
        The exact thing to do where it cannot.
    needed : bool
        Whether `run` with its defaults depends on it.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = True

    def line(self) -> str:
        """Return the check as one line of text."""
        state = "ok" if self.ok else ("MISSING" if self.needed else "absent")
        text = f"{state:8s}{self.name}: {self.detail}"
        return text if self.ok or not self.fix else f"{text}; to fix: {self.fix}"
