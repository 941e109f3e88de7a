"""Running a network over many inputs, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import FloatArray


def device() -> str:
    """Return ``cuda`` where there is a GPU, else ``cpu``."""
    torch = require("torch", feature="a deep feature")
    return "cuda" if torch.cuda.is_available() else "cpu"


def run(
    network: Callable[[Any], Any], batches: Iterable[npt.NDArray[Any]], width: int
) -> FloatArray:
    """Return the outputs float32 [n, width] of batches of inputs, in order.

    The network must be on `device` already. No gradients are kept.
    """
    torch = require("torch", feature="a deep feature")
    place = device()
    found = []
    with torch.inference_mode():
        for batch in batches:
            inputs = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(place)
            found.append(network(inputs).float().cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, width), np.float32)
