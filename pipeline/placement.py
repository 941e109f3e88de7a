"""Which kinds of stages a worker computes, and how it says that another one has to.

Stage results are exchangeable through the cache: what one worker computed, another one reads. A
worker that is given some kinds alone takes the others from the cache; where one is not there, it
does all that it can without it, and says so.
"""

from __future__ import annotations

Kinds = frozenset[str]

KINDS = ("speech", "faces", "text", "acoustic", "fusion")
"""What resources can be declared for.

``speech``: the recogniser. ``faces``: passes over the frames, and what utterances have of them.
``text``, ``acoustic``: what utterances have of words and voice, and passes over the sound.
``fusion``: the checkpoint. What is left (decoded sound, voice activity) every worker computes.
"""
EVERY: Kinds = frozenset(KINDS)
OF_MODALITY = {"text": "text", "acoustic": "acoustic", "visual": "faces"}


class Elsewhere(Exception):  # noqa: N818 - a signal between workers, not an error
    """A stage is not in the cache, and this worker does not compute its kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
