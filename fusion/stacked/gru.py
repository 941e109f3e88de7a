"""Many GRUs of one width side by side, over packed sequences, with a backward pass of its own.

torch's GRU on a CPU records every operation of every step and adds up the gradient of the recurrent
weights step by step; at the papers' widths that takes more time than the arithmetic. Here a step
is one batched product and five elementwise operations, its way back three operations, and the
gradient of the weights is one product over all steps at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class _PackedGru(torch.autograd.Function):
    """``r = s(x_r + g_r), z = s(x_z + g_z), n = tanh(x_n + r g_n), h' = (1 - z) n + z h``.

    With ``g = h U + b`` (Cho et al. 2014, reset after the product, as torch and cuDNN have it).
    """

    @staticmethod
    def forward(
        ctx: Any, weights: Tensor, bias: Tensor, steps: Steps, chunk: int, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        """Run inputs ``[n_i, P, 3 h]``, whose n_i add up to N, some GRUs at a time."""
        states: list[Tensor] = []
        saved: list[Tensor] = []
        start = 0
        for x in inputs:
            out = x.new_empty(*x.shape[:2], weights.shape[1])
            for low in range(0, len(x), chunk):
                part = slice(low, min(low + chunk, len(x)))
                own = slice(start + part.start, start + part.stop)
                saved += _forward(x[part], weights[own], bias[own], steps, out[part])
            states.append(out)
            start += len(x)
        ctx.save_for_backward(weights, *states, *saved)
        ctx.steps, ctx.chunk = steps, chunk
        return tuple(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Walk back through the steps of the same chunks."""
        weights, *rest = ctx.saved_tensors
        states, saved = rest[: len(grads)], rest[len(grads) :]
        steps: Steps = ctx.steps
        grad_weights, grad_bias = (
            torch.empty_like(weights),
            weights.new_empty(len(weights), weights.shape[2]),
        )
        grad_inputs, start, place = [], 0, 0
        for grad, state in zip(grads, states, strict=True):
            into = grad.new_empty(*grad.shape[:2], weights.shape[2])
            for low in range(0, len(grad), ctx.chunk):
                part = slice(low, min(low + ctx.chunk, len(grad)))
                own = slice(start + part.start, start + part.stop)
                kept = saved[place : place + 3]
                _backward(
                    grad[part],
                    weights[own],
                    state[part],
                    kept,
                    steps,
                    (into[part], grad_weights[own], grad_bias[own]),
                )
                place += 3
            grad_inputs.append(into)
            start += len(grad)
        return grad_weights, grad_bias, None, None, *grad_inputs


def _forward(
    x: Tensor, weights: Tensor, bias: Tensor, steps: Steps, states: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Fill ``states [n, P, h]``; returns gates r and z, new states, and recurrent parts of n."""
    n, rows, width = states.shape
    new, recurrent = torch.empty_like(states), torch.empty_like(states)
    gates = x.new_empty(n, rows, 2 * width)
    row = bias[:, None]
    for t, count in enumerate(steps.counts):
        here = slice(steps.offsets[t], steps.offsets[t] + count)
        given, both, fresh = x[:, here], gates[:, here], new[:, here]
        z = both[..., width:]
        if t == 0:
            product = row.expand(n, count, 3 * width)
        else:
            start = steps.offsets[t - 1]
            before = states[:, start : start + count]
            product = torch.baddbmm(row, before, weights)
        held = product[..., 2 * width :]
        torch.add(given[..., : 2 * width], product[..., : 2 * width], out=both)
        both.sigmoid_()
        torch.addcmul(given[..., 2 * width :], both[..., :width], held, out=fresh)
        fresh.tanh_()
        recurrent[:, here] = held
        if t == 0:
            torch.sub(fresh, z * fresh, out=states[:, here])
        else:
            torch.lerp(fresh, before, z, out=states[:, here])
    return gates, new, recurrent


def _backward(
    grad: Tensor,
    weights: Tensor,
    states: Tensor,
    saved: Sequence[Tensor],
    steps: Steps,
    out: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Fill the gradients ``out`` of inputs ``[n, P, 3 h]``, weights and bias."""
    gates, new, recurrent = saved
    n, rows, width = states.shape
    r, z = torch.split(gates, width, dim=2)
    first = steps.counts[0]
    before = torch.empty_like(states)
    before[:, :first] = 0
    # A step's earlier states are the first of the step before.
    for t in range(1, len(steps.counts)):
        start, earlier, count = steps.offsets[t], steps.offsets[t - 1], steps.counts[t]
        before[:, start : start + count] = states[:, earlier : earlier + count]
    into_new = (1 - z).mul_(1 - new * new)
    # How much of a state's gradient reaches each of the three parts of the product.
    share = states.new_empty(n, rows, 3, width)
    torch.mul(into_new, r, out=share[:, :, 2])
    torch.mul(share[:, :, 2], recurrent * (1 - r), out=share[:, :, 0])
    torch.mul(before - new, z * (1 - z), out=share[:, :, 1])
    into_state = grad.clone(memory_format=torch.contiguous_format)
    into_product = out[0].view(n, rows, 3, width)
    flat = out[0]
    turned = weights.transpose(1, 2).contiguous()
    for t in range(len(steps.counts) - 1, -1, -1):
        start, count = steps.offsets[t], steps.counts[t]
        here = slice(start, start + count)
        mine = into_state[:, here]
        torch.mul(mine[:, :, None], share[:, here], out=into_product[:, here])
        if t > 0:
            start = steps.offsets[t - 1]
            earlier_state = into_state[:, start : start + count]
            earlier_state.addcmul_(mine, z[:, here])
            earlier_state.baddbmm_(flat[:, here], turned)
    torch.bmm(before[:, first:].transpose(1, 2), flat[:, first:], out=out[1])
    torch.sum(flat, dim=1, out=out[2])
    # Into the input of the new state the gradient goes past the reset gate.
    torch.mul(into_state, into_new, out=into_product[:, :, 2])


def packed_gru(
    inputs: Sequence[Tensor], weights: Tensor, bias: Tensor, steps: Steps
) -> list[Tensor]:
    """Run N GRUs over their packed sequences.

    Parameters
    ----------
    inputs : sequence of float [n_i, P, 3 h]
        Projected inputs, with the input's bias; gates in torch's order: reset, update, new. Their
        n_i add up to N.
    weights : float [N, h, 3 h]
        Recurrent weights, the transpose of torch's.
    bias : float [N, 3 h]
    steps : Steps

    Returns
    -------
    list of float [n_i, P, h]
        The states.
    """
    if weights.device.type != "cpu" and len(inputs) > 1:
        sizes = [len(x) for x in inputs]
        (joined,) = packed_gru([torch.cat(list(inputs))], weights, bias, steps)
        return list(torch.split(joined, sizes))
    chunk = len(weights)
    if weights.device.type == "cpu":
        chunk = max(1, _CACHED_BYTES // (weights[0].numel() * weights.element_size()))
    states = _PackedGru.apply(weights, bias, steps, chunk, *inputs)  # type: ignore[no-untyped-call]
    return list(states)
