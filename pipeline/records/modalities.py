"""What an utterance is described by: its words, the voice, the face."""

from __future__ import annotations

from typing import Literal

Modality = Literal["text", "acoustic", "visual"]
MODALITIES: tuple[Modality, ...] = ("text", "acoustic", "visual")
