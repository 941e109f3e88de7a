"""Warping a face the way an action unit moves it raises that unit."""

import numpy as np
import pytest

from affect_pipe.extractors.visual import action_units as au
from affect_pipe.extractors.visual.geometry import mirror
from affect_pipe.extractors.visual.shape import load_shape_basis

UP, DOWN = np.array([0, -1.0, 0]), np.array([0, 1.0, 0])
# Share of the way from neutral to strongest that counts as raised, and as left alone.
RAISED, UNTOUCHED = 0.5, 0.25

UPPER_LIP = (0, 37, 39, 40, 185, 267, 269, 270, 409, 13, 82, 81, 80, 312, 311, 310)
LOWER_LIP = (17, 84, 181, 91, 146, 314, 405, 321, 375, 14, 87, 178, 88, 317, 402, 318)
LOWER_FACE = (176, 152, 400, 148, 377, 199, 200, 175, *LOWER_LIP)
UPPER_LIDS = (157, 158, 159, 160, 161, 384, 385, 386, 387, 388)
LOWER_LIDS = (144, 145, 153, 154, 163, 373, 374, 380, 381, 390)
INNER_BROWS, OUTER_BROWS = (
    (107, 55, 66, 65, 336, 285, 296, 295),
    (70, 46, 63, 53, 300, 276, 293, 283),
)
BROWS = (*INNER_BROWS, *OUTER_BROWS, 105, 52, 334, 282)

# unit, moves of (landmarks, offset in eye-corner distances), units that may rise with it
WARPS = [
    ("AU01", [(INNER_BROWS, 0.08 * UP)], {"AU02"}),
    ("AU02", [(OUTER_BROWS, 0.08 * UP)], {"AU01"}),
    ("AU04", [(BROWS, 0.08 * DOWN)], set()),
    ("AU05", [(UPPER_LIDS, 0.03 * UP)], set()),
    ("AU06", [(au.CHEEK, 0.05 * UP)], {"AU07"}),
    ("AU07", [(LOWER_LIDS, 0.02 * UP)], {"AU43"}),
    ("AU09", [(au.WING, 0.06 * UP)], set()),
    ("AU10", [(UPPER_LIP, 0.08 * UP)], {"AU25", "AU15"}),
    ("AU12", [((61,), np.array([-0.1, -0.12, 0])), ((291,), np.array([0.1, -0.12, 0]))], {"AU20"}),
    ("AU14", [((61, 291), np.array([0, 0, 0.06]))], set()),
    ("AU15", [((61, 291), 0.04 * DOWN)], set()),
    ("AU17", [(LOWER_FACE, 0.07 * UP)], {"AU15", "AU23", "AU24", "AU28"}),
    ("AU20", [((61,), np.array([-0.08, 0, 0])), ((291,), np.array([0.08, 0, 0]))], {"AU12"}),
    ("AU25", [(LOWER_FACE, 0.25 * DOWN)], {"AU26", "AU15"}),
    ("AU26", [(LOWER_FACE, 0.12 * DOWN)], {"AU25"}),
    ("AU43", [(UPPER_LIDS, 0.055 * DOWN)], set()),
]


@pytest.fixture(scope="module")
def face():
    """A neutral face: the reference with its mouth shut."""
    face = load_shape_basis().reference.copy()
    # The mean face shows a gap between its lips, as half of the faces do.
    face[list(LOWER_FACE), 1] -= face[14, 1] - face[13, 1]
    return face


def rises(face, moves):
    """How far each unit rose, in spans from neutral to strongest, before clipping."""
    moved = face.copy()
    for points, offset in moves:
        moved[list(points)] += np.asarray(offset, np.float32)
    neutral, strong = np.array(au.RANGES).T
    before, after = au.raw_measures(np.stack([face, moved]))
    return dict(
        zip(au.AU_NAMES, (after - before) / np.maximum(strong - neutral, 1e-6), strict=True)
    )


@pytest.mark.parametrize(("unit", "moves", "companions"), WARPS, ids=[w[0] for w in WARPS])
def test_warp_raises_its_unit_and_few_others(face, unit, moves, companions):
    risen = rises(face, moves)
    assert risen[unit] > RAISED
    others = {name for name, rise in risen.items() if rise > UNTOUCHED and name != unit}
    assert others <= companions


def test_thin_shut_lips_raise_the_units_of_pressed_lips(face):
    rim_top, rim_bottom = list(au.UPPER_LIP_TOP), list(au.LOWER_LIP_BOTTOM)
    shut, thin = face.copy(), face.copy()
    thin[rim_top, 1] += 0.05
    thin[rim_bottom, 1] -= 0.05
    before, after = au.action_units(np.stack([shut, thin]))
    for unit in ("AU23", "AU24", "AU28"):
        column = au.AU_NAMES.index(unit)
        assert after[column] > before[column]


def test_names_are_in_py_feats_order():
    numbers = [1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43]
    assert tuple(f"AU{n:02d}" for n in numbers) == au.AU_NAMES


def test_estimates_are_bounded_and_mirror_free():
    basis = load_shape_basis()
    rng = np.random.default_rng(1)
    faces = (basis.reference + rng.normal(0, 0.1, (50, 478, 3))).astype(np.float32)
    units = au.action_units(faces)
    assert units.dtype == np.float32
    assert units.min() >= 0.0
    assert units.max() <= 1.0
    assert not units[:, au.AU_NAMES.index("AU11")].any()
    mirrored = au.action_units(mirror(faces, basis.mirror_index))
    np.testing.assert_allclose(mirrored, units, atol=1e-4)


def test_eye_opening_of_a_drawn_eye():
    # Width 2, lids 0.5 apart: an aspect ratio of a quarter.
    face = np.zeros((1, 478, 3), np.float32)
    face[0, 133, 0] = face[0, 263, 0] = 2.0
    face[0, [160, 159, 158], 1] = face[0, [385, 386, 387], 1] = -0.25
    face[0, [144, 145, 153], 1] = face[0, [380, 374, 373], 1] = 0.25
    np.testing.assert_allclose(au.eye_openings(face), [[0.25, 0.25]])
