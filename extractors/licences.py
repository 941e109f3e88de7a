"""The licence that holds for a feature as it is set."""

from __future__ import annotations

from affect_pipe.extractors.notes import licence_of
from affect_pipe.extractors.weights.catalogue import CATALOGUE, wanted
from affect_pipe.extractors.weights.needs import NeedsWeights, Weights
from affect_pipe.extractors.weights.record import read_record
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.interfaces import FeatureExtractor

# Their settings name the weights; those of the others are always the same.
_FREE = ("glove", "bert")
OWN = "not stated: your own files"


def licence_as_set(extractor: FeatureExtractor) -> str:
    """Return the licence note of a feature with the weights it was told to use."""
    spec = extractor.spec()
    if spec.name not in _FREE or not isinstance(extractor, NeedsWeights):
        return licence_of(spec.name)
    named = wanted(spec.model_id)
    store = WeightsStore()
    # A table of the user's own may bear the name of one in a published archive.
    if named.name not in CATALOGUE and store.folder(named).is_dir():
        return _of_weights(store, named)
    return "; ".join(_of_weights(store, weights) for weights in extractor.weights())


def _of_weights(store: WeightsStore, weights: Weights) -> str:
    record = read_record(store.folder(weights))
    licence = weights.licence or (record.licence if record is not None else "")
    if licence:
        return f"{licence} (the weights {weights.name})"
    page = weights.page or (record.page if record is not None else "")
    return f"not stated: see {page}" if page else f"{OWN} ({weights.name})"
