"""The command line: one thin command per verb; the only place that prints and exits.

Imports are inside the handlers, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.pipeline.errors import AffectPipeError, ResultError, UsageError

if TYPE_CHECKING:
    from affect_pipe.pipeline.cache import Cache
    from affect_pipe.pipeline.records import VideoResult

OK, FAILED, BAD_USE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``affect-pipe``.

    Returns
    -------
    int
        0 when all went well, 1 when work failed, 2 for bad use.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.debug:
        return int(arguments.handler(arguments))
    try:
        return int(arguments.handler(arguments))
    except AffectPipeError as error:
        return _complain(error)
    except KeyboardInterrupt:
        print("affect-pipe: stopped; finished stages are in the cache.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has left; nothing more can be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        return _complain(error)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="affect-pipe",
        description="Raw video in, per-utterance sentiment and emotion out.",
    )
    parser.add_argument("--version", action="version", version=version("affect-pipe"))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    _add_run(verbs, common)
    _add_train(verbs, common)
    _add_evaluate(verbs, common)
    _add_models(verbs, common)
    _add_cache(verbs, common)
    doctor = verbs.add_parser(
        "doctor", parents=[common], help="say what can run here, and what to do where it cannot"
    )
    doctor.add_argument("--cache-dir", help="cache folder or URL to check")
    doctor.set_defaults(handler=_doctor)
    return parser


Verbs = argparse._SubParsersAction  # argparse has no public name for it


def _add_run(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    run = verbs.add_parser(
        "run",
        parents=[common],
        help="analyse videos",
        description="Transcribe, cut into utterances, describe words, voice and face, and predict "
        "sentiment and emotion of each utterance. Writes DIR/<stem>.affect.json and .csv.",
    )
    run.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video or audio file")
    run.add_argument(
        "--out", type=Path, default=Path("affect-results"), metavar="DIR", help="result folder"
    )
    run.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint: a shipped name or a folder (starter)"
    )
    run.add_argument(
        "--asr",
        metavar="NAME",
        help="source of the words: auto, transcript, whisper[:size or .pt file], pocketsphinx",
    )
    run.add_argument(
        "--transcript",
        type=Path,
        metavar="FILE",
        help="transcript of the video: SRT, WebVTT, Whisper or WhisperX JSON, plain text",
    )
    run.add_argument("--language", metavar="CODE", help="language spoken; default: detected")
    run.add_argument(
        "--max-pause", type=float, metavar="S", help="a longer pause ends an utterance"
    )
    run.add_argument("--max-duration", type=float, metavar="S", help="longest utterance")
    run.add_argument(
        "--keep-segments",
        action="store_true",
        default=None,
        help="keep a transcript's own segments as utterances",
    )
    run.add_argument("--config", type=Path, metavar="TOML", help="settings file; flags win over it")
    run.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    run.set_defaults(handler=_run)


def _add_train(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    train = verbs.add_parser("train", parents=[common], help="train a checkpoint by a recipe")
    train.add_argument("--recipe", required=True, metavar="NAME", help="starter")
    train.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of corpora")
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="checkpoint folder")
    train.add_argument("--seed", type=int, default=0, help="0 made the shipped starter")
    train.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda")
    train.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    train.set_defaults(handler=_train)


def _add_evaluate(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    evaluate = verbs.add_parser("evaluate", parents=[common], help="measure a checkpoint")
    evaluate.add_argument("--recipe", required=True, metavar="NAME", help="starter")
    evaluate.add_argument("--data", required=True, type=Path, metavar="DIR")
    evaluate.add_argument("--split", default="dev", choices=("dev", "test"))
    evaluate.add_argument("--model", default="starter", metavar="NAME|DIR", help="checkpoint")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    evaluate.set_defaults(handler=_evaluate)


def _add_models(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    models = verbs.add_parser("models", parents=[common], help="list the shipped checkpoints")
    models.set_defaults(handler=_models)


def _add_cache(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    cache = verbs.add_parser("cache", parents=[common], help="look after the cache")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    shared = argparse.ArgumentParser(add_help=False, parents=[common])
    shared.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    actions.add_parser("info", parents=[shared], help="where it is and what is in it")
    actions.add_parser("ls", parents=[shared], help="one line an entry")
    verify = actions.add_parser("verify", parents=[shared], help="read and check every entry")
    verify.add_argument("--drop", action="store_true", help="delete the damaged entries")
    prune = actions.add_parser("prune", parents=[shared], help="delete what was used longest ago")
    prune.add_argument("--max-size", required=True, metavar="SIZE", help="keep at most, like 5GB")
    actions.add_parser("clear", parents=[shared], help="delete every entry")
    cache.set_defaults(handler=_cache)


def _run(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    _share_the_machine()
    from affect_pipe.pipeline.settings import load_settings

    segmentation = {
        "max_pause_s": arguments.max_pause,
        "max_duration_s": arguments.max_duration,
        "keep_segments": arguments.keep_segments,
    }
    flags = {
        name: getattr(arguments, name)
        for name in ("model", "asr", "transcript", "language", "cache_dir")
    }
    flags["segmentation"] = {k: v for k, v in segmentation.items() if v is not None}
    settings = load_settings(arguments.config, flags)
    _check_videos(arguments.videos, settings.transcript)
    _check_output(arguments.out)

    from rich.console import Console

    from affect_pipe.api import Analyzer
    from affect_pipe.pipeline.progress import ProgressDisplay

    analyzer = Analyzer(settings)
    codes: list[int] = []
    for video in arguments.videos:
        try:
            with ProgressDisplay(Console(stderr=True)) as display:
                result = analyzer(video, display)
            _show(result, arguments.out)
            codes.append(OK)
        except BrokenPipeError:
            raise
        except Exception as error:
            if arguments.debug:
                raise
            codes.append(_complain(error))
    return FAILED if FAILED in codes else max(codes)


def _check_videos(videos: Sequence[Path], transcript: Path | None) -> None:
    if transcript is not None and len(videos) > 1:
        raise UsageError("--transcript belongs to one video: give one video, or put transcripts "
                         "beside the videos.")  # fmt: skip
    stems: dict[str, Path] = {}
    for video in videos:
        other = stems.setdefault(video.stem, video)
        if other is not video:
            raise UsageError(
                f"{other} and {video} would both write {video.stem}.affect.json: run them with "
                "different --out folders."
            )


def _check_output(folder: Path) -> None:
    """Fail before the work, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(
            f"the result folder {folder} cannot be made ({error.strerror}): choose another --out."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResultError(f"the result folder {folder} cannot be written to: choose another --out.")


def _show(result: VideoResult, folder: Path) -> None:
    from rich.console import Console

    from affect_pipe.pipeline.results.csv_result import write_csv
    from affect_pipe.pipeline.results.json_result import write_json
    from affect_pipe.pipeline.results.table import to_table
    from affect_pipe.pipeline.results.terminal_text import printable

    stem = result.media.path.stem
    written = [folder / f"{stem}.affect.json", folder / f"{stem}.affect.csv"]
    write_json(result, written[0])
    write_csv(result, written[1])
    for warning in result.warnings:
        print(f"affect-pipe: warning: {printable(warning)}", file=sys.stderr)
    if result.features.utterances:
        Console().print(to_table(result))
    print(printable(f"wrote {written[0]} and {written[1].name}"))


def _train(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    from affect_pipe import api

    api.train(
        arguments.recipe,
        arguments.data,
        arguments.out,
        seed=arguments.seed,
        device=arguments.device,
        cache_dir=arguments.cache_dir,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(f"wrote the checkpoint {arguments.out}")
    return OK


def _evaluate(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    from affect_pipe import api

    report = api.evaluate(
        arguments.recipe,
        arguments.data,
        split=arguments.split,
        model=arguments.model,
        cache_dir=arguments.cache_dir,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(report.as_json() if arguments.json else report.as_text())
    return OK


def _models(arguments: argparse.Namespace) -> int:
    from affect_pipe.fusion.checkpoint import read_config, resolve, shipped

    for name in shipped():
        config = read_config(resolve(name))
        features = ", ".join(spec.name for spec in config.feature_specs())
        print(f"{name}: {config.backbone} on {features}; licence: {config.licence}")
    return OK


def _cache(arguments: argparse.Namespace) -> int:
    from affect_pipe.pipeline.cache import Cache, resolve_root
    from affect_pipe.pipeline.cache_report import run_action

    cache: Cache = Cache(resolve_root(arguments.cache_dir))
    lines, code = run_action(
        cache,
        arguments.action,
        drop=getattr(arguments, "drop", False),
        max_size=getattr(arguments, "max_size", None),
    )
    for line in lines:
        print(line)
    return code


def _doctor(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    from affect_pipe.doctor import diagnose

    checks = diagnose(arguments.cache_dir)
    for check in checks:
        print(check.line())
    return FAILED if any(check.needed and not check.ok for check in checks) else OK


def _share_the_machine() -> None:
    """Leave one core to the frames' branch; must be set before libraries are imported.

    OpenMP threads of the other branch that wait for a core the frames hold would spin.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))


def _hush_back_ends() -> None:
    """Keep libraries' own start-up chatter off stderr; it must be set before they are imported."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _complain(error: Exception) -> int:
    from affect_pipe.pipeline.results.terminal_text import printable

    if isinstance(error, AffectPipeError):
        print(f"affect-pipe: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    print(
        f"affect-pipe: unexpected {type(error).__name__}: {error} (run again with --debug and "
        "report it; finished stages are in the cache).",
        file=sys.stderr,
    )
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
