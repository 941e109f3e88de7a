"""Dropout whose masks depend on a run's seed, the step and the place alone.

Each mask is a hash of numbers, not a draw from a generator: a run drops the same elements whatever
stands beside it in a stack, however its batch is padded, and on whatever device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


def mix(values: Tensor) -> Tensor:
    """Hash 32-bit numbers held in int64 (the ``lowbias32`` function of Wellons, 2018)."""
    values = values ^ (values >> 16)
    values = (values * 0x7FEB352D) & _WORD
    values = values ^ (values >> 15)
    values = (values * 0x846CA68B) & _WORD
    return values ^ (values >> 16)


def keys(seeds: Tensor, step: Tensor, site: int) -> Tensor:
    """Keys of one dropout layer in one step, int64 [K].

    Parameters
    ----------
    seeds : int64 [K]
    step : int64 []
        Counts from the start of the training.
    site : int
        Number of the layer.
    """
    mixed = mix((seeds + _GOLDEN) & _WORD)
    mixed = mix((mixed + step * _GOLDEN) & _WORD)
    return mix((mixed + site * _GOLDEN) & _WORD)


class Rates:
    """Dropout rates of K runs, as tensors made once.

    Parameters
    ----------
    rates : sequence of float
        In [0, 1).
    """

    def __init__(self, rates: Sequence[float], device: torch.device) -> None:
        values = torch.tensor(rates, dtype=torch.float64, device=device)
        self.any = any(rates)
        self._limits = values * 2.0**32
        self._scales = (1 / (1 - values)).float()

    def factors(self, keys: Tensor, shape: Sequence[int]) -> Tensor:
        """Return what to multiply with: 0 where dropped, ``1 / (1 - rate)`` elsewhere.

        Parameters
        ----------
        keys : int64 [K]
        shape : sequence of int
            Of what is dropped, after the run's axis. An element's factor depends on its place in
            each axis, not on how long the axes are.

        Returns
        -------
        float32 [K, *shape]
        """
        mixed = keys
        for length in shape:
            places = torch.arange(length, device=keys.device) * _GOLDEN
            mixed = mix((mixed[..., None] + places) & _WORD)
        leading = (-1, *(1 for _ in shape))
        return (mixed >= self._limits.view(leading)).float() * self._scales.view(leading)
