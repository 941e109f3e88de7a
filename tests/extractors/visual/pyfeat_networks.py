"""Networks for py-feat in its own file formats, small or untrained, that behave as tests need.

The face detector is hand-made: it sees a face of 128 pixels around every small red blob. All other
networks are random, but for biases that put landmarks where a face has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng

RED, GREY = (235, 30, 30), (110, 110, 110)
FACE_PX = 128
BLOB_PX = 12


def scene(
    size: tuple[int, int], blobs: tuple[tuple[int, int], ...], seed: int = 0, scale: int = 1
) -> np.ndarray:
    """Image uint8 [h, w, 3]: grey noise with a red blob centred on each (x, y)."""
    width, height = size
    rng = default_rng(seed)
    image = np.clip(rng.normal(GREY, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    image[..., 1] = image[..., 0]
    for x, y in blobs:
        image[y - BLOB_PX // 2 : y + BLOB_PX // 2, x - BLOB_PX // 2 : x + BLOB_PX // 2] = RED
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def face_68() -> np.ndarray:
    """A neutral face as float32 [68, 2] (x, y) in [0, 1] of its crop."""
    import csv

    import feat

    path = Path(feat.__path__[0]) / "resources" / "neutral_face_coordinates.csv"
    with path.open() as file:
        points = np.array([[float(r["x"]), float(r["y"])] for r in csv.DictReader(file)])
    low, high = points.min(axis=0), points.max(axis=0)
    return np.asarray(0.15 + 0.7 * (points - low) / (high - low), np.float32)


def write_v2(root: Path) -> None:
    """Write what Detectorv2 loads into a store."""
    _write_retinaface(_folder(root, "retinaface_r34") / "model.safetensors")
    write_multitask(_folder(root, "face_multitask_v2") / "face_multitask_v28.safetensors")


def write_v1(root: Path) -> None:
    """Write what Detectorv1 loads into a store, as one random network after another."""
    import torch
    from feat.emo_detectors.ResMaskNet.resmasknet_test import ResMasking
    from feat.gaze_detectors.l2cs import l2cs_resnet50
    from feat.landmark_detectors.mobilefacenet_test import MobileFaceNet
    from feat.utils.face_pose_mlp import PoseMLP
    from safetensors.torch import save_file

    torch.manual_seed(2)
    _write_retinaface(_folder(root, "retinaface_r34") / "model.safetensors")
    landmarks = MobileFaceNet([112, 112], 136)
    last = landmarks.output_layer.bn
    last.weight.data.fill_(0.01)
    last.bias.data = torch.from_numpy(face_68().reshape(-1))
    folder = _folder(root, "mobilefacenet")
    torch.save({"state_dict": landmarks.state_dict()}, folder / "mobilefacenet_model_best.pth.tar")

    emotions = ResMasking("", in_channels=3)
    emotions.fc = torch.nn.Sequential(torch.nn.Dropout(0.4), torch.nn.Linear(512, 7))
    folder = _folder(root, "resmasknet")
    (folder / "config.json").write_text(json.dumps({"in_channels": 3, "num_classes": 7}))
    torch.save(
        {"net": emotions.state_dict()}, folder / "ResMaskNet_Z_resmasking_dropout1_rot30.pth"
    )

    gaze = _folder(root, "l2cs") / "l2cs_gaze360_resnet50.safetensors"
    save_file(l2cs_resnet50().state_dict(), gaze)

    pose = PoseMLP(hidden=(8,), dropout=0.0)
    folder = _folder(root, "pose_mlp_v2")
    save_file(pose.state_dict(), folder / "pose_mlp_v2.safetensors")
    norm = {"mean": [0.0] * 6, "std": [0.1] * 6}
    shape = {"hidden": [8], "dropout": 0.0, "output_normalization": norm}
    (folder / "pose_mlp_v2.json").write_text(json.dumps({"architecture": shape}))
    write_classifiers(_folder(root, "xgb_au") / "xgb_au_classifier_v2.skops")


def write_multitask(path: Path, **changes: Any) -> None:
    """Write a multitask checkpoint on timm's smallest ConvNeXt-V2, its settings in the metadata."""
    import torch
    from feat.multitask.inference import DLIB68_FROM_MP478
    from feat.multitask.model_v2 import MEGraphAUv2, ModelV2Config
    from safetensors.torch import save_file

    torch.manual_seed(1)
    settings = {
        "backbone": "test_convnext2",
        "n_au": 20,
        "n_emotion": 7,
        "n_blendshape": 52,
        "mesh_normalized": True,
        "afg_channels": 32,
        "mefl_channels": 32,
        "use_head_v3": True,
        "drop_mefl": True,
        "emotion_use_au_prob": True,
        "gaze_eye_roi": True,
        "gaze_eye_dim": 8,
    }
    model = MEGraphAUv2(ModelV2Config(**settings, pretrained=False)).eval()
    mesh = torch.rand(478, 3)
    mesh[list(DLIB68_FROM_MP478), :2] = torch.from_numpy(face_68())
    last = model.lmk.mlp[-1]
    last.bias.data = mesh.reshape(-1)
    last.weight.data *= 0.2
    config = {**settings, "pretrained": False, **changes}
    save_file(model.state_dict(), path, metadata={"config": json.dumps(config)})


