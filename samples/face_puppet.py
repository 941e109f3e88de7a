"""A portrait whose face can be made to speak, blink and show feelings, by warping it.

FaceMesh landmarks of the portrait are moved by weighted actions ("smile", "brows up", "jaw
down"...); the picture between them follows by linear interpolation over their Delaunay triangles.
The inside of an open mouth, which the portrait does not show, is painted.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay

FloatImage = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

# FaceMesh's numbering. Left and right are those of the picture.
UPPER_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LOWER_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LEFT_BROW = (70, 63, 105, 66, 107)
LEFT_BROW_LOW = (46, 53, 52, 65, 55)
RIGHT_BROW = (300, 293, 334, 296, 336)
RIGHT_BROW_LOW = (276, 283, 282, 295, 285)
LEFT_EYE_UPPER = (246, 161, 160, 159, 158, 157, 173)
LEFT_EYE_LOWER = (7, 163, 144, 145, 153, 154, 155)
RIGHT_EYE_UPPER = (466, 388, 387, 386, 385, 384, 398)
RIGHT_EYE_LOWER = (249, 390, 373, 374, 380, 381, 382)
EYE_CORNERS = (33, 133, 263, 362)
IRISES = tuple(range(468, 478))
JAW = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
CHIN = (18, 200, 199, 175, 201, 421, 83, 313)
FOREHEAD = (10, 109, 67, 103, 54, 21, 338, 297, 332, 284, 251)
TEMPLES = (162, 127, 234, 93, 132, 389, 356, 454, 323, 361)
NOSE = (1, 2, 4, 5, 6, 168, 195, 197, 98, 327)
NOSTRILS = (64, 294, 48, 278)
CHEEKS = (50, 280, 205, 425)

# What holds still unless an action moves it.
ANCHORS = (*EYE_CORNERS, *IRISES, *FOREHEAD, *TEMPLES, *NOSE)
# A lid or a lip stops this far, in pixels, before the one it meets: triangles between two
# landmarks at one place would have no inside.
TOUCH_PX = 0.4
DARK_RED = (62, 22, 24)
LIP_LINE = (112, 62, 60)


class FacePuppet:
    """A portrait and its landmarks, ready to be rendered with any weights of the actions.

    Parameters
    ----------
    image : uint8 [height, width, 3]
        RGB, one frontal face.
    landmarks : float [478, 2]
        FaceMesh's landmarks in pixels of ``image``.
    """

    def __init__(self, image: npt.NDArray[np.uint8], landmarks: Points) -> None:
        self._image = image.astype(np.float32)
        self._points = landmarks.astype(np.float64)
        self._unit_px = float(np.linalg.norm(self._points[33] - self._points[263]))
        self._actions = {
            name: self._spread(moves)
            for name, moves in _actions(self._points, self._unit_px).items()
        }
        low, high = self._points.min(axis=0), self._points.max(axis=0)
        margin_px = 0.35 * self._unit_px
        height, width = image.shape[:2]
        self._box = (
            max(0, int(low[0] - margin_px)),
            max(0, int(low[1] - margin_px)),
            min(width, int(high[0] + margin_px)),
            min(height, int(high[1] + 1.3 * margin_px)),
        )
        left, top, right, bottom = self._box
        across, down = np.linspace(left, right - 1, 16), np.linspace(top, bottom - 1, 16)
        frame_points = [(x, y) for x in across for y in (top, bottom - 1)]
        frame_points += [(x, y) for y in down[1:-1] for x in (left, right - 1)]
        # Without the irises, which must vanish under closing lids.
        self._mesh = np.concatenate([self._points[:468], frame_points])
        self._triangles = Delaunay(self._mesh).simplices
        self._teeth = self._cut_teeth()
        self._toothless = self._without_teeth()

    def render(self, weights: Mapping[str, float]) -> npt.NDArray[np.uint8]:
        """Return the portrait with the actions applied at the given weights, mostly in [0, 1]."""
        moved = self._points + sum(weight * self._actions[name] for name, weight in weights.items())
        self._keep_apart(moved)
        image = self._warped(moved)
        self._paint_mouth(image, moved)
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    def _spread(self, moves: Mapping[int, tuple[float, float]]) -> Points:
        """Spread the moves of some landmarks smoothly over all 478."""
        moves = {index: (0.0, 0.0) for index in ANCHORS} | dict(moves)
        indices = list(moves)
        spline = RBFInterpolator(
            self._points[indices], np.array([moves[i] for i in indices]), kernel="linear"
        )
        spread: Points = spline(self._points)
        spread[indices] = [moves[i] for i in indices]
        return spread

    def _keep_apart(self, points: Points) -> None:
        pairs = [*zip(UPPER_INNER[1:-1], LOWER_INNER[1:-1], strict=True)]
        pairs += zip(LEFT_EYE_UPPER, LEFT_EYE_LOWER, strict=True)
        pairs += zip(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, strict=True)
        for upper, lower in pairs:
            overlap_px = points[upper, 1] - points[lower, 1] + TOUCH_PX
            if overlap_px > 0:
                # An eye's upper lid comes down to the lower one; lips meet half-way.
                share = 0.5 if upper in UPPER_INNER else 1.0
                points[upper, 1] -= share * overlap_px
                points[lower, 1] += (1 - share) * overlap_px

    def _warped(self, moved: Points) -> FloatImage:
        left, top, right, bottom = self._box
        targets = np.concatenate([moved[:468], self._mesh[468:]]) - (left, top)
        sources = self._where_from(targets, bottom - top, right - left)
        # Softens the creases along triangle edges.
        sources = cv2.GaussianBlur(sources, (0, 0), 0.7)
        gap_px, rest_px = self._gap_px(moved), self._gap_px(self._points)
        closed = float(np.clip(1.3 - 1.3 * gap_px / rest_px, 0.0, 1.0))
        portrait = closed * self._toothless + (1 - closed) * self._image
        image = self._image.copy()
        image[top:bottom, left:right] = cv2.remap(
            portrait, sources[..., 0], sources[..., 1], cv2.INTER_CUBIC
        )
        return image

    def _where_from(self, targets: Points, height: int, width: int) -> FloatImage:
        """Return, for each pixel of the box, the place in the portrait that it shows."""
        corners = targets[self._triangles]
        labels = np.zeros((height, width), np.int32)
        shift = 4
        fixed = np.rint(corners * 2**shift).astype(np.int32)
        for label, corner in enumerate(fixed):
            cv2.fillConvexPoly(labels, corner, label, cv2.LINE_8, shift)
        # One affine map a triangle: [x, y, 1] @ matrix = place in the portrait. The tiny ridge
        # keeps triangles without an inside solvable.
        homogeneous = np.dstack([corners, np.ones(corners.shape[:2])])
        gram = homogeneous.transpose(0, 2, 1) @ homogeneous + 1e-6 * np.eye(3)
        moments = homogeneous.transpose(0, 2, 1) @ self._mesh[self._triangles]
        matrices = np.linalg.solve(gram, moments)[labels]
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        places = columns[..., None] * matrices[..., 0, :] + rows[..., None] * matrices[..., 1, :]
        return (places + matrices[..., 2, :]).astype(np.float32)

    @staticmethod
    def _gap_px(points: Points) -> float:
        return float(points[14, 1] - points[13, 1])

    def _without_teeth(self) -> FloatImage:
        """Return the portrait with the line of closed lips where its teeth show."""
        contour = self._points[[*UPPER_INNER, *LOWER_INNER[-2:0:-1]]]
        mask = _polygon_mask(contour, self._image.shape[:2], 1.5)
        mask = np.clip(1.6 * mask, 0, 1)[..., None]
        return (1 - mask) * self._image + mask * np.float32(LIP_LINE)

    def _cut_teeth(self) -> FloatImage:
        """Return the portrait's teeth as RGBA: its mouth is open enough to show the upper row."""
        contour = self._points[[*UPPER_INNER, *LOWER_INNER[-2:0:-1]]]
        alpha = _polygon_mask(contour, self._image.shape[:2], 0.8)
        return np.dstack([self._image, 255 * alpha])

    def _paint_mouth(self, image: FloatImage, moved: Points) -> None:
        """Fill the opening between the lips: darkness, with the teeth under the upper lip."""
        wider_px = self._gap_px(moved) - self._gap_px(self._points)
        opened = float(np.clip(wider_px / (0.03 * self._unit_px), 0.0, 1.0))
        if opened == 0:
            return
        source = self._points[[78, 13, 308]]
        target = moved[[78, 13, 308]]
        # The teeth keep their height and follow the upper lip.
        scale = (target[2, 0] - target[0, 0]) / (source[2, 0] - source[0, 0])
        shift = np.array([scale, 1.0]) * -source[1] + target[1]
        matrix = np.array([[scale, 0, shift[0]], [0, 0.85, shift[1] + 0.15 * source[1, 1]]])
        size = image.shape[1], image.shape[0]
        teeth = cv2.warpAffine(self._teeth, matrix, size, flags=cv2.INTER_LINEAR)
        alpha = teeth[..., 3:] / 255
        inside = (1 - alpha) * np.float32(DARK_RED) + alpha * (0.88 * teeth[..., :3])
        contour = moved[[*UPPER_INNER, *LOWER_INNER[-2:0:-1]]]
        mask = opened * _polygon_mask(contour, image.shape[:2], 1.2)[..., None]
        image[:] = (1 - mask) * image + mask * inside


