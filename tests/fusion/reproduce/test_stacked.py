"""Cells trained together against the same cells trained by themselves."""

import numpy as np
import pytest

from affect_pipe.fusion.reproduce.cells import run_cell
from affect_pipe.fusion.reproduce.source import Request
from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.stacked import ORDER_SEED, run_stack, stacks

# Without dropout both do the same arithmetic; float32 sums are added in another order.
TOLERANCE = 1e-4
STILL = {"gru_width": 4, "dense_width": 3, "input_dropout": 0.0, "dropout": 0.0}


@pytest.mark.parametrize("protocol", ["cross-fit", "validation"])
def test_a_stack_gives_what_its_cells_give(protocol, setup_of, data, encode):
    name = "mosi-published" if protocol == "cross-fit" else "mosi-clean"
    read = SOURCES[name].read
    assert read is not None
    splits = read(data, Request(name, seed=1), encode)
    combinations = (("text",), ("text", "acoustic"))
    setups = [
        setup_of(f"{len(m)}", source=name, protocol=protocol, modalities=m, settings=STILL)
        for m in combinations
    ]
    # The order of batches is the stack's own; a cell draws the same from this seed.
    jobs = [(setup, ORDER_SEED) for setup in setups]
    assert stacks(jobs) == [[0, 1]]
    ticks = []
    found = run_stack(jobs, splits, "cpu", lambda: ticks.append(1))
    assert len(ticks) == 2
    for (setup, seed), together in zip(jobs, found, strict=True):
        alone = run_cell(setup, seed, splits)
        assert together.ids == alone.ids
        assert together.best_epoch == alone.best_epoch
        target, values = "sentiment_class", together.values["sentiment_class"]
        np.testing.assert_array_equal(together.targets[target], alone.targets[target])
        assert values.shape == alone.values[target].shape
        np.testing.assert_allclose(values, alone.values[target], atol=TOLERANCE)


def test_what_has_no_stacked_form_is_left_alone(setup_of):
    jobs = [
        (setup_of("a"), 1),
        (setup_of("b", model="majority", settings={}), 1),
        (setup_of("c", patience=3), 1),
        (setup_of("d", epochs=5), 1),
        (setup_of("e"), 2),
    ]
    assert stacks(jobs) == [[0, 4], [3]]
