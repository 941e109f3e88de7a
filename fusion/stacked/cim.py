"""Many CIM models at once: weights of one kind in one tensor, a run's along its first axis.

`affect_pipe.fusion.models.cim` says what is computed; here it is computed for K runs together. A
run may read any of the seven subsets of the modalities: there is one encoder for each modality of
each run, E in all, and only the pairs that a run has are computed for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from affect_pipe.fusion.config import CimSettings
from affect_pipe.fusion.models.cim import PAIRS, RESIDUAL_ORDER, cim_attention
from affect_pipe.fusion.stacked.batch import Placing, StackBatch, pick_states
from affect_pipe.fusion.stacked.dropout import Rates, keys
from affect_pipe.fusion.stacked.gru import packed_gru
from affect_pipe.pipeline.records import MODALITIES, Modality

# Places of a representation's parts: both directions of each pair, then the modalities. A run
# with one modality has its self-attention in the first.
# Dropout layers by number; a modality's own is added.
_INPUT_SITE, _DENSE_SITE = 0, 8
_RECURRENT = {"w_ih": "weight_ih", "b_ih": "bias_ih", "w_hh": "weight_hh", "b_hh": "bias_hh"}


@dataclass(frozen=True, eq=False)
class _Part:
    """One block of the representation: its place, whose it is, and the encoders it is made of."""

    slot: int
    runs: Tensor
    first: Tensor | slice
    second: Tensor | slice
    both_ways: bool


class StackedCim:
    """K CIM backbones of one width.

    Parameters
    ----------
    modalities : sequence of sequences of modality
        Of each run.
    settings : sequence of CimSettings
        Of each run; they may differ in their dropout rates only.
    device : torch.device
    """

    def __init__(
        self,
        modalities: Sequence[Sequence[Modality]],
        settings: Sequence[CimSettings],
        device: torch.device,
    ) -> None:
        self.n_runs, self.device = len(modalities), device
        self.width = settings[0].dense_width
        self._own = [tuple(m for m in MODALITIES if m in own) for own in modalities]
        self._used = tuple(m for m in MODALITIES if any(m in own for own in self._own))
        members = {m: [k for k, own in enumerate(self._own) if m in own] for m in self._used}
        self._members = members
        # Encoders stand modality by modality, in each by run.
        starts = [0, *accumulate(len(members[m]) for m in self._used)]
        self._ranges = {m: slice(starts[i], starts[i + 1]) for i, m in enumerate(self._used)}
        self._runs = {m: self._indices(members[m]) for m in self._used}
        self._encoder_runs = torch.cat([self._runs[m] for m in self._used])
        self._parts = self._attended()
        self._residuals = [
            (2 * len(PAIRS) + i, m) for i, m in enumerate(RESIDUAL_ORDER) if m in self._used
        ]
        # Places that no run has are left out.
        attended = {p.slot + side for p in self._parts for side in range(1 + p.both_ways)}
        self._slots = sorted(attended | {slot for slot, _ in self._residuals})
        self._input_rates = {
            m: Rates([_input_rate(settings[k], m) for k in members[m]], device) for m in self._used
        }
        self._dense_rates = Rates(
            [settings[k].dropout for m in self._used for k in members[m]], device
        )

    def _indices(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.device)

    def _which(self, values: Sequence[int]) -> Tensor | slice:
        """Return numbers as a range where they are one, which selects without copying."""
        low, high = min(values, default=0), max(values, default=-1) + 1
        return slice(low, high) if list(values) == list(range(low, high)) else self._indices(values)

    def _encoder(self, run: int, modality: Modality) -> int:
        return int(self._ranges[modality].start) + self._members[modality].index(run)

    def _attended(self) -> list[_Part]:
        found = []
        for index, (x, y) in enumerate(PAIRS):
            runs = [k for k, own in enumerate(self._own) if x in own and y in own]
            found.append((2 * index, runs, [(x, y)] * len(runs), True))
        alone = [k for k, own in enumerate(self._own) if len(own) == 1]
        found.append((0, alone, [(self._own[k][0], self._own[k][0]) for k in alone], False))
        return [
            _Part(
                slot,
                self._indices(runs),
                self._which([self._encoder(k, x) for k, (x, _) in zip(runs, pairs, strict=True)]),
                self._which([self._encoder(k, y) for k, (_, y) in zip(runs, pairs, strict=True)]),
                both,
            )
            for slot, runs, pairs, both in found
            if runs
        ]

    @property
    def places(self) -> Tensor:
        """Where each column of a representation would stand if it had every part, int32 [D]."""
        starts = torch.tensor(self._slots)[:, None] * self.width
        return (starts + torch.arange(self.width)).reshape(-1).int().to(self.device)

    def columns(self, run: int) -> Tensor:
        """Return that representation's columns which are the run's own, in its model's order."""
        own = set(self._own[run])
        slots = [s for i, pair in enumerate(PAIRS) if set(pair) <= own for s in (2 * i, 2 * i + 1)]
        slots = slots or [0]
        slots += [2 * len(PAIRS) + i for i, m in enumerate(RESIDUAL_ORDER) if m in own]
        starts = torch.tensor([self._slots.index(slot) for slot in slots])[:, None] * self.width
        return (starts + torch.arange(self.width)).reshape(-1)

    def gather(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
        """Stack the weights of K models, matrices transposed.

        Parameters
        ----------
        states : sequence of mapping of name to tensor
            Each model's ``state_dict``.

        Returns
        -------
        dict of name to (tensor, int64)
            And the run that each of its first indices belongs to.
        """
        directions = self._encoder_runs.repeat_interleave(2)
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name, source in _RECURRENT.items():
            parts = {
                m: torch.stack(
                    [
                        _turned(states[k][f"backbone.encoders.{m}.gru.gru.{source}_l0{suffix}"])
                        for k in self._members[m]
                        for suffix in ("", "_reverse")
                    ]
                )
                for m in self._used
            }
            if name == "w_ih":
                for m, part in parts.items():
                    found[f"w_ih.{m}"] = (part, self._runs[m].repeat_interleave(2))
            else:
                found[name] = (torch.cat(list(parts.values())), directions)
        for name in ("weight", "bias"):
            encoders = [
                _turned(states[k][f"backbone.encoders.{m}.dense.{name}"])
                for m in self._used
                for k in self._members[m]
            ]
            found[f"dense.{name}"] = (torch.stack(encoders), self._encoder_runs)
        return found

    def scatter(self, weights: Mapping[str, Tensor], run: int) -> dict[str, Tensor]:
        """Take one run's weights out again, by the names of its model; undoes `gather`."""
        found: dict[str, Tensor] = {}
        for m in self._own[run]:
            encoder, prefix = self._encoder(run, m), f"backbone.encoders.{m}."
            for name, source in _RECURRENT.items():
                for direction, suffix in enumerate(("", "_reverse")):
                    index = 2 * encoder + direction
                    stacked = weights[name if name != "w_ih" else f"w_ih.{m}"]
                    if name == "w_ih":
                        index -= 2 * self._ranges[m].start
                    found[f"{prefix}gru.gru.{source}_l0{suffix}"] = _turned(stacked[index])
            for name in ("weight", "bias"):
                found[f"{prefix}dense.{name}"] = _turned(weights[f"dense.{name}"][encoder])
        return found

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        batch: StackBatch,
        seeds: Tensor | None = None,
        step: Tensor | None = None,
    ) -> Tensor:
        """Represent a batch of each run: float [K, B, U, D].

        Parameters
        ----------
        weights : mapping of name to tensor
            As `gather` gives them.
        seeds : int64 [K], optional
            With them and ``step``, an int64 scalar, dropout is at work.
        """
        present = torch.cat(
            [
                batch.data.present[:, MODALITIES.index(m)][batch.rows[self._runs[m]]]
                for m in self._used
            ]
        )
        states = self._states(weights, batch, seeds, step)
        flat = torch.baddbmm(weights["dense.bias"][:, None], states, weights["dense.weight"])
        encoded = torch.relu(flat).view(*present.shape, self.width)
        if seeds is not None and step is not None and self._dense_rates.any:
            sites = [keys(seeds[self._runs[m]], step, _DENSE_SITE + _number(m)) for m in self._used]
            encoded = encoded * self._dense_rates.factors(torch.cat(sites), encoded.shape[1:])
        return self._represent(encoded * present[..., None], present)

    def _states(
        self,
        weights: Mapping[str, Tensor],
        batch: StackBatch,
        seeds: Tensor | None,
        step: Tensor | None,
    ) -> Tensor:
        """States of both directions at every utterance, float [E, B * U, 2 h]."""
        projected, placings = [], []
        for m in self._used:
            runs, rates = self._runs[m], self._input_rates[m]
            placing = Placing.of(batch, _number(m), runs)
            placings.append(placing)
            rows = placing.rows
            x = batch.data.features[m].index_select(0, rows.view(-1)).view(*rows.shape, -1)
            if seeds is not None and step is not None and rates.any:
                own = keys(seeds[runs], step, _INPUT_SITE + _number(m))
                kept = rates.factors(own, (batch.rows.shape[1], x.shape[-1]))
                # One mask for a whole sequence, both directions.
                x = x * kept[:, batch.steps.sequence][:, None]
            bias = weights["b_ih"][2 * self._ranges[m].start : 2 * self._ranges[m].stop, None]
            projected.append(torch.baddbmm(bias, x.flatten(0, 1), weights[f"w_ih.{m}"]))
        states = packed_gru(projected, weights["w_hh"], weights["b_hh"], batch.steps)
        return _cat([pick_states(own, p) for own, p in zip(states, placings, strict=True)])

    def _represent(self, encoded: Tensor, present: Tensor) -> Tensor:
        shape = (self.n_runs, *encoded.shape[1:])
        blocks: dict[int, Tensor] = {}

        def put(slot: int, runs: Tensor, values: Tensor) -> None:
            if len(runs) == self.n_runs:
                blocks[slot] = values
                return
            base = blocks[slot] if slot in blocks else encoded.new_zeros(shape)
            blocks[slot] = base.index_copy(0, runs, values)

        for part in self._parts:
            X, Y, x, y = (
                _select(values, which).flatten(0, 1)
                for values in (encoded, present)
                for which in (part.first, part.second)
            )
            A1, A2, _, _ = cim_attention(X, Y, x, y)
            put(part.slot, part.runs, A1.view(len(part.runs), *shape[1:]))
            if part.both_ways:
                put(part.slot + 1, part.runs, A2.view(len(part.runs), *shape[1:]))
        for slot, m in self._residuals:
            put(slot, self._runs[m], encoded[self._ranges[m]])
        return torch.cat([blocks[slot] for slot in self._slots], dim=-1)


def _input_rate(settings: CimSettings, modality: Modality) -> float:
    return settings.input_dropout_of.get(modality, settings.input_dropout)


def _select(values: Tensor, which: Tensor | slice) -> Tensor:
    return values[which] if isinstance(which, slice) else values.index_select(0, which)


def _number(modality: Modality) -> int:
    return MODALITIES.index(modality)


def _cat(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _turned(weight: Tensor) -> Tensor:
    """Transpose a matrix: rows come from the left here. Vectors stay."""
    return weight.t() if weight.ndim == 2 else weight