def _polygon_mask(contour: Points, shape: tuple[int, int], blur_px: float) -> FloatImage:
    mask = np.zeros(shape, np.float32)
    shift = 4
    cv2.fillPoly(mask, [np.rint(contour * 2**shift).astype(np.int32)], 1.0, cv2.LINE_AA, shift)
    return cv2.GaussianBlur(np.clip(mask, 0, 1), (0, 0), blur_px)


def _actions(points: Points, unit_px: float) -> dict[str, dict[int, tuple[float, float]]]:
    """Return each action as moves of landmarks in pixels; the portrait itself is a broad smile.

    Amounts are in distances between the outer corners of the eyes.
    """
    return {
        name: {index: (unit_px * x, unit_px * y) for index, (x, y) in moves.items()}
        for name, moves in {
            "unsmile": _unsmile(points, unit_px),
            "grin": _mouth_corners(-0.03, -0.05) | _same(CHEEKS, 0, -0.03) | _lids(0.012, -0.02),
            "frown": _mouth_corners(0.0, 0.06)
            | _same(UPPER_INNER[3:8] + UPPER_OUTER[3:8], 0, -0.008)
            | _same(LOWER_OUTER[3:8] + CHIN, 0, -0.015),
            "inner brows up": _brows(inner=(0.0, -0.085), outer=(0.0, 0.02)),
            "brows down": _brows(inner=(0.035, 0.075), outer=(0.0, 0.02)),
            "brows up": _brows(inner=(0.0, -0.075), outer=(0.0, -0.085)),
            "lids wide": _lids(-0.028, 0.008),
            "lids narrow": _lids(0.022, -0.012),
            "lips pressed": _same(UPPER_OUTER[2:9], 0, 0.018)
            | _same(LOWER_OUTER[2:9], 0, -0.022)
            | _mouth_corners(0.02, 0.01),
            "jaw down": _jaw(),
            "blink": _blink(points, unit_px),
        }.items()
    }


