"""Which weights features and checkpoints load."""

from __future__ import annotations

from collections.abc import Iterable

from affect_pipe.extractors.registry import FEATURES, build
from affect_pipe.extractors.weights.catalogue import CATALOGUE, release_of, wanted
from affect_pipe.extractors.weights.needs import NeedsWeights, Weights
from affect_pipe.extractors.weights.store import WeightsStore
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
            if feature not in FEATURES:
                known = ", ".join([*FEATURES, *(f"{name}:SIZE" for name in _RECOGNISERS)])
                raise UsageError(
                    f"there is no feature or recogniser {quoted(feature)}: known are {known}."
                )
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


def named(store: WeightsStore, name: str) -> Weights:
    """Return the weights a user names; a table of word vectors stands for its archive."""
    weights = wanted(name)
    release = release_of(name)
    own = release is None or store.look(weights) is not None
    return weights if own else release or weights
