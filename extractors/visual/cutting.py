"""Cutting one face out of an image, and a look at it small enough to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.mesh import REGION_SCALE, Image, region_of
from affect_pipe.pipeline.records import FloatArray

# A look is a thumbnail of the head, hair and collar included.
LOOK_PX = 8


@dataclass(frozen=True)
class Crop:
    """How a face is cut out.

    Attributes
    ----------
    side_px : int
        Width and height of the picture.
    margin : float
        What is added on each side of the face, as a share of the longer side of its box.
    upright : bool
        Whether the head is turned so that the outer eye corners are level; what lies outside of
        the frame repeats its edge.
    """

    side_px: int = 224
    margin: float = 0.15
    upright: bool = True


_LOOK = Crop(64, margin=0.3)


def face_crop(image: Image, landmarks: FloatArray, crop: Crop) -> Image:
    """Cut one face out of an RGB image: uint8 [side_px, side_px, 3].

    Parameters
    ----------
    image : uint8 [height, width, 3]
    landmarks : float [478, 3]
        In pixels.
    """
    region = region_of(landmarks)
    side = region.side / REGION_SCALE * (1 + 2 * crop.margin)
    roll = region.roll if crop.upright else 0.0
    return square(image, region.center_x, region.center_y, side, roll, crop.side_px)


def square(
    image: Image, center_x: float, center_y: float, side: float, roll: float, side_px: int
) -> Image:
    """Cut a square, rolled clockwise by ``roll`` radians, out of an image and scale it.

    What lies outside of the image repeats its edge.
    """
    import cv2

    # Bilinear sampling skips pixels where it shrinks by more than two: shrink by areas first.
    shrink = int(side / side_px)
    if shrink >= 2:
        reach = side / math.sqrt(2) + 2 * shrink
        left, top = (max(int(c - reach), 0) for c in (center_x, center_y))
        near = image[top : max(int(center_y + reach), 0), left : max(int(center_x + reach), 0)]
        height, width = near.shape[0] // shrink * shrink, near.shape[1] // shrink * shrink
        if height and width:
            size = (width // shrink, height // shrink)
            image = cv2.resize(near[:height, :width], size, interpolation=cv2.INTER_AREA)
            # A pixel's centre is at its index: the block of `shrink` pixels has its in the middle.
            center_x = (center_x - left - (shrink - 1) / 2) / shrink
            center_y = (center_y - top - (shrink - 1) / 2) / shrink
            side = side / shrink
    step = side / side_px
    cos, sin = step * math.cos(roll), step * math.sin(roll)
    middle = (side_px - 1) / 2
    # From a pixel of the picture to where it is looked up in the image.
    there = np.array(
        [
            [cos, -sin, center_x - cos * middle + sin * middle],
            [sin, cos, center_y - sin * middle - cos * middle],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(
        image, there, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)


def look_of(image: Image, landmarks: FloatArray) -> npt.NDArray[np.uint8]:
    """How a face looks, as a thumbnail uint8 [192] (8 x 8 pixels, RGB): enough to tell a cut."""
    import cv2

    size = (LOOK_PX, LOOK_PX)
    small = cv2.resize(face_crop(image, landmarks, _LOOK), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(-1)