def _same(indices: tuple[int, ...], x: float, y: float) -> dict[int, tuple[float, float]]:
    return dict.fromkeys(indices, (x, y))


def _mouth_corners(inward: float, down: float) -> dict[int, tuple[float, float]]:
    """Move the corners of the mouth, and the lips between them less and less."""
    moves: dict[int, tuple[float, float]] = {}
    for row in (UPPER_OUTER, UPPER_INNER, LOWER_INNER, LOWER_OUTER):
        for place, index in enumerate(row):
            across = (place - 5) / 5
            moves[index] = (-inward * across, down * abs(across) ** 2)
    return moves | _same(CHEEKS, 0.0, 0.3 * down)


def _unsmile(points: Points, unit_px: float) -> dict[int, tuple[float, float]]:
    """Bring the smiling mouth to rest: narrower, level, lips together."""
    middle_y = (points[13, 1] + points[14, 1]) / 2
    moves: dict[int, tuple[float, float]] = {}
    rows = ((UPPER_OUTER, -0.066), (UPPER_INNER, 0.0), (LOWER_INNER, 0.0), (LOWER_OUTER, 0.082))
    for row, thickness in rows:
        for place, index in enumerate(row):
            across = (place - 5) / 5
            x = -0.075 * across
            # Full lips in the middle that thin out towards the corners, along one level line.
            height = thickness * (1 - abs(across) ** 1.7)
            moves[index] = (x, (middle_y - points[index, 1]) / unit_px + height + 0.012)
    return moves | _same(CHEEKS, 0.0, 0.02) | _same(NOSTRILS, 0.0, 0.004)


