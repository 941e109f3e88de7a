"""Names of extractors, and where each is implemented. Nothing registers by being imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.interfaces import FeatureExtractor

FEATURES: Mapping[str, str] = {
    "minilm": "affect_pipe.extractors.text.minilm:MiniLM",
    "egemaps": "affect_pipe.extractors.acoustic.egemaps:EGeMAPS",
    "facemesh": "affect_pipe.extractors.visual.facemesh:FaceMesh",
    "pyfeat": "affect_pipe.extractors.visual.pyfeat:PyFeat",
}


def build(name: str, settings: Mapping[str, Any] | None = None) -> FeatureExtractor:
    """Build the feature extractor ``name`` with ``settings`` as keyword arguments.

    Raises
    ------
    UsageError
        If the name is unknown or the settings do not fit.
    """
    if name not in FEATURES:
        raise UsageError(f"unknown feature {name!r}: known features are {', '.join(FEATURES)}.")
    module, _, attribute = FEATURES[name].partition(":")
    extractor = getattr(importlib.import_module(module), attribute)
    try:
        built: FeatureExtractor = extractor(**(settings or {}))
    except TypeError as error:
        raise UsageError(
            f"settings {dict(settings or {})} do not fit {name!r}: {error}."
        ) from error
    return built