def write_classifiers(path: Path) -> None:
    """Write twenty boosted trees of one split each, as py-feat publishes them."""
    import skops.io
    import torch
    import xgboost
    from feat.au_detectors.StatLearning.SL_test import XGBClassifier
    from feat.utils.face_mask import extract_hog_features_batched
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    landmarks = torch.from_numpy(face_68().reshape(1, -1)).repeat(12, 1)
    faces = torch.from_numpy(default_rng(3).random((12, 3, 112, 112), np.float32))
    hogs, _ = extract_hog_features_batched(faces, landmarks)
    scaler = StandardScaler().fit(hogs)
    pca = PCA(4, random_state=0).fit(scaler.transform(hogs))
    bundle = XGBClassifier()
    rng = default_rng(4)
    labels = np.arange(64) % 2
    classifiers = {}
    for key in bundle.au_keys:
        rows = rng.normal(size=(64, 4 + 136)) + labels[:, None] * rng.normal(size=140)
        tree = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1)
        classifiers[key] = tree.fit(rows, labels)
    bundle.load_weights(scaler, pca, scaler, pca, scaler, pca, classifiers)
    skops.io.dump(bundle, path)


def _folder(root: Path, repository: str) -> Path:
    folder = root / f"py-feat--{repository}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_retinaface(path: Path) -> None:
    from feat.face_detectors.Retinaface.Retinaface_model import RetinaFace
    from safetensors.torch import save_file

    net = RetinaFace()
    for name, values in net.state_dict().items():
        is_spread = name.endswith("running_var") or (name.endswith("weight") and values.ndim == 1)
        values.fill_(1.0 if is_spread else 0.0)
    state = net.state_dict()
    # Channel 0 carries the redness of the image down to the second of three scales...
    state["body.conv1.weight"][0, 0] = 1 / 49 / 50
    state["body.conv1.weight"][0, 1] = -1 / 49 / 50
    for layer in (2, 3, 4):
        state[f"body.layer{layer}.0.downsample.0.weight"][0, 0] = 1.0
    state["fpn.output2.0.weight"][0, 0] = 1.0
    state["fpn.merge2.0.weight"][0, 0, 1, 1] = 1.0
    state["ssh2.conv3X3.0.weight"][0, 0, 1, 1] = 1.0
    # ... whose larger anchors are faces where it is red; the landmarks' nose is their middle.
    for scale in range(3):
        state[f"ClassHead._convs.{scale}.bias"][[0, 2]] = 20.0
    state["ClassHead._convs.1.bias"][2] = 5.0
    state["ClassHead._convs.1.weight"][3, 0] = 6.0
    save_file({name: values.contiguous() for name, values in state.items()}, path)
