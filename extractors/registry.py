"""Names of extractors, and where each is implemented. Nothing registers by being imported."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import FeatureExtractor

FEATURES: Mapping[str, str] = {
    "glove": "affect_pipe.extractors.text.glove.extractor:GloVe",
    "bert": "affect_pipe.extractors.text.bert:BERT",
    "minilm": "affect_pipe.extractors.text.minilm:MiniLM",
    "egemaps": "affect_pipe.extractors.acoustic.egemaps:EGeMAPS",
    "covarep": "affect_pipe.extractors.acoustic.covarep.feature:Covarep",
    "vggish": "affect_pipe.extractors.acoustic.vggish:VGGish",
    "deepspectrum": "affect_pipe.extractors.acoustic.deepspectrum:DeepSpectrum",
    "facemesh": "affect_pipe.extractors.visual.facemesh:FaceMesh",
    "pyfeat": "affect_pipe.extractors.visual.pyfeat:PyFeat",
    "vggface": "affect_pipe.extractors.visual.vggface:VGGFace",
    "xception": "affect_pipe.extractors.visual.xception:Xception",
}
# Arguments that are no settings: where weights lie is this machine's affair.
_NOT_SETTINGS = frozenset({"folder"})

Settings = Mapping[str, Any]


def build(name: str, settings: Settings | None = None) -> FeatureExtractor:
    """Build the feature extractor ``name`` with ``settings`` as keyword arguments.

    Raises
    ------
    UsageError
        If the name is unknown or the settings do not fit.
    """
    check_name(name)
    module, _, attribute = FEATURES[name].partition(":")
    extractor = getattr(importlib.import_module(module), attribute)
    given = dict(settings or {})
    known = [k for k in inspect.signature(extractor).parameters if k not in _NOT_SETTINGS]
    for setting in given:
        if setting not in known:
            near = difflib.get_close_matches(str(setting), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}."
            raise UsageError(f"{name} has no setting {quoted(setting)}: {hint}")
    try:
        built: FeatureExtractor = extractor(**given)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"settings {quoted(given)} do not fit {name!r}: {error}.") from error
    return built


def build_all(
    names: Sequence[str], settings: Mapping[str, Settings] | None = None
) -> list[FeatureExtractor]:
    """Build the extractors ``names``, each once, with its settings where there are any.

    Parameters
    ----------
    names : sequence of str
    settings : mapping of feature name to settings, optional

    Raises
    ------
    UsageError
        If there are no names, one is unknown, settings do not fit, or settings are given for a
        feature that is not named.
    """
    if not names:
        raise UsageError(f"no feature is named: known features are {', '.join(FEATURES)}.")
    once = list(dict.fromkeys(names))
    for name in once:
        check_name(name)
    for name, given in (settings or {}).items():
        if name not in once:
            check_name(name)
            raise UsageError(
                f"settings are given for {name}, which is not among the features "
                f"{', '.join(once)}: name it there, or leave its settings out."
            )
        if not isinstance(given, Mapping):
            raise UsageError(
                f"settings of {name} are {quoted(given)}: expected a table of settings by name."
            )
    return [build(name, (settings or {}).get(name)) for name in once]


def check_name(name: str) -> None:
    """Refuse the name of a feature that is not known.

    Raises
    ------
    UsageError
        If it is not; the message says which are.
    """
    if name not in FEATURES:
        near = difflib.get_close_matches(name, FEATURES, n=1)
        hint = f"did you mean {near[0]!r}? Known" if near else "known"
        raise UsageError(
            f"unknown feature {quoted(name)}: {hint} features are {', '.join(FEATURES)}."
        )
