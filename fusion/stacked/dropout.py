"""Dropout whose masks depend on a run's seed, the step and the place alone.

Each mask is a hash of numbers, not a draw from a generator: a run drops the same elements whatever
stands beside it in a stack, however its batch is padded, and on whatever device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Odd multipliers, as the signed 32-bit numbers whose products wrap around.
_FIRST, _SECOND, _GOLDEN = 0x7FEB352D, 0x846CA68B - 2**32, 0x9E3779B9 - 2**32


def mix(values: Tensor) -> Tensor:
    """Hash int32 numbers (the ``lowbias32`` function of Wellons, 2018)."""
    values = values ^ _shifted(values, 16)
    values *= _FIRST
    values ^= _shifted(values, 15)
    values *= _SECOND
    values ^= _shifted(values, 16)
    return values


def _shifted(values: Tensor, by: int) -> Tensor:
    """Shift right as if the numbers had no sign."""
    return (values >> by).bitwise_and_((1 << (32 - by)) - 1)


def keys(seeds: Tensor, step: Tensor, site: int) -> Tensor:
    """Keys of one dropout layer in one step, int32 [K].

    Parameters
    ----------
    seeds : int64 [K]
    step : int64 []
        Counts from the start of the training.
    site : int
        Number of the layer.
    """
    mixed = mix(seeds.int() + _GOLDEN)
    mixed = mix(mixed + step.int() * _GOLDEN)
    # Within 32 bits, sign included, whatever the layer's number.
    return mix(mixed + ((site * _FIRST + 2**31) % 2**32 - 2**31))


class Rates:
    """Dropout rates of K runs, as tensors made once.

    Parameters
    ----------
    rates : sequence of float
        In [0, 1).
    """

    def __init__(self, rates: Sequence[float], device: torch.device) -> None:
        values = torch.tensor(rates, dtype=torch.float64)
        self.any = any(rates)
        # Shares of the 2^32 numbers, from the lowest on.
        limits = (values * 2.0**32).long() - 2**31
        self._limits = limits.int().to(device)
        self._scales = (1 / (1 - values)).float().to(device)

    def factors(self, keys: Tensor, shape: Sequence[int], last: Tensor | None = None) -> Tensor:
        """Return what to multiply with: 0 where dropped, ``1 / (1 - rate)`` elsewhere.

        Parameters
        ----------
        keys : int32 [K]
        shape : sequence of int
            Of what is dropped, after the run's axis. An element's factor depends on its place in
            each axis, not on how long the axes are.
        last : int32 [n], optional
            Places along the last axis, where they are not 0, 1, 2...

        Returns
        -------
        float32 [K, *shape]
        """
        mixed = keys
        for axis, length in enumerate(shape, 1):
            places = torch.arange(length, device=keys.device, dtype=torch.int32)
            if axis == len(shape) and last is not None:
                places = last
            mixed = mix(mixed[..., None] ^ mix(places + _GOLDEN))
        leading = (-1, *(1 for _ in shape))
        kept = mixed >= self._limits.view(leading)
        return kept * self._scales.view(leading)
