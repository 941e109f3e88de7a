"""BERT's token numbers of texts, for models of others that bring BERT themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.text.minilm import find_weights
from affect_pipe.pipeline.errors import MissingWeightsError

# bert-base-uncased's, whose vocabulary all-MiniLM-L6-v2 has: Wang et al. (2020) distilled it.
VOCABULARY_SIZE = 30522


class BertTokens:
    """The WordPiece tokens of bert-base-uncased (Devlin et al. 2019).

    Parameters
    ----------
    folder : Path, optional
        A Hugging Face folder with ``tokenizer.json``; by default that of the `minilm` feature.

    Raises
    ------
    MissingWeightsError
        If there is none on this machine, or its vocabulary is another.
    """

    def __init__(self, folder: Path | None = None) -> None:
        from tokenizers import Tokenizer

        path = (folder or find_weights()) / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(path))
        if self._tokenizer.get_vocab_size(with_added_tokens=False) != VOCABULARY_SIZE:
            raise MissingWeightsError(
                f"the vocabulary of {path} is not that of bert-base-uncased: text_bert needs it."
            )

    def count(self, text: str) -> int:
        """Return how many tokens a text has, with the two around it."""
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        return len(self._tokenizer.encode(text).ids)

    def __call__(self, texts: Sequence[str], length: int) -> npt.NDArray[np.int64]:
        """Return token numbers, mask and segment numbers of every text.

        Returns
        -------
        int64 [n, 3, length]
            Longer texts are cut, the last token stays; shorter ones are padded with zeros.
        """
        self._tokenizer.enable_truncation(max_length=max(2, length))
        self._tokenizer.no_padding()
        found = np.zeros((len(texts), 3, length), np.int64)
        for row, encoded in zip(found, self._tokenizer.encode_batch(list(texts)), strict=True):
            n = min(len(encoded.ids), length)
            row[0, :n] = encoded.ids[:n]
            row[1, :n] = encoded.attention_mask[:n]
            row[2, :n] = encoded.type_ids[:n]
        return found
