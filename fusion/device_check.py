"""Whether a model can be trained on the device that is asked for."""

from __future__ import annotations

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

DEVICES = ("auto", "cpu", "cuda")


def check_device(device: str) -> None:
    """Find out before hours of describing corpora whether a model could then be trained."""
    if device not in DEVICES:
        raise UsageError(f"unknown device {quoted(device)}: use {', '.join(DEVICES)}.")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("--device cuda is asked for, and there is no GPU: use cpu or auto.")
