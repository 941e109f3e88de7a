"""Training steps as CUDA graphs: at these widths a GPU waits for launches, not for arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor

from affect_pipe.fusion.stacked.data import Resident
from affect_pipe.fusion.stacked.gru import Steps
from affect_pipe.fusion.stacked.model import StackedModel


class StepRunner:
    """Runs a stack's steps: as they are, or on a GPU as one graph a batch shape.

    The first step of a shape is run as it is, which also warms the libraries up; the second is
    captured. Weights, gradients and optimiser state keep their memory, so replays act on them.

    Parameters
    ----------
    model : StackedModel
    data : Resident
    graphs : bool
        Whether to capture.
    """

    def __init__(self, model: StackedModel, data: Resident, graphs: bool) -> None:
        self._model, self._data = model, data
        self._graphs: dict[tuple[tuple[int, ...], int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._met: set[tuple[tuple[int, ...], int]] = set()
        self._on = graphs and model.device.type == "cuda"
        self._stream = torch.cuda.Stream(model.device) if self._on else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if self._on else None

    def run(self, dialogues: Tensor, steps: Steps) -> None:
        """Make one step; see `StackedModel.train_step`."""
        shape = (steps.counts, dialogues.shape[1])
        if not self._on:
            self._model.train_step(self._data, dialogues, steps)
        elif shape in self._graphs:
            graph, place = self._graphs[shape]
            place.copy_(dialogues)
            graph.replay()
        elif shape in self._met:
            self._capture(shape, dialogues, steps)
        else:
            self._met.add(shape)
            assert self._stream is not None
            # Warm-up belongs on the side stream that the capture will use.
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._model.train_step(self._data, dialogues, steps)
            torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self, shape: tuple[tuple[int, ...], int], dialogues: Tensor, steps: Steps) -> None:
        place = dialogues.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            self._model.train_step(self._data, place, steps)
        self._graphs[shape] = (graph, place)
        graph.replay()
