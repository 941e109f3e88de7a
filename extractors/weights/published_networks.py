"""Published weights of networks over spectrograms and faces."""

from __future__ import annotations

from affect_pipe.extractors.weights.needs import Weights, WeightsFile

_TORCH = "https://download.pytorch.org/models"
_VGGISH = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"
_VGG_FACE = "https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn"


def _vgg(name: str, file: str, n_bytes: int, sha256: str) -> Weights:
    return Weights(
        name=name,
        files=(WeightsFile(file, n_bytes, sha256, f"{_TORCH}/{file}"),),
        cache="torch",
        licence="BSD-3-Clause (torchvision); trained on ImageNet-1k",
        page=f"https://pytorch.org/vision/stable/models/generated/torchvision.models.{name}.html",
        used_by=("deepspectrum",),
        about=f"{name.upper()} of torchvision, IMAGENET1K_V1",
    )


NETWORK_ROWS: tuple[Weights, ...] = (
    Weights(
        name="vggish",
        files=(
            WeightsFile(
                "vggish-10086976.pth",
                sha256="10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
                url=f"{_VGGISH}/vggish-10086976.pth",
            ),
        ),
        cache="torch",
        licence="Apache-2.0 (the TensorFlow release it was converted from)",
        page="https://github.com/harritaylor/torchvggish",
        used_by=("vggish",),
        about="VGGish of AudioSet, converted to PyTorch",
    ),
    _vgg(
        "vgg16",
        "vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    _vgg(
        "vgg19",
        "vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    ),
    Weights(
        name="vggface",
        files=(WeightsFile("vgg_face_dag.pth", url=f"{_VGG_FACE}/vgg_face_dag.pth"),),
        cache="torch",
        licence="of the Visual Geometry Group's release; see the page",
        page="https://www.robots.ox.ac.uk/~vgg/software/vgg_face/",
        used_by=("vggface",),
        about="VGG-Face (VGG-16), converted to PyTorch",
    ),
    Weights(
        name="xception-in1k",
        files=(WeightsFile("config.json"), WeightsFile("model.safetensors")),
        hub="timm/legacy_xception.tf_in1k",
        licence="Apache-2.0",
        page="https://huggingface.co/timm/legacy_xception.tf_in1k",
        used_by=("xception",),
        about="Xception of timm, ImageNet-1k, 2048 columns",
    ),
)
