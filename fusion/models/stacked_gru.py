"""Many GRUs of one width side by side, over packed sequences, with a backward pass of its own.

torch's GRU on a CPU records every operation of every step and adds up the gradient of the recurrent
weights step by step; at the papers' widths that takes more time than the arithmetic. Here a step
is one batched product and five elementwise operations, its way back three operations, and the
gradient of the weights is one product over all steps at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

# Recurrent weights that are used step after step should stay in a core's second-level cache.
_CACHED_BYTES = 1_500_000


@dataclass(frozen=True, eq=False)
class Steps:
    """Layout of sequences, longest first, packed step after step.

    Attributes
    ----------
    counts : tuple of int
        How many sequences take part in each step; never rising.
    device : torch.device
    """

    counts: tuple[int, ...]
    device: torch.device

    @classmethod
    def of(cls, lengths: list[int], device: torch.device) -> Steps:
        """Lay out sequences of these lengths, given in falling order."""
        steps = range(max(lengths, default=0))
        return cls(tuple(sum(length > t for length in lengths) for t in steps), device)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """First row of each step, and the number of rows."""
        found = [0]
        for count in self.counts:
            found.append(found[-1] + count)
        return tuple(found)

    @property
    def n_rows(self) -> int:
        """Rows in all, P."""
        return self.offsets[-1]

    @cached_property
    def offset(self) -> Tensor:
        """First row of each step, int64 [T]."""
        return torch.tensor(self.offsets[:-1], device=self.device)

    @cached_property
    def time(self) -> Tensor:
        """Step of each row, int64 [P]."""
        rows = [t for t, count in enumerate(self.counts) for _ in range(count)]
        return torch.tensor(rows, device=self.device)

    @cached_property
    def sequence(self) -> Tensor:
        """Sequence of each row, int64 [P]."""
        rows = [b for count in self.counts for b in range(count)]
        return torch.tensor(rows, device=self.device)

    @cached_property
    def previous(self) -> Tensor:
        """Row of the same sequence one step before, for the rows after the first step."""
        pairs = zip(self.offsets, self.counts[1:], strict=False)
        rows = [start + b for start, count in pairs for b in range(count)]
        return torch.tensor(rows, device=self.device, dtype=torch.int64)


class _PackedGru(torch.autograd.Function):
    """``r = s(x_r + g_r), z = s(x_z + g_z), n = tanh(x_n + r g_n), h' = (1 - z) n + z h``.

    With ``g = h U + b`` (Cho et al. 2014, reset after the product, as torch and cuDNN have it).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, bias: Tensor, steps: Steps) -> Tensor:
        """Run ``x [N, P, 3 h]``, ``weights [N, h, 3 h]``, ``bias [N, 3 h]`` to ``[N, P, h]``."""
        n, rows, _ = x.shape
        width = weights.shape[1]
        states, new = x.new_empty(n, rows, width), x.new_empty(n, rows, width)
        gates, recurrent = x.new_empty(n, rows, 2 * width), x.new_empty(n, rows, width)
        row = bias[:, None]
        for t, count in enumerate(steps.counts):
            here = slice(steps.offsets[t], steps.offsets[t] + count)
            given, both, fresh = x[:, here], gates[:, here], new[:, here]
            if t == 0:
                product = row.expand(n, count, 3 * width)
            else:
                start = steps.offsets[t - 1]
                before = states[:, start : start + count]
                product = torch.baddbmm(row, before, weights)
            torch.add(given[..., : 2 * width], product[..., : 2 * width], out=both)
            both.sigmoid_()
            held = product[..., 2 * width :]
            torch.addcmul(given[..., 2 * width :], both[..., :width], held, out=fresh)
            fresh.tanh_()
            recurrent[:, here] = held
            z = both[..., width:]
            if t == 0:
                torch.sub(fresh, z * fresh, out=states[:, here])
            else:
                torch.lerp(fresh, before, z, out=states[:, here])
        ctx.save_for_backward(weights, states, gates, new, recurrent)
        ctx.steps = steps
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Walk back through the steps; the weights' gradient follows at once."""
        weights, states, gates, new, recurrent = ctx.saved_tensors
        steps: Steps = ctx.steps
        n, rows, width = states.shape
        r, z = gates.split(width, dim=2)
        first = steps.counts[0]
        before = torch.zeros_like(states)
        before[:, first:] = states.index_select(1, steps.previous)
        into_new = torch.addcmul(1 - z, 1 - z, new * new, value=-1)
        # How much of a state's gradient reaches each of the three parts of the product.
        share = states.new_empty(n, rows, 3, width)
        torch.mul(into_new * r, recurrent * (1 - r), out=share[:, :, 0])
        torch.mul(before - new, z * (1 - z), out=share[:, :, 1])
        torch.mul(into_new, r, out=share[:, :, 2])
        into_state = grad.clone(memory_format=torch.contiguous_format)
        into_product = torch.empty_like(share)
        turned = weights.transpose(1, 2).contiguous()
        for t in range(len(steps.counts) - 1, -1, -1):
            start, count = steps.offsets[t], steps.counts[t]
            here = slice(start, start + count)
            mine = into_state[:, here]
            torch.mul(mine[:, :, None], share[:, here], out=into_product[:, here])
            if t > 0:
                start = steps.offsets[t - 1]
                earlier = into_state[:, start : start + count]
                earlier.addcmul_(mine, z[:, here])
                flat = into_product[:, here].view(n, count, 3 * width)
                earlier.baddbmm_(flat, turned)
        flat = into_product.view(n, rows, 3 * width)
        grad_weights = before[:, first:].transpose(1, 2) @ flat[:, first:]
        grad_bias = flat.sum(dim=1)
        into_product[:, :, 2] = into_state * into_new
        return flat, grad_weights, grad_bias, None


def packed_gru(x: Tensor, weights: Tensor, bias: Tensor, steps: Steps) -> Tensor:
    """Run N GRUs over their packed sequences.

    Parameters
    ----------
    x : float [N, P, 3 h]
        Projected inputs, with the input's bias; gates in torch's order: reset, update, new.
    weights : float [N, h, 3 h]
        Recurrent weights, the transpose of torch's.
    bias : float [N, 3 h]
    steps : Steps

    Returns
    -------
    float [N, P, h]
        The states.
    """
    chunk = len(x)
    if x.device.type == "cpu":
        chunk = max(1, _CACHED_BYTES // (weights[0].numel() * weights.element_size()))
    parts = [
        _PackedGru.apply(*part, steps)  # type: ignore[no-untyped-call]
        for part in zip(*(torch.split(v, chunk) for v in (x, weights, bias)), strict=True)
    ]
    states: Tensor = parts[0] if len(parts) == 1 else torch.cat(parts)
    return states
