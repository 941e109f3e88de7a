"""How a result agrees with an annotation, as a table and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

SCHEMA = "affect-pipe-gold/1"


@dataclass(frozen=True)
class GoldFigure:
    """One number: ``of`` what it is measured, by which metric, on how many utterances."""

    of: str
    metric: str
    value: float
    n: int


@dataclass(frozen=True)
class GoldReport:
    """How a result agrees with an annotation.

    Attributes
    ----------
    matched : int
        Pairs of utterances.
    gold_unmatched, predicted_unmatched : int
        Utterances of either side that have no partner.
    gold_without_labels : int
        Matched utterances of which the annotation says nothing.
    figures : tuple of GoldFigure
        NaN where a metric is undefined, as a correlation with a constant.
    """

    gold: str
    result: str
    matched: int
    gold_unmatched: int
    predicted_unmatched: int
    gold_without_labels: int
    mean_overlap: float
    figures: tuple[GoldFigure, ...]
    warnings: tuple[str, ...] = ()

    def value(self, of: str, metric: str) -> float:
        """Look a figure up; NaN if it was not measured."""
        found = (f.value for f in self.figures if (f.of, f.metric) == (of, metric))
        return next(found, float("nan"))

    def as_json(self) -> str:
        """Return the report as JSON; what is undefined is null."""
        figures = [
            {"of": f.of, "metric": f.metric, "value": _finite(f.value), "n": f.n}
            for f in self.figures
        ]
        fields: dict[str, Any] = {
            "schema": SCHEMA,
            "gold": self.gold,
            "result": self.result,
            "matched": self.matched,
            "gold_unmatched": self.gold_unmatched,
            "predicted_unmatched": self.predicted_unmatched,
            "gold_without_labels": self.gold_without_labels,
            "mean_overlap": _finite(self.mean_overlap),
            "figures": figures,
            "warnings": list(self.warnings),
        }
        return json.dumps(fields, ensure_ascii=False, indent=1, allow_nan=False)

    def as_text(self) -> str:
        """Return the report as a table."""
        lines = [
            f"{self.result} against {self.gold}: {self.matched} utterances matched"
            + (f" (mean overlap {self.mean_overlap:.2f})" if self.matched else "")
            + f", {self.gold_unmatched} only annotated, {self.predicted_unmatched} only predicted"
        ]
        if self.gold_without_labels:
            lines.append(f"{self.gold_without_labels} of the matched have no label")
        rows = [("of", "metric", "value", "n")]
        rows += [(f.of, f.metric, _shown(f.value), str(f.n)) for f in self.figures]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for of, metric, value, n in rows:
            lines.append(
                f"{of:<{widths[0]}}  {metric:<{widths[1]}}  {value:>{widths[2]}}  {n:>{widths[3]}}"
            )
        return "\n".join(lines)


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _shown(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
