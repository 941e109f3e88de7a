"""What a table of a paper is: setups to train, numbers to stand beside, claims to test.

The tables themselves are data, in the modules that `TABLES` names.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from affect_pipe.fusion.config import LossWeightingSettings, Settings, TaskName, TaskSettings
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import Modality

Protocol = Literal["validation", "cross-fit", "validation-only", "none"]
Combination = tuple[Modality, ...]

LETTERS: dict[Modality, str] = {"text": "T", "acoustic": "A", "visual": "V"}
# In the order of the papers' columns.
COMBINATIONS: tuple[Combination, ...] = (
    ("text",),
    ("acoustic",),
    ("visual",),
    ("text", "visual"),
    ("text", "acoustic"),
    ("acoustic", "visual"),
    ("text", "acoustic", "visual"),
)
ALL: Combination = COMBINATIONS[-1]
# Metrics that are printed in percent; the others as they are.
PERCENT = frozenset({"accuracy", "weighted_f1", "macro_f1", "emotion_f1", "emotion_w_acc"})
LOWER_IS_BETTER = frozenset({"mae", "mse", "components"})


def letters(modalities: Combination) -> str:
    """Name a combination as the papers do: ``T+A+V``."""
    return "+".join(LETTERS[modality] for modality in modalities)


class Feature(Settings):
    """A named feature of a dataset that offers several (MuSe-Sent)."""

    name: str
    pca: bool = Field(default=False, description="Reduced to 95 % of its variance on train.")


class Setup(Settings):
    """One model to train, but for the seed."""

    row: str = Field(description="What the table calls it.")
    source: str = Field(description="Name in `affect_pipe.fusion.reproduce.sources.SOURCES`.")
    modalities: tuple[Modality, ...]
    features: tuple[Feature, ...] = Field(
        default=(), description="Of a source with several features; empty for the source's own."
    )
    model: str = Field(description="A backbone, or a classical model.")
    settings: dict[str, Any] = Field(default={}, description="Of the backbone.")
    tasks: tuple[TaskSettings, ...]
    loss_weighting: LossWeightingSettings = LossWeightingSettings()
    select_on: tuple[TaskName, ...] = Field(
        default=(), description="Tasks whose validation scores choose the epoch; empty for all."
    )
    protocol: Protocol = Field(
        default="validation",
        description="validation: the epoch is chosen on validation videos, test is scored once; "
        "cross-fit: chosen on one half of the test videos, scored on the other; validation-only: "
        "chosen and scored on validation, as a paper without test labels did; none: no training.",
    )
    epochs: int = Field(default=50, gt=0)
    patience: int | None = Field(
        default=None, gt=0, description="Stop after so many epochs without a better score."
    )
    batch_size: int = Field(default=16, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    f1_threshold: float = Field(default=0.4, description="Of emotion_class, for F1.")
    w_acc_threshold: float = Field(default=0.2, description="Of emotion_class, for W-Acc.")


@dataclass(frozen=True)
class Entry:
    """One number of a table.

    Attributes
    ----------
    setup : Setup
    task : TaskName
    metric : str
        A name of `affect_pipe.fusion.reproduce.moments`.
    paper : float or None
        As printed: percentages for the metrics in `PERCENT`.
    """

    setup: Setup
    task: TaskName
    metric: str
    paper: float | None = None


@dataclass(frozen=True)
class Claim:
    """A difference between two rows that a paper calls significant.

    Attributes
    ----------
    better, worse : str
        Rows (`Setup.row`), compared wherever both have the same source, modalities, task and
        metric.
    where : str
        Section of the paper.
    """

    better: str
    worse: str
    where: str


@dataclass(frozen=True)
class Table:
    """A table with what it takes to run it.

    Attributes
    ----------
    name : str
        As typed on the command line.
    title, citation : str
    entries : tuple of Entry
    claims : tuple of Claim
    notes : tuple of str
        Where the paper leaves a choice open or prints other data, one sentence each.
    default_models : tuple of str
        Which models run unless others are asked for; empty for all.
    """

    name: str
    title: str
    citation: str
    entries: tuple[Entry, ...]
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    default_models: tuple[str, ...] = ()


AKHTAR2020 = (
    "Akhtar, Chauhan, Ekbal 2020, A deep multi-task contextual attention framework for multi-modal "
    "affect analysis, ACM TKDD 14(3)"
)
CHAUHAN2019 = (
    "Chauhan, Akhtar, Ekbal, Bhattacharyya 2019, Context-aware interactive attention for "
    "multi-modal sentiment and emotion analysis, EMNLP-IJCNLP"
)
JIANG2021 = (
    "Jiang et al. 2021, Multitask learning based multimodal sentiment analysis, MuSe-Sent 2021"
)

TABLES: dict[str, str] = {
    "cim-3": "affect_pipe.fusion.reproduce.cim_tables:table_3",
    "cim-4": "affect_pipe.fusion.reproduce.cim_tables:table_4",
    "cia-1": "affect_pipe.fusion.reproduce.cia_tables:table_1",
    "cia-3": "affect_pipe.fusion.reproduce.cia_tables:table_3",
    "muse-1": "affect_pipe.fusion.reproduce.muse_tables:table_1",
    "muse-2": "affect_pipe.fusion.reproduce.muse_tables:table_2",
    "muse-3": "affect_pipe.fusion.reproduce.muse_tables:table_3",
    "muse-4": "affect_pipe.fusion.reproduce.muse_tables:table_4",
    "muse-5": "affect_pipe.fusion.reproduce.muse_tables:table_5",
    "mosi": "affect_pipe.fusion.reproduce.mosi_table:table",
}


def load_table(name: str) -> Table:
    """Return a table by name.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in TABLES:
        raise UsageError(f"unknown table {name!r}: known tables are {', '.join(TABLES)}.")
    module, _, attribute = TABLES[name].partition(":")
    table = getattr(importlib.import_module(module), attribute)()
    assert isinstance(table, Table)
    return table


def sentiment(classes: Literal[2, 3, 5, 7] = 2) -> TaskSettings:
    """Sentiment classification (SC)."""
    return TaskSettings(name="sentiment_class", classes=classes)


SC = sentiment()
SI = TaskSettings(name="sentiment_intensity")
EC = TaskSettings(name="emotion_class")
EI = TaskSettings(name="emotion_intensity")
