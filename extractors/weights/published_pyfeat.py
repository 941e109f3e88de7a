"""Rows of the catalogue: the networks of py-feat, one row a repository of its hub account.

Licences as py-feat 2.1.5's own notices give them (``LICENSES/PYFEAT-V1.md`` and ``PYFEAT-V2.md`` in
its wheel). Sizes and checksums are not published there.
"""

from __future__ import annotations

from affect_pipe.extractors.weights.needs import Weights, WeightsFile

_NOTICE = "https://github.com/cosanlab/py-feat/tree/main/LICENSES"


def _row(repository: str, files: tuple[str, ...], licence: str, about: str) -> Weights:
    return Weights(
        name=f"py-feat/{repository}",
        files=tuple(WeightsFile(name) for name in files),
        hub=f"py-feat/{repository}",
        licence=licence,
        page=_NOTICE,
        used_by=("pyfeat",),
        about=about,
    )


RETINAFACE = _row(
    "retinaface_r34",
    ("model.safetensors",),
    "MIT (code and model card); trained on WIDER FACE, which is non-commercial",
    "RetinaFace with a ResNet-34: finds faces",
)
MULTITASK = _row(
    "face_multitask_v2",
    ("face_multitask_v28.safetensors",),
    "non-commercial research only (backbone CC BY-NC 4.0; terms of the training data)",
    "Detectorv2: action units, emotions, valence and arousal, gaze, pose, mesh",
)
MOBILEFACENET = _row(
    "mobilefacenet",
    ("mobilefacenet_model_best.pth.tar",),
    "no licence for the weights is known",
    "Detectorv1: 68 landmarks",
)
XGB_AU = _row(
    "xgb_au",
    ("xgb_au_classifier_v2.skops",),
    "published as MIT; terms of the training data may apply",
    "Detectorv1: action units by gradient-boosted trees",
)
RESMASKNET = _row(
    "resmasknet",
    ("config.json", "ResMaskNet_Z_resmasking_dropout1_rot30.pth"),
    "MIT (code); trained on FER-2013",
    "Detectorv1: emotions",
)
L2CS = _row(
    "l2cs",
    ("l2cs_gaze360_resnet50.safetensors",),
    "MIT (code); trained on Gaze360, which excludes commercial use",
    "Detectorv1: gaze",
)
POSE_MLP = _row(
    "pose_mlp_v2",
    ("pose_mlp_v2.safetensors", "pose_mlp_v2.json"),
    "MIT (code); learnt from img2pose, which is CC BY-NC 4.0",
    "Detectorv1: head pose from landmarks",
)

PYFEAT_ROWS = (RETINAFACE, MULTITASK, MOBILEFACENET, XGB_AU, RESMASKNET, L2CS, POSE_MLP)
