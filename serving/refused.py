"""What a request is refused with."""

from __future__ import annotations


class RefusedError(Exception):
    """A request cannot be met.

    Parameters
    ----------
    status : int
        Of HTTP.
    sentence : str
        What is wrong and what to do, for the page.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
