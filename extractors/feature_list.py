"""The features there are, and whether each can be computed on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from affect_pipe.extractors.notes import NOTES, licence_of
from affect_pipe.extractors.registry import FEATURES, build
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError
from affect_pipe.pipeline.interfaces import FeatureExtractor, FrameLevel


@dataclass(frozen=True)
class ListedFeature:
    """One feature, for people.

    Attributes
    ----------
    name, modality, licence, needs : str
        Modality and needs are empty where they are not known.
    dim : int
        Width of the utterance vector with the default settings; 0 where it is not known.
    has_frames : bool or None
        Whether it has a frame level; None where its module cannot be imported.
    problem : str or None
        Why it cannot be computed here; None where it can.
    """

    name: str
    modality: str
    dim: int
    licence: str
    needs: str
    has_frames: bool | None
    problem: str | None

    def as_text(self) -> str:
        """Return it as two lines, or three where something is wrong."""
        state = "ok    " if self.problem is None else "absent"
        levels = "utterance, frame" if self.has_frames else "utterance"
        lines = [
            f"{state}  {self.name}: {self.modality or 'unknown'}, {self.dim or '?'} columns; "
            f"levels: {levels}; needs: {self.needs or 'see its page'}",
            f"        licence: {self.licence}",
        ]
        if self.problem is not None:
            lines.append(f"        {self.problem}")
        return "\n".join(lines)


def list_features() -> list[ListedFeature]:
    """Look at every feature; loads no model, reads only what tells which weights are here."""
    return [_listed(name) for name in FEATURES]


def _listed(name: str) -> ListedFeature:
    note = NOTES.get(name)
    modality: str = note.modality if note is not None else ""
    dim = note.dim if note is not None else 0
    problem, extractor = None, None
    try:
        extractor = build(name)
        spec = extractor.spec()
        modality, dim = spec.modality, spec.dim
    except MissingWeightsError:
        problem = "its weights are not on this machine: `affect-pipe models list` says what to do"
    except AffectPipeError as error:
        problem = str(error)
    except ImportError as error:
        problem = f"it cannot be imported: {error}."
    needs = note.needs if note is not None else ""
    frames = None if extractor is None else _has_frames(extractor)
    return ListedFeature(name, modality, dim, licence_of(name), needs, frames, problem)


def _has_frames(extractor: FeatureExtractor) -> bool:
    return isinstance(extractor, FrameLevel)
