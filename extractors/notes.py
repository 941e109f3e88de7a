"""What people must know of a feature before they use it: its licence, and what it needs.

A literal table, so that it can be shown without importing a back end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affect_pipe.pipeline.records import Modality


@dataclass(frozen=True)
class FeatureNote:
    """What is known of a feature without building it.

    Attributes
    ----------
    modality : {"text", "acoustic", "visual"}
    dim : int
        Width of the utterance vector with the default settings.
    licence : str
        Of what computes it and of its weights, in a sentence.
    needs : str
        Libraries and weights.
    """

    modality: Modality
    dim: int
    licence: str
    needs: str


NOTES: Mapping[str, FeatureNote] = {
    "glove": FeatureNote(
        "text", 300, "PDDL-1.0 (the tables of the GloVe release)", "a table of word vectors"
    ),
    "bert": FeatureNote(
        "text",
        768,
        "that of the encoder: Apache-2.0 for bert-base-uncased, MIT for roberta-base",
        "transformers; the weights of the encoder",
    ),
    "minilm": FeatureNote(
        "text",
        384,
        "Apache-2.0 (weights of all-MiniLM-L6-v2)",
        "transformers; the weights all-MiniLM-L6-v2 (hub, or the extra offline)",
    ),
    "egemaps": FeatureNote(
        "acoustic",
        88,
        "openSMILE: research use only, no commercial use without a licence from audEERING",
        "opensmile",
    ),
    "covarep": FeatureNote(
        "acoustic",
        74,
        "Apache-2.0 (own implementation from the published methods, no weights)",
        "nothing more",
    ),
    "vggish": FeatureNote(
        "acoustic",
        128,
        "Apache-2.0 (weights of AudioSet's VGGish, converted to PyTorch)",
        "torch; the weights vggish",
    ),
    "deepspectrum": FeatureNote(
        "acoustic",
        4096,
        "BSD-3-Clause (torchvision's VGG, trained on ImageNet-1k)",
        "matplotlib (extra deep); the weights vgg16",
    ),
    "facemesh": FeatureNote(
        "visual",
        976,
        "Apache-2.0 (MediaPipe and its models; own shape basis)",
        "mediapipe, whose wheel carries the models",
    ),
    "pyfeat": FeatureNote(
        "visual",
        96,
        "py-feat: MIT; its weights: non-commercial research only",
        "the extra pyfeat (several gigabytes); its detectors' weights from the hub",
    ),
    "vggface": FeatureNote(
        "visual",
        512,
        "that of the release of VGG-Face by Oxford's Visual Geometry Group: see its page",
        "torch; the weights vggface",
    ),
    "xception": FeatureNote(
        "visual",
        2048,
        "Apache-2.0 (timm's weights, trained on ImageNet-1k)",
        "timm (extra deep); the weights xception-in1k",
    ),
}
UNKNOWN_LICENCE = "not stated: see the licence of the model"


def licence_of(name: str) -> str:
    """Return the licence note of a feature."""
    note = NOTES.get(name)
    return note.licence if note is not None else UNKNOWN_LICENCE
