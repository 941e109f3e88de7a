"""How the losses of several tasks become one number: fixed weights, or trained ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from affect_pipe.fusion.config import LossWeightingSettings, TaskName, TaskSettings


class LossWeighting(nn.Module):
    """The total loss of a step (jiang2021, section III.B.2).

    ``fixed`` is equation 9, ``sum_tau w_tau L_tau`` with the weights of the tasks' settings.
    ``uncertainty`` is equation 13, after Kendall et al. 2018::

        sum_tau [ w_tau L_tau / (2 delta_tau^2) + log(1 + delta_tau) ] + eta ||theta||_2

    with a trainable delta a task that starts at 1, so every task starts with half its weight. The
    module keeps ``log(delta)``, which gives the same minima and lets no step carry delta past zero,
    where the loss has a pole. Tasks without a label in the step add nothing, the logarithm
    included: their delta stays where it is.

    Its parameters belong into the optimiser, without weight decay; they are no part of a model's
    checkpoint.

    Parameters
    ----------
    tasks : sequence of TaskSettings
    settings : LossWeightingSettings
    """

    def __init__(self, tasks: Sequence[TaskSettings], settings: LossWeightingSettings) -> None:
        super().__init__()
        self.settings = settings
        self.weights: dict[TaskName, float] = {task.name: task.weight for task in tasks}
        self.log_delta = nn.ParameterDict()
        if settings.kind == "uncertainty":
            for task in tasks:
                self.log_delta[task.name] = nn.Parameter(torch.zeros(()))

    def deltas(self) -> dict[str, float]:
        """Return the present delta of each task; none with fixed weights."""
        return {name: float(torch.exp(value.detach())) for name, value in self.log_delta.items()}

    def forward(self, losses: Mapping[TaskName, Tensor], theta: Iterable[Tensor] = ()) -> Tensor:
        """Combine the losses of the tasks that have one.

        Parameters
        ----------
        losses : mapping of task name to scalar
            At least one.
        theta : iterable of Tensor, optional
            The model's parameters, for the norm; read where ``eta`` is not zero. All of them make
            one vector.

        Returns
        -------
        scalar

        Raises
        ------
        ValueError
            If there is no loss.
        """
        if not losses:
            raise ValueError("There is no loss to weigh")
        terms: list[Tensor] = []
        for name, loss in losses.items():
            weighted = self.weights[name] * loss
            if self.settings.kind == "uncertainty":
                delta = torch.exp(self.log_delta[name])
                weighted = weighted / (2 * delta**2) + torch.log1p(delta)
            terms.append(weighted)
        # One after the other: a sum over a stack may add in another order.
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        if self.settings.eta:
            norms = [torch.linalg.vector_norm(values) for values in theta]
            if norms:
                total = total + self.settings.eta * torch.linalg.vector_norm(torch.stack(norms))
        return total
