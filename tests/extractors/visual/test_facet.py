"""CMU-MOSEI's columns filled from py-feat's: their order, their scale, and what is not there."""

import numpy as np
import pytest

from affect_pipe.extractors.visual.facet import ABSENT, FACET_COLUMNS, evidence, facet_rows
from affect_pipe.extractors.visual.pyfeat import PyFeat
from affect_pipe.pipeline.errors import UsageError

# As the maintainers of the CMU-MultimodalSDK list them (issue 93 there).
PUBLISHED = [
    *("Anger", "Contempt", "Disgust", "Joy", "Fear", "Baseline", "Sadness", "Surprise"),
    *("Confusion", "Frustration", "AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10"),
    *("AU12", "AU14", "AU15", "AU17", "AU18", "AU20", "AU23", "AU24", "AU25", "AU26", "AU28"),
    *("AU43", "Has_Glasses", "Is_Male", "Pitch", "Yaw", "Roll"),
]


def test_columns_are_those_of_the_corpus():
    assert list(FACET_COLUMNS) == PUBLISHED
    assert len(PUBLISHED) == 35
    assert set(ABSENT) == {
        *("Contempt", "Confusion", "Frustration", "AU18", "Has_Glasses", "Is_Male"),
    }


def test_evidence_is_the_power_of_ten_of_the_odds():
    # FACET's own manual: 2 is a hundred times likelier present than absent, -2 the reverse.
    np.testing.assert_allclose(
        evidence(np.array([100 / 101, 0.5, 1 / 101], np.float32)), [2, 0, -2], atol=1e-5
    )
    assert np.abs(evidence(np.array([0.0, 1.0], np.float32))).max() < 4.001


def test_every_column_is_taken_from_its_own():
    rng = np.random.default_rng(0)
    groups = {"au": rng.random((3, 20)), "emotion": rng.random((3, 7)), "pose": rng.random((3, 3))}
    before = facet_rows(groups)
    assert not before[:, [FACET_COLUMNS.index(name) for name in ABSENT]].any()
    # (group, column in py-feat's order, what it is called in the corpus)
    known = [("au", 0, "AU1"), ("au", 9, "AU12"), ("au", 19, "AU43"), ("emotion", 3, "Joy")]
    known += [("emotion", 6, "Baseline"), ("emotion", 0, "Anger"), ("pose", 0, "Yaw")]
    known += [("pose", 1, "Pitch"), ("pose", 2, "Roll"), ("au", 8, None)]  # AU11: not FACET's
    for group, column, name in known:
        moved = {key: values.copy() for key, values in groups.items()}
        moved[group][:, column] *= 0.5
        changed = (facet_rows(moved) != before).all(axis=0)
        assert [FACET_COLUMNS[k] for k in np.flatnonzero(changed)] == ([name] if name else [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detector": "v3"}, "one of v2, v1"),
        ({"layout": "openface"}, "one of columns, facet35"),
        ({"detector": "v1", "groups": ["blendshape"]}, "some of au, emotion, pose, gaze"),
        ({"groups": "au"}, "some of"),
        ({"functionals": []}, "some of mean, std, max"),
        ({"layout": "facet35", "groups": ["au"]}, "takes no groups"),
        ({"layout": "facet35", "absent": ["AU18"]}, "lacks Contempt"),
        ({"absent": ["AU18"]}, "only the layout facet35"),
        ({"rate_hz": 0.0, "min_score": 2.0}, "rate_hz, min_score out of range"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        PyFeat(**settings)
