"""Recurrent layers that read the present elements of a sequence, many of them in one go.

On a CPU, torch's own GRU walks through every direction of every layer by itself and adds up the
gradient of the recurrent weights after every step. Here all directions of all the layers given take
each step together, and the weights' gradient is one product at the end, which halves the time of
training at the widths of the papers. On a GPU the fused kernels of cuDNN are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


@dataclass(frozen=True, eq=False)
class _Layout:
    """How several layers' sequences are laid end to end, step by step, without padding.

    At each step stand the sequences that are still running in any layer, longest first, so that a
    step works on one slice. ``places`` has, for each layer, where its present elements stand (in
    row-major order) when sequences are read from the front and from the back.
    """

    counts: list[int]
    places: list[tuple[Tensor, Tensor]]

    @property
    def n(self) -> int:
        """Elements in all."""
        return sum(self.counts)

    @classmethod
    def of(cls, present: Sequence[Tensor]) -> _Layout:
        """Lay out the elements where ``present [B, U]`` of each layer."""
        lengths = [here.sum(dim=1) for here in present]
        longest = torch.stack(lengths).amax(dim=0)
        steps = torch.arange(int(longest.max()), device=longest.device)
        counts = (longest[:, None] > steps).sum(dim=0)
        starts = counts.cumsum(dim=0) - counts
        rank = torch.argsort(torch.argsort(longest, descending=True, stable=True))
        places = []
        for here, length in zip(present, lengths, strict=True):
            sequence, _ = here.nonzero(as_tuple=True)
            step = (here.cumsum(dim=1) - 1)[here]
            back = length[sequence] - 1 - step
            places.append((starts[step] + rank[sequence], starts[back] + rank[sequence]))
        return cls(counts.tolist(), places)


class _JointGru(torch.autograd.Function):
    """GRUs of one width side by side (Cho et al. 2014, with torch's reset after the product).

    Per group, with ``g = U h + b``, ``r = sigmoid(W_r x + g_r)``, ``z = sigmoid(W_z x + g_z)``,
    ``n = tanh(W_n x + r * g_n)``, ``h' = (1 - z) * n + z * h``.
    """

    @staticmethod
    def forward(ctx: Any, counts: list[int], *given: Tensor) -> Any:
        """Return the states ``[G, N, h]``.

        ``given`` has five tensors a group: ``x [N, d]`` in the order of a `_Layout`, and torch's
        ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh``.
        """
        rows, w_ih, w_hh, b_ih, b_hh = (given[index::5] for index in range(5))
        groups, n, width = len(rows), len(rows[0]), w_hh[0].shape[1]
        gates = rows[0].new_empty(groups, n, 3 * width)
        for index in range(groups):
            torch.addmm(b_ih[index], rows[index], w_ih[index].t(), out=gates[index])
        states, products = gates.new_empty(2, groups, n, width)
        # Laid out anew once: the product is a third faster than with transposed views.
        turned, bias = torch.stack([w.t() for w in w_hh]).contiguous(), torch.stack(b_hh)[:, None]
        state, start = gates.new_zeros(groups, counts[0], width), 0
        for count in counts:
            # The projected inputs turn into the gates in place.
            here, previous = gates[:, start : start + count], state[:, :count]
            product = torch.baddbmm(bias, previous, turned)
            both, new = here[..., : 2 * width], here[..., 2 * width :]
            both.add_(product[..., : 2 * width]).sigmoid_()
            new.addcmul_(both[..., :width], product[..., 2 * width :]).tanh_()
            products[:, start : start + count] = product[..., 2 * width :]
            state = torch.lerp(new, previous, both[..., width:])
            states[:, start : start + count] = state
            start += count
        ctx.save_for_backward(*given, gates, states, products)
        ctx.counts = counts
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Walk back through the steps, then take the gradients of all weights at once."""
        *given, gates, states, products = ctx.saved_tensors
        rows, w_ih, w_hh = (given[index::5] for index in range(3))
        width, weights = states.shape[2], torch.stack(w_hh)
        before = _before(states, ctx.counts)
        r, z, new = gates.split(width, dim=2)
        # What each gate's gradient is a multiple of, for all steps in one go: (before - new) z
        # (1 - z), then (1 - z) (1 - new^2), then products r (1 - r). New memory costs the most.
        rest = 1 - z
        by_z = (before - new).mul_(z).mul_(rest)
        by_new = rest.addcmul_(rest, new * new, value=-1)
        by_r = (1 - r).mul_(r).mul_(products)
        d_gates, d_new = torch.empty_like(gates), torch.empty_like(states)
        end, carried = len(rows[0]), states.new_empty(len(rows), 0, width)
        for count in reversed(ctx.counts):
            here = slice(end - count, end)
            into = grad[:, here].clone()
            into[:, : carried.shape[1]] += carried
            d_here, d_n = d_gates[:, here], d_new[:, here]
            torch.mul(into, by_new[:, here], out=d_n)
            torch.mul(d_n, by_r[:, here], out=d_here[..., :width])
            torch.mul(into, by_z[:, here], out=d_here[..., width : 2 * width])
            torch.mul(d_n, r[:, here], out=d_here[..., 2 * width :])
            carried = torch.baddbmm(into.mul_(z[:, here]), d_here, weights)
            end -= count
        d_hh, d_bias_hh = d_gates.transpose(1, 2) @ before, d_gates.sum(dim=1)
        # The inputs of the new state are not reset, its recurrent part is.
        d_gates[..., 2 * width :] = d_new
        d_bias_ih = d_gates.sum(dim=1)
        found: list[Tensor | None] = [None]
        for index, d_own in enumerate(d_gates):
            wanted = ctx.needs_input_grad[1 + 5 * index]
            found.append(d_own @ w_ih[index] if wanted else None)
            found += [d_own.t() @ rows[index], d_hh[index], d_bias_ih[index], d_bias_hh[index]]
        return tuple(found)


def _before(states: Tensor, counts: Sequence[int]) -> Tensor:
    """Return each element's previous state, zero at the start of a sequence."""
    before = torch.empty_like(states)
    before[:, : counts[0]] = 0
    start = 0
    for last, count in pairwise(counts):
        target = slice(start + last, start + last + count)
        before[:, target] = states[:, start : start + count]
        start += last
    return before


def _joint(
    layers: Sequence[nn.GRU], rows: Sequence[Tensor], present: Sequence[Tensor]
) -> list[Tensor]:
    """All directions of all layers, step by step together."""
    layout = _Layout.of(present)
    given: list[Tensor] = []
    for layer, values, places in zip(layers, rows, layout.places, strict=True):
        for suffix, place in zip(("", "_reverse"), places, strict=True):
            values = values.to(next(layer.parameters()).dtype)
            # Elements that only other layers have stay zero here, after the sequence's end.
            given.append(values.new_zeros(layout.n, values.shape[1]).index_copy(0, place, values))
            given += [
                getattr(layer, f"{name}_l0{suffix}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
    # Autocast would hand the steps operands of two types.
    with torch.autocast(rows[0].device.type, enabled=False):
        states = _JointGru.apply(layout.counts, *given)  # type: ignore[no-untyped-call]
    return [
        torch.cat([states[2 * i].index_select(0, a), states[2 * i + 1].index_select(0, b)], dim=1)
        for i, (a, b) in enumerate(layout.places)
    ]


def _packed(recurrence: nn.GRU | nn.LSTM, rows: Tensor, present: Tensor) -> Tensor:
    """One bidirectional layer through torch's own kernels."""
    counts = present.sum(dim=1)
    lengths = counts[counts > 0]
    front = torch.arange(int(lengths.max()), device=rows.device) < lengths[:, None]
    gathered = rows.new_zeros(*front.shape, rows.shape[1])
    # Boolean selection and assignment walk in the same order: sequence, then position.
    gathered[front] = rows
    packed = pack_padded_sequence(gathered, lengths.cpu(), batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(recurrence(packed)[0], batch_first=True)
    chosen: Tensor = states[front]
    return chosen


def run_bidirectional(
    layers: Sequence[nn.GRU], values: Sequence[Tensor], present: Sequence[Tensor]
) -> list[Tensor]:
    """Run bidirectional GRUs of one width, each over the present elements of its own sequences.

    Absent elements are skipped, not fed as zeros: the state passes from one present element to
    the next, so neither padding nor the values of absent rows can have any influence.

    Parameters
    ----------
    layers : sequence of nn.GRU
        One layer deep, bidirectional, of one hidden width; their input widths may differ.
    values : sequence of float [B, U, d]
        The sequences of each layer.
    present : sequence of bool [B, U]

    Returns
    -------
    list of float [B, U, 2 * hidden]
        States of both directions; zero in the rows of absent elements.
    """
    width = 2 * layers[0].hidden_size
    found = [v.new_zeros(*v.shape[:2], width) for v in values]
    chosen = [index for index, here in enumerate(present) if bool(here.any())]
    if not chosen:
        return found
    rows = [values[index][present[index]] for index in chosen]
    if rows[0].is_cuda:
        states = [
            _packed(layers[index], row, present[index])
            for index, row in zip(chosen, rows, strict=True)
        ]
    else:
        states = _joint(
            [layers[index] for index in chosen], rows, [present[index] for index in chosen]
        )
    for index, state in zip(chosen, states, strict=True):
        found[index][present[index]] = state.to(found[index].dtype)
    return found


class MaskedBiLSTM(nn.Module):
    """Bidirectional LSTM over the present elements of each sequence; absent ones are skipped."""

    def __init__(self, input_width: int, hidden_width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_width, hidden_width, batch_first=True, bidirectional=True)
        self.width = 2 * hidden_width

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Run over ``values [B, U, d]`` where ``present [B, U]``; returns ``[B, U, 2 * hidden]``.

        Rows of absent elements are zero.
        """
        out = values.new_zeros(*values.shape[:2], self.width)
        if bool(present.any()):
            out[present] = _packed(self.lstm, values[present], present)
        return out
