"""Affect-pipe as Python calls: what the command line does, composed from its parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.analysis import Analyzer, analyze
from affect_pipe.annotations import evaluate_against, labels_from_annotations
from affect_pipe.batch import BatchOptions, batch
from affect_pipe.exports import export_results
from affect_pipe.extract import DEFAULT_FEATURES, extract, extract_to_files
from affect_pipe.extractors.feature_list import ListedFeature, list_features
from affect_pipe.feature_extraction import Extractor, Written, check_written_as
from affect_pipe.own_videos import train_on_videos
from affect_pipe.paper_tables import reproduce
from affect_pipe.pipeline.records import VideoResult
from affect_pipe.pipeline.results.feature_file import FeatureFile
from affect_pipe.pipeline.settings import RunSettings, load_settings
from affect_pipe.starter_recipes import evaluate, train

if TYPE_CHECKING:
    from affect_pipe.reporting import ReportOptions

__all__ = [
    "DEFAULT_FEATURES",
    "Analyzer",
    "BatchOptions",
    "Extractor",
    "FeatureFile",
    "ListedFeature",
    "RunSettings",
    "VideoResult",
    "Written",
    "analyze",
    "batch",
    "check_written_as",
    "evaluate",
    "evaluate_against",
    "export_results",
    "extract",
    "extract_to_files",
    "labels_from_annotations",
    "list_features",
    "load_settings",
    "report",
    "reproduce",
    "train",
    "train_on_videos",
]

Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


def report(
    result: str | Path | VideoResult,
    out: str | Path | None = None,
    options: ReportOptions | None = None,
    *,
    tell: Tell = _ignore,
) -> Path:
    """Make a page of a result, to look at: one HTML file that works without a network.

    Parameters
    ----------
    result : str, Path or VideoResult
        A result file, or what `analyze` returned.
    out : str or Path, optional
        An ``.html`` file or a folder; by default beside the result file, else the current folder.
    options : `affect_pipe.reporting.ReportOptions`, optional
        Whether the video is embedded or linked to, where it is, and the settings of the run.
    tell : callable (line)
        Hears what takes its time.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    from affect_pipe import reporting

    if isinstance(result, VideoResult):
        return reporting.report_of(result, out or Path(), options, tell=tell)
    return reporting.report(result, out, options, tell=tell)
