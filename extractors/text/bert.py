"""Any Hugging Face encoder: vectors of words in their context, and of utterances."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from affect_pipe.extractors.text.encoder import (
    PICKLED_WEIGHTS,
    distinct_layers,
    load_encoder,
    used_files,
    width,
)
from affect_pipe.extractors.text.spoken import in_order, no_words, with_words, word_confidence
from affect_pipe.extractors.text.windows import EncodedText, Spans, WindowEncoder
from affect_pipe.extractors.weights.catalogue import ENCODER, wanted
from affect_pipe.extractors.weights.needs import Weights, check_name
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unchanged import check_unchanged
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance
from affect_pipe.pipeline.sentences import join_words

Pooling = Literal["words", "mean", "cls"]
POOLINGS: tuple[Pooling, ...] = ("words", "mean", "cls")
LEAST_TOKENS = 8
_FEATURE = "bert feature"
_NAMED_LAYERS = {"last": 1, "last4": 4}
_WORD = re.compile(r"\S+")


class BERT:
    """Vectors by a Hugging Face encoder such as BERT (Devlin et al. 2019), RoBERTa or DeBERTa.

    A token's vector is the sum of the chosen layers' hidden states; a word's the mean over its
    sub-words and the punctuation that hangs on it. Each utterance is encoded by itself. Texts
    longer than the model takes are encoded in windows that overlap by half; nothing is cut off.

    Parameters
    ----------
    model : str
        Name on the Hugging Face hub, or of your own (``affect-pipe models add NAME FOLDER``).
    layers : {"last4", "last"} or sequence of int
        The sum of the last four layers, as in the features of MuSe 2021 (Stappen et al. 2021); the
        last; or the sum of those named, each once: 0 is the embeddings, 1 the first layer.
    pooling : {"words", "mean", "cls"}
        An utterance's vector: the mean over its words, the mean over its tokens without special
        ones, or the token that stands for the whole (its mean over windows).
    max_tokens : int
        Tokens of a window, special ones included; fewer where the model takes fewer.
    folder : Path, optional
        A Hugging Face model folder to use; by default the store of weights.

    Raises
    ------
    UsageError
        If a setting cannot be.
    """

    name = "bert"
    version = "1"

    def __init__(
        self,
        model: str = "bert-base-uncased",
        layers: str | Sequence[int] = "last4",
        pooling: Pooling = "words",
        max_tokens: int = 512,
        folder: Path | None = None,
    ) -> None:
        self._model_name = check_name(str(model))
        self._layers = _layers(layers)
        if pooling not in POOLINGS:
            raise UsageError(
                f"pooling is {quoted(pooling)}: expected one of {', '.join(POOLINGS)}."
            )
        self._pooling = pooling
        self._max_tokens = int(max_tokens)
        if self._max_tokens < LEAST_TOKENS:
            raise UsageError(
                f"max_tokens is {quoted(max_tokens)}: expected {LEAST_TOKENS} or more, special "
                "tokens included."
            )
        self._given = folder

    @cached_property
    def _folder(self) -> Path:
        if self._given is not None:
            return self._given
        store, (weights,) = WeightsStore(), self.weights()
        # Pickled weights are used where they lie, but never fetched.
        pickled = dataclasses.replace(
            ENCODER, name=weights.name, hub=weights.hub, one_of=PICKLED_WEIGHTS
        )
        found = store.look(weights) or store.look(pickled)
        return found or store.find(weights, needed_for=f"the {_FEATURE}")

    @cached_property
    def _spec(self) -> FeatureSpec:
        folder = self._folder
        root, used = WeightsStore().root, used_files(folder)
        check_unchanged(root, folder, used)
        dim = width(folder)
        memo = DigestMemo(root / ".digests")
        return FeatureSpec(
            name=self.name,
            modality="text",
            dim=dim,
            columns=tuple(f"bert_{i:03d}" for i in range(dim)),
            version=self.version,
            settings={
                "model": self._model_name,
                "layers": self._layers if isinstance(self._layers, str) else list(self._layers),
                "pooling": self._pooling,
                "max_tokens": self._max_tokens,
            },
            model_id=self._model_name,
            # The tokeniser decides as much as the weights do.
            weights_digest=digest_json({name: memo.digest(folder / name) for name in used}),
            backend=backend_version("transformers"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract; reads the weights once to tell which they are, loads nothing."""
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return the weights it loads."""
        return (wanted(self._model_name, ENCODER),)

    def frame_stage(self) -> FrameStage | None:
        """Return None: words need no frames."""
        return None

    @cached_property
    def _encoder(self) -> WindowEncoder:
        tokenizer, model = load_encoder(self._folder, _FEATURE)
        torch = require("torch", feature=f"the {_FEATURE}")
        if self._pooling == "cls" and tokenizer.cls_token_id is None:
            raise UsageError(
                f"{self._model_name} has no token that stands for a whole text: use "
                'pooling="words" or "mean".'
            )
        layers = self._numbers(int(model.config.num_hidden_layers))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return WindowEncoder(
            tokenizer, model.to(device), layers, self._max_tokens, self._model_name
        )

    def _numbers(self, n_layers: int) -> tuple[int, ...]:
        """Return the layers as numbers of hidden states."""
        if isinstance(self._layers, str):
            n = _NAMED_LAYERS[self._layers]
            found = tuple(range(n_layers + 1 - n, n_layers + 1))
        else:
            found = self._layers
        if found[0] < 0 or found[-1] > n_layers or (self._layers == "last4" and n_layers < 4):
            raise UsageError(
                f"layers {self._layers!r} of {self._model_name}: it has {n_layers}; name layers "
                f"from 0 (the embeddings) to {n_layers}."
            )
        return found

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Encode texts: their tokens' vectors and places.

        Texts of similar length are encoded together, so a vector may differ in its last bits with
        the company it is encoded in.

        Raises
        ------
        UsageError
            If the model cannot be loaded, has fewer layers than were asked for, or lacks what the
            pooling needs.
        """
        return self._encoder.encode(texts)

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the words of each utterance.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, dim]. Quality: ``asr_confidence`` in [0, 1], as of `MiniLM`;
            ``windows``, into how many windows the text was cut (NaN without words). Absent without
            words, and where the tokeniser knows no character of them.
        """
        spec, n = self.spec(), len(utterances)
        present = with_words(utterances)
        reasons: list[str | None] = [
            None if there else no_words(u) for u, there in zip(utterances, present, strict=True)
        ]
        values = np.zeros((n, spec.dim), dtype=np.float32)
        windows = np.full(n, np.nan, dtype=np.float32)
        rows = [int(row) for row in np.flatnonzero(present)]
        placed = [_placed(utterances[row]) for row in rows]
        encoded = self.encode([text for text, _ in placed]) if rows else []
        for row, (_, spans), found in zip(rows, placed, encoded, strict=True):
            windows[row] = found.n_windows
            vector = self._pooled(found, spans)
            if vector is None:
                present[row] = False
                reasons[row] = f"the tokeniser of {self._model_name} finds no token in its words"
            else:
                values[row] = vector
        quality = {"asr_confidence": word_confidence(utterances), "windows": windows}
        return FeatureBlock(spec, values, present, tuple(reasons), quality)

    def _pooled(self, found: EncodedText, spans: Spans) -> FloatArray | None:
        """Return an utterance's vector, None where there are no tokens."""
        if not len(found.tokens):
            return None
        if self._pooling == "cls":
            return found.cls
        rows = found.tokens
        if self._pooling == "words":
            rows = word_vectors(found, spans)
            rows = rows[np.isfinite(rows[:, 0])]
        return rows.mean(0, np.float64).astype(np.float32) if len(rows) else None

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return one row a word, in order of start: the mean over its sub-words.

        Returns
        -------
        FrameTable
            NaN rows for words without a token. Labels: ``word``, ``utterance``, its index.
        """
        spec = self.spec()
        rows = [int(row) for row in np.flatnonzero(with_words(utterances))]
        placed = [_placed(utterances[row]) for row in rows]
        encoded = self.encode([text for text, _ in placed]) if rows else []
        of_row = {
            row: word_vectors(found, spans)
            for row, (_, spans), found in zip(rows, placed, encoded, strict=True)
        }
        spoken = list(in_order(utterances))
        values = [of_row[s.row][s.place] for s in spoken]
        return FrameTable(
            spec,
            columns=spec.columns,
            units=("",) * spec.dim,
            time_s=np.array([s.word.start_s for s in spoken], dtype=np.float64),
            end_s=np.array([s.word.end_s for s in spoken], dtype=np.float64),
            values=np.array(values, dtype=np.float32).reshape(len(spoken), spec.dim),
            labels={
                "utterance": tuple(utterances[s.row].index for s in spoken),
                "word": tuple(s.word.text for s in spoken),
            },
        )


def word_vectors(encoded: EncodedText, spans: Spans) -> FloatArray:
    """Return the mean over the tokens that share a character with each word.

    Parameters
    ----------
    spans : int64 [n_words, 2]
        First and one past the last character of each word.

    Returns
    -------
    float32 [n_words, dim]
        NaN for words without tokens.
    """
    vectors = np.full((len(spans), encoded.tokens.shape[1]), np.nan, dtype=np.float32)
    for word, (start, end) in enumerate(spans):
        shared = (encoded.spans[:, 0] < end) & (encoded.spans[:, 1] > start)
        if shared.any():
            vectors[word] = encoded.tokens[shared].mean(0, np.float64)
    return vectors


def _placed(utterance: Utterance) -> tuple[str, Spans]:
    """Return an utterance's text and where its words stand in it, int64 [n_words, 2]."""
    text = utterance.text
    words = [word.text.strip() for word in utterance.words]
    if not words:
        return text, _array([match.span() for match in _WORD.finditer(text)])
    spans = _spans(words, text)
    if spans is None:
        text = join_words(words)
        spans = _spans(words, text) or []
    return text, _array(spans)


def _spans(words: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    spans: list[tuple[int, int]] = []
    at = 0
    for word in words:
        start = text.find(word, at)
        if start < 0:
            return None
        at = start + len(word)
        spans.append((start, at))
    return spans


def _array(spans: Sequence[tuple[int, int]]) -> Spans:
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def _layers(layers: str | Sequence[int]) -> str | tuple[int, ...]:
    if isinstance(layers, str):
        if layers not in _NAMED_LAYERS:
            raise UsageError(
                f"layers is {quoted(layers)}: expected {', '.join(_NAMED_LAYERS)} or numbers."
            )
        return layers
    return distinct_layers(layers)
