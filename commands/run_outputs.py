"""What ``affect-pipe run`` writes of a video besides its JSON and CSV."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.commands.export import FORMATS_HELP

if TYPE_CHECKING:
    from affect_pipe.api import Analyzer
    from affect_pipe.pipeline.events import Listener
    from affect_pipe.pipeline.records import VideoResult
    from affect_pipe.pipeline.settings import RunSettings


@dataclass(frozen=True)
class Written:
    """What became of a video's files.

    Attributes
    ----------
    paths : tuple of Path
        Those that were written, the JSON first and each once.
    warnings : tuple of str
    errors : tuple of Exception
        Why others could not be.
    """

    paths: tuple[Path, ...]
    warnings: tuple[str, ...]
    errors: tuple[Exception, ...]


def add_output_options(run: argparse.ArgumentParser) -> None:
    """Add the options that ask for more files."""
    run.add_argument(
        "--explain",
        action="store_true",
        help="add each modality's contribution, and write <stem>.attention.npz and .png",
    )
    run.add_argument(
        "--overlay",
        action="store_true",
        help="write <stem>.overlay.mp4: the video with faces, captions and judgements drawn in",
    )
    run.add_argument(
        "--report",
        action="store_true",
        help="write <stem>.report.html too: a page to look at, which works without a network",
    )
    run.add_argument("--export", metavar="A,B,C", help=f"write also {FORMATS_HELP}")


@dataclass(frozen=True)
class Outputs:
    """What is asked for.

    Attributes
    ----------
    folder : Path
    settings : RunSettings
        Of the run.
    explain, overlay, report : bool
    exports : tuple of str
        Formats, by their short names.
    """

    folder: Path
    settings: RunSettings
    explain: bool = False
    overlay: bool = False
    report: bool = False
    exports: tuple[str, ...] = ()

    def names(self, video: Path) -> tuple[str, ...]:
        """Return what the files of a video will be called."""
        from affect_pipe.pipeline.preflight import (
            REPORT_SUFFIX,
            explanation_names,
            overlay_name,
            result_names,
        )
        from affect_pipe.pipeline.results.exports.formats import export_names

        names: tuple[str, ...] = result_names(video)
        names += explanation_names(video) if self.explain else ()
        names += (overlay_name(video),) if self.overlay else ()
        names += (video.stem + REPORT_SUFFIX,) if self.report else ()
        return names + export_names(video.stem, self.exports)

    def write(self, result: VideoResult, analyzer: Analyzer, listener: Listener) -> Written:
        """Write them all; one that cannot be, but for JSON and CSV, does not stop the others."""
        paths = self._results(result)
        warnings = list(result.warnings)
        errors: list[Exception] = []
        for make in self._further(result, analyzer, listener, warnings):
            try:
                paths += make()
            except Exception as error:
                errors.append(error)
        return Written(tuple(dict.fromkeys(paths)), tuple(warnings), tuple(errors))

    def _further(
        self, result: VideoResult, analyzer: Analyzer, listener: Listener, warnings: list[str]
    ) -> Iterator[Callable[[], Sequence[Path]]]:
        """Give what writes each of the other files; it may add to the warnings."""
        for name in self.exports:
            yield partial(self._export, result, name)
        if self.report:
            yield lambda: [self._report(result)]
        if self.overlay:

            def draw() -> Sequence[Path]:
                drawn, told = analyzer.overlay(result, self.folder, listener)
                warnings.extend(told)
                return [] if drawn is None else [drawn]

            yield draw

    def _export(self, result: VideoResult, name: str) -> Sequence[Path]:
        from affect_pipe.pipeline.results.exports.formats import export
        from affect_pipe.pipeline.results.result_file import result_of

        return export(result_of(result), (name,), self.folder, result.media.path)

    def _report(self, result: VideoResult) -> Path:
        from affect_pipe.reporting import ReportOptions, report_of

        return report_of(result, self.folder, ReportOptions(run=self.settings))

    def _results(self, result: VideoResult) -> list[Path]:
        from affect_pipe.pipeline.preflight import result_names
        from affect_pipe.pipeline.results.csv_result import write_csv
        from affect_pipe.pipeline.results.json_result import write_json

        paths = [self.folder / name for name in result_names(result.media.path)]
        write_json(result, paths[0])
        write_csv(result, paths[1])
        if result.contributions is not None:
            from affect_pipe.pipeline.results.attention_files import write_attention

            paths += write_attention(result, self.folder)
        return paths


def outputs_asked(arguments: argparse.Namespace, settings: RunSettings) -> Outputs:
    """Return what the options ask for, once what writes it is known to be there.

    Raises
    ------
    UsageError
        If there is no such format.
    AffectPipeError
        If a library that writes one is not installed.
    """
    if arguments.explain:
        from affect_pipe.pipeline.results.attention_files import check_drawing

        check_drawing()
    if arguments.overlay:
        from affect_pipe.pipeline.overlay.fonts import check_drawing as check_overlay

        check_overlay()
    exports: tuple[str, ...] = ()
    if arguments.export is not None:
        from affect_pipe.pipeline.results.exports.formats import parse_formats

        exports = parse_formats(arguments.export)
    return Outputs(
        arguments.out, settings, arguments.explain, arguments.overlay, arguments.report, exports
    )
