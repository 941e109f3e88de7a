"""Which weights features and checkpoints load."""

from __future__ import annotations

from collections.abc import Iterable

from affect_pipe.extractors.registry import build
from affect_pipe.extractors.weights.catalogue import CATALOGUE, wanted
from affect_pipe.extractors.weights.needs import NeedsWeights, Weights
from affect_pipe.fusion.checkpoint import read_config, resolve
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

_RECOGNISERS = ("whisper", "faster-whisper")


def needed(features: Iterable[str], checkpoints: Iterable[str]) -> tuple[Weights, ...]:
    """Return the weights that features load by default and checkpoints' features as they are set.

    Raises
    ------
    UsageError
        If there is no such feature, recogniser or checkpoint.
    """
    found: dict[str, Weights] = {}
    extractors = []
    for feature in features:
        recogniser, _, size = feature.partition(":")
        if recogniser not in _RECOGNISERS:
            extractors.append(build(feature))
            continue
        row = wanted(f"{recogniser}-{size or 'base'}")
        if row.name not in CATALOGUE:
            raise UsageError(f"there is no {recogniser} of size {quoted(size)}: see `models list`.")
        found[row.name] = row
    for checkpoint in checkpoints:
        specs = read_config(resolve(checkpoint)).feature_specs()
        extractors += [build(spec.name, spec.settings) for spec in specs]
    for extractor in extractors:
        if isinstance(extractor, NeedsWeights):
            found |= {weights.name: weights for weights in extractor.weights()}
    return tuple(found.values())
