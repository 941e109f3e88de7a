"""AdamW for stacked weights, each run with its own rates and its own gradient norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8


class StackedAdam:
    """AdamW (Loshchilov and Hutter 2019) with torch's defaults, over runs side by side.

    Where all runs share their rates torch's fused step does it; it treats every element alike.

    Parameters
    ----------
    weights : mapping of name to tensor
        Leaves; the first axis belongs to runs.
    runs : mapping of name to int64
        The run of each first index.
    weight_decays : sequence of float
        Of each run.
    clips : sequence of float or None
        Largest norm of each run's gradient.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        runs: Mapping[str, Tensor],
        weight_decays: Sequence[float],
        clips: Sequence[float | None],
        shared_rate: bool,
    ) -> None:
        self._weights = list(weights.values())
        self._runs = [runs[name] for name in weights]
        device = self._weights[0].device
        self._n_runs = len(clips)
        self._clips = None
        if any(clip is not None for clip in clips):
            limits = [float("inf") if clip is None else clip for clip in clips]
            self._clips = torch.tensor(limits, device=device)
        self._rates = torch.zeros(self._n_runs, device=device)
        self._decays = torch.tensor(weight_decays, device=device)
        self._fused: torch.optim.AdamW | None = None
        if shared_rate and len(set(weight_decays)) == 1:
            on_gpu = device.type == "cuda"
            # In a captured graph the rate must be a tensor that can be changed in place.
            self._fused = torch.optim.AdamW(
                self._weights,
                lr=torch.zeros((), device=device) if on_gpu else 1e-3,
                weight_decay=weight_decays[0],
                fused=True,
                capturable=on_gpu,
            )
        else:
            self._steps = torch.zeros((), device=device)
            self._first = [torch.zeros_like(w) for w in self._weights]
            self._second = [torch.zeros_like(w) for w in self._weights]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set each run's learning rate."""
        self._rates.copy_(torch.tensor(rates))
        if self._fused is not None:
            for group in self._fused.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rates[0])
                else:
                    group["lr"] = rates[0]

    def zero(self) -> None:
        """Forget the gradients; on a GPU in the memory they have, which captured graphs add to."""
        for weight in self._weights:
            if weight.device.type != "cuda":
                weight.grad = None
            elif weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            else:
                weight.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights by their gradients."""
        if self._clips is not None:
            self._clip(self._clips)
        if self._fused is not None:
            self._fused.step()
            return
        self._steps += 1
        corrections = [1 - beta**self._steps for beta in _BETAS]
        for weight, runs, first, second in zip(
            self._weights, self._runs, self._first, self._second, strict=True
        ):
            grad = weight.grad
            assert grad is not None
            shape = (-1, *(1 for _ in weight.shape[1:]))
            rate, decay = self._rates[runs].view(shape), self._decays[runs].view(shape)
            first.lerp_(grad, 1 - _BETAS[0])
            second.mul_(_BETAS[1]).addcmul_(grad, grad, value=1 - _BETAS[1])
            size = (second / corrections[1]).sqrt_().add_(_EPSILON)
            weight.mul_(1 - rate * decay)
            weight.sub_(rate / corrections[0] * first / size)

    def _clip(self, clips: Tensor) -> None:
        """Scale each run's gradient as `torch.nn.utils.clip_grad_norm_` does one model's."""
        squares = torch.zeros(self._n_runs, device=clips.device)
        for weight, runs in zip(self._weights, self._runs, strict=True):
            assert weight.grad is not None
            squares.index_add_(0, runs, weight.grad.flatten(1).square().sum(dim=1))
        scales = (clips / (squares.sqrt() + 1e-6)).clamp_max(1.0)
        for weight, runs in zip(self._weights, self._runs, strict=True):
            assert weight.grad is not None
            weight.grad.mul_(scales[runs].view(-1, *(1 for _ in weight.shape[1:])))
