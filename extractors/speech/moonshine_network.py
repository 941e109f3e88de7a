"""Moonshine's network, run word by word, so that how sure it is of each is known.

The library of the package tells the text alone; the network behind it gives the probability of
every piece of text it writes.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.pipeline.errors import MissingWeightsError
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import FloatArray

_RATE_HZ = 16000
_START, _END = 1, 2
# The first pieces are signs without text: unknown, start, end.
_N_SIGNS = 3
_SPACE = "\u2581".encode()
_N_HEADS, _HEAD_WIDTH = 8, 36
# Text that runs away is cut here, as the package's own library does; speech has about four pieces
# of text a second.
_PIECES_PER_S = 6.5
_PIECES_AT_LEAST = 4
# The encoder's three convolutions need 895 samples to give one vector.
_SHORTEST = 1600


@dataclass(frozen=True)
class Piece:
    """A word or part of one: its UTF-8 bytes, a space before it as U+2581.

    ``log_probability`` (natural logarithm, at most 0) is that of the piece given the sound and all
    pieces before it.
    """

    text: bytes
    log_probability: float


class MoonshineNetwork:
    """Encoder and decoder of a Moonshine model in ONNX Runtime, greedily decoded on one thread.

    Parameters
    ----------
    folder : Path
        Holds ``encoder_model.ort``, ``decoder_model_merged.ort`` and ``tokenizer.bin``.
    feature, extra : str
        What needs it, and which extra installs ONNX Runtime, for the error.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    MissingWeightsError
        If the folder holds no such model.
    """

    def __init__(self, folder: Path, *, feature: str, extra: str) -> None:
        runtime = require("onnxruntime", feature=feature, extra=extra)
        options = runtime.SessionOptions()
        # The same sums in the same order whatever the machine's number of cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._pieces = _read_pieces(folder / "tokenizer.bin")
            self._encoder, self._decoder = (
                runtime.InferenceSession(
                    str(folder / name), options, providers=["CPUExecutionProvider"]
                )
                for name in ("encoder_model.ort", "decoder_model_merged.ort")
            )
        # ONNX Runtime's own exceptions share no base but this one.
        except Exception as error:
            raise MissingWeightsError(
                f"{folder} holds no Moonshine model that can be read: reinstall moonshine-voice."
            ) from error
        self._inputs = {item.name for item in self._decoder.get_inputs()}
        self._outputs = [item.name for item in self._decoder.get_outputs()]

    def hear(self, samples: FloatArray) -> tuple[Piece, ...]:
        """Return what is said in one stretch of sound, piece by piece, its end included.

        Parameters
        ----------
        samples : float32 array [n_samples]
            At 16 kHz, in [-1, 1].
        """
        sound = np.zeros((1, max(len(samples), _SHORTEST)), np.float32)
        sound[0, : len(samples)] = samples
        mask = np.ones(sound.shape, np.int64)
        states = self._encoder.run(None, {"input_values": sound, "attention_mask": mask})[0]
        fixed: dict[str, Any] = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        fixed = {name: value for name, value in fixed.items() if name in self._inputs}
        empty = np.zeros((1, _N_HEADS, 0, _HEAD_WIDTH), np.float32)
        past = {name: empty for name in self._inputs if name.startswith("past_key_values.")}
        heard: list[Piece] = []
        token = _START
        most = _PIECES_AT_LEAST + math.ceil(_PIECES_PER_S * sound.shape[1] / _RATE_HZ)
        while token != _END and len(heard) < most:
            feed = {
                **fixed,
                **past,
                "input_ids": np.array([[token]], np.int64),
                "use_cache_branch": np.array([bool(heard)]),
            }
            found = dict(zip(self._outputs, self._decoder.run(None, feed), strict=True))
            for name in past:
                # What the decoder keeps of the sound is told with the first piece only.
                if not heard or ".decoder." in name:
                    past[name] = found[name.replace("past_key_values", "present")]
            logits = found["logits"][0, -1].astype(np.float64)
            token = int(logits.argmax())
            highest = logits[token]
            log_probability = -float(np.log(np.exp(logits - highest).sum()))
            text = self._pieces[token] if token >= _N_SIGNS else b""
            heard.append(Piece(text, log_probability))
        return tuple(heard)


def join_pieces(pieces: tuple[Piece, ...]) -> tuple[tuple[str, float], ...]:
    """Return the words that pieces make up, each with its probability in [0, 1].

    That of a word is the geometric mean of its pieces' probabilities, so that long words are no
    less sure than short ones.
    """
    words: list[list[Piece]] = []
    for piece in pieces:
        if piece.text.startswith(_SPACE) or not words:
            words.append([])
        if piece.text:
            words[-1].append(piece)
    joined = []
    for word in words:
        data = b"".join(piece.text for piece in word).replace(_SPACE, b" ")
        text = data.decode("utf-8", errors="ignore").strip()
        if text:
            joined.append((text, math.exp(mean_log_probability(tuple(word)))))
    return tuple(joined)


def mean_log_probability(pieces: tuple[Piece, ...]) -> float:
    """Return the mean log-probability of pieces (natural logarithm, at most 0); 0 for none."""
    return sum(piece.log_probability for piece in pieces) / len(pieces) if pieces else 0.0


def _read_pieces(path: Path) -> list[bytes]:
    """Read the table of pieces: for each its length, in one byte or two, and its bytes."""
    data = path.read_bytes()
    pieces, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = length - 128 + 128 * data[at], at + 1
        pieces.append(data[at : at + length])
        at += length
    return pieces
