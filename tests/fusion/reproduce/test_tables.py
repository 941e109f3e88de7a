"""The papers' numbers: all of them there, some looked up by hand, every setup possible."""

import importlib

import pytest

from affect_pipe.fusion.models.backbone import BACKBONES
from affect_pipe.fusion.reproduce.cells import CLASSICAL
from affect_pipe.fusion.reproduce.moments import metrics_of
from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.tables import TABLES, letters, load_table
from affect_pipe.pipeline.errors import UsageError


def number(table, row, source, modalities, task, metric, classes=2):
    (found,) = {
        entry.paper
        for entry in load_table(table).entries
        if (entry.setup.row, entry.setup.source) == (row, source)
        and letters(entry.setup.modalities) == modalities
        and (entry.task, entry.metric) == (task, metric)
        and all(t.classes == classes for t in entry.setup.tasks if t.name == "sentiment_class")
    }
    return found


@pytest.mark.parametrize(
    ("table", "numbers"),
    # CIM Table 3: (3 + 3) x 2 + (2 + 2) x 4 rows of 7; CIA Table 1: 19 columns of 7; MuSe Table
    # II: 9 features, 2 tasks, 6 models.
    [
        ("cim-3", (6 * 2 + 4 * 4) * 7),
        ("cim-4", 12),
        ("cia-1", 19 * 7),
        ("cia-3", 19 * 2),
        ("muse-1", 7),
        ("muse-2", 108),
        ("muse-3", 24),
        ("muse-4", 24),
        ("muse-5", 2),
    ],
)
def test_every_number_is_there(table, numbers):
    entries = load_table(table).entries
    assert len(entries) == numbers
    assert all(entry.paper is not None for entry in entries)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cim-3", "MTL SC,EC", "mosei", "T+A+V", "sentiment_class", "accuracy"), 80.5),
        (("cim-3", "MTL EC,EI", "mosei", "T+A+V", "emotion_class", "emotion_w_acc"), 63.3),
        (("cim-3", "STL SI", "mosei", "V", "sentiment_intensity", "pearson"), 0.349),
        (("cim-3", "STL EI", "mosei", "T+A", "emotion_intensity", "cosine"), 0.422),
        (("cim-4", "MTL SC,SI", "mosi-intensity", "T+A+V", "sentiment_intensity", "mse"), 1.218),
        (("cia-1", "CIA", "mosei", "A+V", "sentiment_class", "weighted_f1"), 74.76),
        (("cia-1", "CIA", "mosei", "T", "sentiment_class", "accuracy", 7), 48.87),
        (("cia-1", "CIA", "moud", "T+V", "sentiment_class", "accuracy"), 79.24),
        (("cia-3", "CIA - IIM", "mosi-intensity", "T+A+V", "sentiment_class", "accuracy"), 55.24),
        (("mosi", "MMMU-BA", "mosi-published", "T+A+V", "sentiment_class", "accuracy"), 82.31),
    ],
)
def test_numbers_as_printed(place, value):
    assert number(*place) == value


@pytest.mark.parametrize("name", TABLES)
def test_every_setup_can_be_built(name):
    table = load_table(name)
    assert table.citation
    rows = {entry.setup.row for entry in table.entries}
    assert all({claim.better, claim.worse} <= rows for claim in table.claims)
    for setup in {e.setup.model_dump_json(): e.setup for e in table.entries}.values():
        assert setup.source in SOURCES
        if setup.model in BACKBONES:
            module, _, attribute = BACKBONES[setup.model].partition(":")
            backbone = getattr(importlib.import_module(module), attribute)
            backbone.Settings.model_validate(setup.settings)
        else:
            assert setup.model in CLASSICAL | {"pca"}
    for entry in table.entries:
        assert entry.task in {task.name for task in entry.setup.tasks}
        assert entry.metric in (*metrics_of(entry.task), "components")


def test_an_unknown_table_names_the_known_ones():
    with pytest.raises(UsageError, match="unknown table 'cim-9': known tables are cim-3"):
        load_table("cim-9")


@pytest.mark.parametrize("name", TABLES)
def test_an_absent_dataset_is_one_sentence_with_the_command(name, tmp_path):
    from affect_pipe.fusion.reproduce.plan import make_plan

    with pytest.raises(UsageError) as caught:
        make_plan(load_table(name), tmp_path, n_seeds=1)
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert "affect-pipe reproduce" in said
    assert "--data DIR" in said
    assert "\n" not in said
