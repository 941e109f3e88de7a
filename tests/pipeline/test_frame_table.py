"""The record of features at frame level."""

import numpy as np
import pytest

from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.records import FeatureSpec

SPEC = FeatureSpec("pitch", "acoustic", 1, ("f0_mean",), "1")


def table(**changed):
    given = {
        "spec": SPEC,
        "columns": ("f0",),
        "units": ("Hz",),
        "time_s": np.array([0.0, 0.01, 0.01]),
        "values": np.array([[100.0], [np.nan], [110.0]]),
        **changed,
    }
    return FrameTable(**given)


def test_a_table_keeps_gaps_and_rows_of_one_frame():
    made = table(labels={"track": (0, 0, 1)})
    assert np.isnan(made.values[1, 0])
    assert "FrameTable(pitch, [3, 1])" in repr(made)


@pytest.mark.parametrize(
    "changed",
    [
        {"time_s": np.array([0.0, 0.02, 0.01])},
        {"time_s": np.array([0.0, 0.01, np.nan])},
        {"time_s": np.array([0.0, 0.01])},
        {"units": ()},
        {"columns": ("f0", "vuv")},
        {"end_s": np.array([0.01])},
        {"labels": {"track": (0,)}},
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(changed):
    with pytest.raises(ValueError, match="pitch"):
        table(**changed)
