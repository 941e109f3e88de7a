"""The moving average of a model's weights that training can validate and keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

State = dict[str, torch.Tensor]


def copy_state(model: nn.Module) -> State:
    """Return a copy of a model's weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class WeightAverage:
    """Exponential moving average of a model's weights.

    Started afresh with `restart`, it is the plain mean of the steps since, until there are so many
    that the decay is the slower of the two.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        # A mean of everything would drag the random start along; this forgets it fast.
        self.head_start = 9
        self.state = copy_state(model)

    def restart(self, model: nn.Module) -> None:
        """Forget all steps so far; the weights are good enough to count fully from now on."""
        self.steps, self.head_start = 0, 1
        self.state = copy_state(model)

    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights; faster at first, to forget the start."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + self.head_start))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.state[name].lerp_(value, 1 - decay)

    def copy_state(self) -> State:
        """Return a copy of the averaged weights."""
        return {name: value.clone() for name, value in self.state.items()}

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """Put the averaged weights into the model for a while."""
        own = copy_state(model)
        model.load_state_dict(self.state)
        try:
            yield
        finally:
            model.load_state_dict(own)
