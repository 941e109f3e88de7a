"""Texts of any length through an encoder that takes a limited number of tokens at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import FloatArray

# Padded tokens and texts encoded together.
_BATCH_TOKENS = 8192
_BATCH = 32
# Tokenisers without a limit of their own say 10^30.
_NO_LIMIT = 1_000_000
Spans = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EncodedText:
    """One text's tokens, without the special ones.

    Attributes
    ----------
    tokens : float32 [n_tokens, dim]
    spans : int64 [n_tokens, 2]
        First and one past the last character of each token in the text. A token of nothing but
        space, as SentencePiece makes them, is the beginning of the word after it.
    cls : float32 [dim] or None
        The token that stands for the whole text, the mean over windows; None where the model has
        none.
    n_windows : int
        Into how many overlapping windows the text was cut.
    """

    tokens: FloatArray
    spans: Spans
    cls: FloatArray | None
    n_windows: int


@dataclass(frozen=True)
class _Window:
    text: int
    first: int
    ids: list[int]
    types: list[int] | None
    spans: Spans
    special: npt.NDArray[np.bool_]


class WindowEncoder:
    """Encodes texts in windows that overlap by half.

    Every token's vector is taken from the window in which it stands farthest from a cut.

    Parameters
    ----------
    tokenizer, model
        As `load_encoder` returns them.
    layers : sequence of int
        Hidden states to add up; 0 is the embeddings.
    max_tokens : int
        Tokens of a window, special ones included; fewer where the model takes fewer.
    what : str
        The model, for messages.

    Raises
    ------
    UsageError
        If the tokeniser cannot tell where its tokens stand in the text, or windows are too short.
    """

    def __init__(
        self, tokenizer: Any, model: Any, layers: Sequence[int], max_tokens: int, what: str
    ) -> None:
        if not tokenizer.is_fast:
            raise UsageError(
                f"the tokeniser of {what} has no fast version (tokenizer.json), which alone tells "
                "where tokens stand in a text: convert it with transformers and save it."
            )
        tokenizer.truncation_side = "right"
        self._tokenizer, self._model = tokenizer, model
        self._layers = tuple(layers)
        self._size = min(max_tokens, token_limit(tokenizer, model))
        self._room = self._size - int(tokenizer.num_special_tokens_to_add())
        if self._room < 2:
            raise UsageError(
                f"windows of {self._size} tokens leave no room for text in {what}: give more "
                "max_tokens."
            )
        self._overlap = self._room // 2

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """Encode texts; each may be empty."""
        windows = [w for i, text in enumerate(texts) for w in self._cut(i, text)]
        states: dict[int, FloatArray] = {}
        order = sorted(range(len(windows)), key=lambda i: (len(windows[i].ids), i))
        while order:
            # The longest first: the largest need of memory comes at once.
            longest = len(windows[order[-1]].ids)
            n = max(1, min(_BATCH, _BATCH_TOKENS // longest))
            batch, order = order[-n:], order[:-n]
            for i, state in zip(batch, self._run([windows[i] for i in batch]), strict=True):
                states[i] = state
        of_text: list[list[int]] = [[] for _ in texts]
        for i, window in enumerate(windows):
            of_text[window.text].append(i)
        return [self._join([windows[i] for i in own], [states[i] for i in own]) for own in of_text]

    def _cut(self, index: int, text: str) -> list[_Window]:
        cut = self._tokenizer(
            text,
            truncation=True,
            max_length=self._size,
            stride=self._overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        types = cut.get("token_type_ids")
        step = self._room - self._overlap
        return [
            _Window(
                index,
                number * step,
                list(ids),
                None if types is None else list(types[number]),
                _spans(cut["offset_mapping"][number], text),
                np.array(cut["special_tokens_mask"][number], dtype=bool),
            )
            for number, ids in enumerate(cut["input_ids"])
        ]

    def _run(self, windows: Sequence[_Window]) -> list[FloatArray]:
        """Return the sum of the layers of each window, float32 [n_ids, dim], special tokens too."""
        torch = require("torch", feature="encoding text")
        longest = max(len(window.ids) for window in windows)
        pad = self._tokenizer.pad_token_id or 0
        ids = np.full((len(windows), longest), pad, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
            if window.types is not None:
                types[row, : len(window.ids)] = window.types
        given = {"input_ids": ids, "attention_mask": mask}
        if windows[0].types is not None:
            given["token_type_ids"] = types
        device = next(self._model.parameters()).device
        with torch.inference_mode():
            states = self._model(
                **{name: torch.from_numpy(value).to(device) for name, value in given.items()},
                output_hidden_states=True,
            ).hidden_states
            total = sum(states[layer] for layer in self._layers).float().cpu().numpy()
        return [total[row, : len(window.ids)] for row, window in enumerate(windows)]

    def _join(self, windows: Sequence[_Window], states: Sequence[FloatArray]) -> EncodedText:
        n_tokens = max((w.first + int((~w.special).sum()) for w in windows), default=0)
        dim = states[0].shape[1]
        tokens = np.zeros((n_tokens, dim), dtype=np.float32)
        spans = np.zeros((n_tokens, 2), dtype=np.int64)
        farthest = np.full(n_tokens, -1.0)
        for window, state in zip(windows, states, strict=True):
            own = ~window.special
            place = np.arange(int(own.sum()))
            # The ends of the text itself are no cuts.
            before = np.inf if window.first == 0 else place
            last = window.first + len(place) == n_tokens
            after = np.inf if last else place[::-1]
            away = np.minimum(before, after) * np.ones(len(place))
            at = window.first + place
            better = away > farthest[at]
            tokens[at[better]] = state[own][better]
            spans[at[better]] = window.spans[own][better]
            farthest[at[better]] = away[better]
        return EncodedText(tokens, spans, self._cls(windows, states), len(windows))

    def _cls(self, windows: Sequence[_Window], states: Sequence[FloatArray]) -> FloatArray | None:
        wanted = self._tokenizer.cls_token_id
        found = [
            state[window.ids.index(wanted)]
            for window, state in zip(windows, states, strict=True)
            if wanted in window.ids
        ]
        return np.mean(found, axis=0, dtype=np.float64).astype(np.float32) if found else None


def _spans(offsets: Sequence[tuple[int, int]], text: str) -> Spans:
    """Return where tokens stand, those of space moved to the character after it."""
    spans = []
    for start, end in offsets:
        if text[start:end].strip():
            spans.append((start, end))
        else:
            after = len(text) - len(text[end:].lstrip())
            spans.append((after, after + 1))
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def token_limit(tokenizer: Any, model: Any) -> int:
    """Return how many tokens a model takes at once, special ones included."""
    limits = [_NO_LIMIT, int(min(tokenizer.model_max_length, _NO_LIMIT))]
    positions = getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from the one after the padding's.
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            limits.append(int(module.num_embeddings) - int(padding) - 1)
    return min(limits)