def _brows(
    inner: tuple[float, float], outer: tuple[float, float]
) -> dict[int, tuple[float, float]]:
    moves: dict[int, tuple[float, float]] = {}
    rows = ((LEFT_BROW, 1), (LEFT_BROW_LOW, 1), (RIGHT_BROW, -1), (RIGHT_BROW_LOW, -1))
    for row, towards_middle in rows:
        for place, index in enumerate(row):
            share = place / 4
            x = towards_middle * ((1 - share) * outer[0] + share * inner[0])
            moves[index] = (x, (1 - share) * outer[1] + share * inner[1])
    return moves


def _lids(upper: float, lower: float) -> dict[int, tuple[float, float]]:
    bow = (0.3, 0.6, 0.9, 1.0, 0.9, 0.6, 0.3)
    moves: dict[int, tuple[float, float]] = {}
    for row, amount in (
        (LEFT_EYE_UPPER, upper),
        (RIGHT_EYE_UPPER, upper),
        (LEFT_EYE_LOWER, lower),
        (RIGHT_EYE_LOWER, lower),
    ):
        moves |= {index: (0.0, amount * share) for index, share in zip(row, bow, strict=True)}
    return moves


def _jaw() -> dict[int, tuple[float, float]]:
    """Open the mouth: the lower lip and the chin sink, the upper lip lifts a little."""
    moves = _same(JAW[2:-2], 0.0, 0.09) | _same((172, 136, 365, 397), 0.0, 0.05)
    moves |= _same(CHIN, 0.0, 0.11)
    rows = ((UPPER_OUTER, -0.012), (UPPER_INNER, -0.015), (LOWER_INNER, 0.13), (LOWER_OUTER, 0.12))
    for row, amount in rows:
        for place, index in enumerate(row):
            across = (place - 5) / 5
            # The corners come in and sink half as far as the lower lip.
            corner = 0.04 * abs(across) ** 3
            moves[index] = (-0.03 * across, amount * (1 - across**4) + corner)
    return moves


def _blink(points: Points, unit_px: float) -> dict[int, tuple[float, float]]:
    # The brows stay: a blink is no frown.
    moves = _same(LEFT_BROW + LEFT_BROW_LOW + RIGHT_BROW + RIGHT_BROW_LOW, 0.0, 0.0)
    rows = ((LEFT_EYE_UPPER, LEFT_EYE_LOWER), (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER))
    for uppers, lowers in rows:
        for upper, lower in zip(uppers, lowers, strict=True):
            open_by = (points[lower, 1] - points[upper, 1]) / unit_px
            moves[upper] = (0.0, 0.95 * open_by)
            moves[lower] = (0.0, -0.05 * open_by)
    return moves
