"""The starter's figures, as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from affect_pipe.fusion.recipes.starter_pairing import SUBSETS

SCHEMA = "affect-pipe-starter-report/1"
# The metric that says whether a set of modalities beats another.
PRIMARY = "emotion_weighted_f1"


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes
    ----------
    corpus : str
        Whose material, and which modality alone.
    metric : str
    value : float
        Percent where ``unit`` is "%".
    n : int
        Utterances it is measured on.
    target : float, optional
        What the recipe aims at on dev.
    """

    corpus: str
    metric: str
    value: float
    n: int
    unit: str = "%"
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        return None if self.target is None else self.value >= self.target

    def text(self) -> str:
        """Format the value as printed."""
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.1f}" if self.unit == "%" else f"{self.value:.3f}"


@dataclass(frozen=True)
class StarterReport:
    """Every figure of one checkpoint on one split.

    Attributes
    ----------
    checkpoint, split : str
    figures : tuple of Figure
    paired : mapping of modalities, joined by " + ", to metric to value in percent
        Dialogues whose lines were given voices and faces of the same emotion; means over pairings.
    n_pairings : int
    absent : tuple of str
        Corpora that were not in the data folder.
    notes : tuple of str
    """

    checkpoint: str
    split: str
    figures: tuple[Figure, ...]
    paired: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    n_pairings: int = 0
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def value(self, corpus: str, metric: str) -> float:
        """Look a figure up; NaN if it was not measured."""
        for figure in self.figures:
            if (figure.corpus, figure.metric) == (corpus, metric):
                return figure.value
        return math.nan

    def fusion_pays(self) -> Mapping[str, bool]:
        """Whether every pair of modalities beats its parts, and all three beat every pair."""
        if not self.paired:
            return {}
        score = {frozenset(s): self.paired[subset_name(s)][PRIMARY] for s in SUBSETS}
        pairs = [subset for subset in score if len(subset) == 2]
        everything = score[frozenset(SUBSETS[-1])]
        return {
            "pairs_beat_parts": all(
                score[pair] > score[frozenset({part})] for pair in pairs for part in pair
            ),
            "all_three_beat_pairs": all(everything > score[pair] for pair in pairs),
        }

    def as_json(self) -> str:
        """Return the report as JSON; not-a-number becomes null."""
        figures = [{**asdict(figure), "met": figure.met} for figure in self.figures]
        for figure in figures:
            if math.isnan(figure["value"]):
                figure["value"] = None
        content = {
            "schema": SCHEMA,
            "checkpoint": self.checkpoint,
            "split": self.split,
            "figures": figures,
            "paired": {
                "n_pairings": self.n_pairings,
                "primary": PRIMARY,
                "subsets": {name: dict(row) for name, row in self.paired.items()},
                **self.fusion_pays(),
            },
            "absent": list(self.absent),
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=2, allow_nan=False)

    def as_text(self) -> str:
        """Return the report as plain text tables."""
        lines = [f"checkpoint {self.checkpoint}, {self.split} parts", ""]
        lines += _table(
            ("measured on", "metric", "value", "target", "n"),
            [(f.corpus, f.metric, f.text(), _target(f), str(f.n)) for f in self.figures],
        )
        if self.paired:
            metrics = list(next(iter(self.paired.values())))
            rows = [
                (name, *(f"{row[metric]:.1f}" for metric in metrics))
                for name, row in self.paired.items()
            ]
            lines += ["", f"paired dialogues (means over {self.n_pairings} pairings), %:"]
            lines += _table(("modalities", *(m.replace("_", " ") for m in metrics)), rows)
            said = {True: "yes", False: "no"}
            for claim, holds in self.fusion_pays().items():
                lines.append(f"{claim.replace('_', ' ')}: {said[holds]}")
        lines += [f"absent: {name}" for name in self.absent]
        return "\n".join([*lines, *(("", *self.notes) if self.notes else ())])


def subset_name(subset: tuple[str, ...]) -> str:
    """Name a set of modalities."""
    return " + ".join(subset)


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    digits = 1 if figure.unit == "%" else 3
    return f"{figure.target:.{digits}f} {'met' if figure.met else 'missed'}"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Columns padded to their widest cell: words to the left, numbers to the right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: tuple[str, ...]) -> str:
        padded = [
            cell.ljust(width) if column < 2 and not _is_number(cell) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(header), "  ".join("-" * width for width in widths), *map(line, rows)]


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).isdigit()
