"""The command line: one thin command per verb; the only place that prints and exits.

Imports are inside the handlers, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.results.standard_output import abandon_output, standard_output

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
    debug = False
    try:
        arguments = build_parser().parse_args(argv)
        debug = arguments.debug
        return int(arguments.handler(arguments))
    except KeyboardInterrupt:
        if debug:
            raise
        print("affect-pipe: stopped; finished stages are in the cache.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has left; nothing more can be told.
        abandon_output()
        return OK
    except Exception as error:
        if debug:
            raise
        return _complain(error)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="affect-pipe",
        description="Raw video in, per-utterance sentiment and emotion out.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    # Suppressed, so that a verb without the flag does not take back one given before it.
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    _add_run(verbs, common)
    _add_train(verbs, common)
    _add_evaluate(verbs, common)
    _add_reproduce(verbs, common)
    _add_models(verbs, common)
    _add_cache(verbs, common)
    doctor = verbs.add_parser(
        "doctor", parents=[common], help="say what can run here, and what to do where it cannot"
    )
    doctor.add_argument("--cache-dir", help="cache folder or URL to check")
    doctor.set_defaults(handler=_doctor)
    return parser


Verbs = argparse._SubParsersAction  # argparse has no public name for it


class _Version(argparse.Action):
    """Asks for the version when it is wanted: the question imports an e-mail parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        with standard_output():
            print(version("affect-pipe"))
        parser.exit()


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
    run.add_argument(
        "--explain",
        action="store_true",
        help="add each modality's contribution, and write <stem>.attention.npz and .png",
    )
    run.add_argument("--config", type=Path, metavar="TOML", help="settings file; flags win over it")
    run.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    run.set_defaults(handler=_run)


def _add_train(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    train = verbs.add_parser(
        "train",
        parents=[common],
        help="train a checkpoint: by a recipe, or on your own labelled videos",
        description="Either --recipe NAME --data DIR, or --videos DIR --labels FILE.csv. The label "
        "file names video, start_s and end_s (or segment) and any of sentiment, the emotions, "
        "arousal, valence; MMSA's label.csv and MELD's CSV are read as they are.",
    )
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", metavar="NAME", help="starter")
    what.add_argument("--videos", type=Path, metavar="DIR", help="folder of your own videos")
    train.add_argument("--data", type=Path, metavar="DIR", help="with --recipe: folder of corpora")
    train.add_argument("--labels", type=Path, metavar="CSV", help="with --videos: label file")
    train.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="checkpoint folder; run folder"
    )
    train.add_argument("--seed", type=int, help="default: the recipe's own; 1 with --videos")
    train.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda")
    train.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    own = train.add_argument_group("with --videos")
    own.add_argument("--features", metavar="A,B,C", help="default: minilm,egemaps,facemesh")
    own.add_argument("--backbone", metavar="NAME", help="default: cim")
    own.add_argument("--backbone-settings", metavar="JSON", help="of the backbone, by name")
    own.add_argument("--classes", type=int, metavar="N", help="of sentiment: 2, 3 (default), 5, 7")
    own.add_argument("--epochs", type=int, metavar="N", help="default: 50")
    own.add_argument("--batch-size", type=int, metavar="N", help="videos a batch; default: 16")
    own.add_argument("--learning-rate", type=float, metavar="X", help="of Adam; default: 0.001")
    own.add_argument(
        "--loss-weighting",
        metavar="NAME",
        help="of the tasks: fixed (default), or uncertainty, where the weights are trained",
    )
    own.add_argument(
        "--normalisation",
        metavar="NAME",
        help="of features: none, z (default), or shrink, towards each video's own statistics",
    )
    own.add_argument(
        "--evidence-accuracy",
        type=float,
        metavar="X",
        help="mark sentiments as lacking evidence, so that this share of the others is right on "
        "dev (0.8: four of five)",
    )
    own.add_argument(
        "--split-by", choices=("speaker", "video"), help="what must not be in two splits"
    )
    own.add_argument("--asr", metavar="NAME", help="source of words the labels do not have")
    own.add_argument("--language", metavar="CODE", help="language spoken; default: detected")
    own.add_argument(
        "--sentiment-scale", type=float, default=3.0, metavar="X", help="largest MMSA label"
    )
    own.add_argument("--resume", action="store_true", help="go on with the training in --out")
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


def _add_reproduce(verbs: Verbs[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    reproduce = verbs.add_parser(
        "reproduce",
        parents=[common],
        help="run a table of a paper, our numbers beside theirs",
        description="Train the whole grid of a table, print mean, deviation and interval beside "
        "the paper's number, and write OUT/<table>.json and OUT/<table>.md. Finished cells are "
        "kept in OUT: a run that was stopped goes on. mosi is CMU-MOSI's published features, "
        "cross-fitted, and a clean track.",
    )
    reproduce.add_argument(
        "table",
        metavar="TABLE",
        help="mosi, cim-3, cim-4, cia-1, cia-3, muse-1, muse-2, muse-3, muse-4 or muse-5",
    )
    reproduce.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder of datasets"
    )
    reproduce.add_argument(
        "--out", type=Path, default=Path("affect-reproduce"), metavar="DIR", help="result folder"
    )
    reproduce.add_argument("--seeds", type=int, default=5, metavar="N", help="how many (5)")
    reproduce.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    reproduce.add_argument(
        "--workers", type=int, metavar="N", help="processes of one thread; default: one a core"
    )
    reproduce.add_argument("--models", metavar="A,B", help="only these models of the table")
    reproduce.add_argument(
        "--modalities", metavar="T,T+A", help="only these combinations of the table"
    )
    reproduce.add_argument("--json", action="store_true", help="print JSON instead of tables")
    reproduce.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    reproduce.set_defaults(handler=_reproduce)


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
    from affect_pipe.pipeline.preflight import check_output, check_result_name, videos_to_run
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
    videos = videos_to_run(arguments.videos, settings.transcript)
    check_output(arguments.out)
    if arguments.explain:
        from affect_pipe.pipeline.results.attention_files import check_drawing

        check_drawing()

    from rich.console import Console

    from affect_pipe.api import Analyzer
    from affect_pipe.pipeline.progress import ProgressDisplay

    codes: list[int] = []
    with Analyzer(settings) as analyzer:
        for video in videos:
            try:
                check_result_name(arguments.out, video, explain=arguments.explain)
                with ProgressDisplay(Console(stderr=True)) as display:
                    result = analyzer(video, display, explain=arguments.explain)
                _show(result, arguments.out, named=len(videos) > 1)
                codes.append(OK)
            except BrokenPipeError:
                raise
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(_complain(error))
    return FAILED if FAILED in codes else max(codes)


def _show(result: VideoResult, folder: Path, *, named: bool) -> None:
    from rich.console import Console

    from affect_pipe.pipeline.preflight import result_names
    from affect_pipe.pipeline.results.csv_result import write_csv
    from affect_pipe.pipeline.results.json_result import write_json
    from affect_pipe.pipeline.results.table import to_table
    from affect_pipe.pipeline.results.terminal_text import printable

    written = [folder / name for name in result_names(result.media.path)]
    write_json(result, written[0])
    write_csv(result, written[1])
    if result.contributions is not None:
        from affect_pipe.pipeline.results.attention_files import write_attention

        written += write_attention(result, folder)
    # Among several videos it must be told which one is meant.
    of = f"{result.media.path.name}: " if named else ""
    for warning in result.warnings:
        print(f"affect-pipe: warning: {printable(of + warning)}", file=sys.stderr)
    with standard_output():
        if result.features.utterances:
            console = Console()
            console.print(to_table(result, console.width))
        *first, last = (path.name for path in written[1:])
        print(printable(f"wrote {', '.join([str(written[0]), *first])} and {last}"))


def _train(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    own = arguments.videos is not None
    needed, other = ("labels", "data") if own else ("data", "labels")
    chosen = "--videos" if own else "--recipe"
    from affect_pipe.pipeline.errors import UsageError

    if getattr(arguments, needed) is None or getattr(arguments, other) is not None:
        raise UsageError(f"train {chosen} needs --{needed} and takes no --{other}.")
    if own:
        return _train_on_videos(arguments)
    from affect_pipe import api

    api.train(
        arguments.recipe,
        arguments.data,
        arguments.out,
        seed=api.STARTER_SEED if arguments.seed is None else arguments.seed,
        device=arguments.device,
        cache_dir=arguments.cache_dir,
        tell=_tell,
    )
    with standard_output():
        print(f"wrote the checkpoint {arguments.out}")
    return OK


def _train_on_videos(arguments: argparse.Namespace) -> int:
    from affect_pipe import api
    from affect_pipe.pipeline.progress import ProgressDisplay, TrainingDisplay
    from affect_pipe.pipeline.settings import load_settings

    run = load_settings(
        None, {name: getattr(arguments, name) for name in ("asr", "language", "cache_dir")}
    )
    given = {
        "backbone": arguments.backbone,
        "backbone_settings": arguments.backbone_settings,
        "classes": arguments.classes,
        "split_by": arguments.split_by,
        "normalisation": arguments.normalisation,
        "evidence_accuracy": arguments.evidence_accuracy,
    }
    weighting = arguments.loss_weighting
    training = {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "learning_rate": arguments.learning_rate,
        "loss_weighting": None if weighting is None else {"kind": weighting},
        "seed": arguments.seed,
        "device": arguments.device,
    }
    settings = api.own_videos_settings(
        {name: value for name, value in given.items() if value is not None},
        {name: value for name, value in training.items() if value is not None},
    )
    from rich.console import Console

    console = Console(stderr=True)
    with ProgressDisplay(console) as display, TrainingDisplay(console) as epochs:
        report = api.train_on_videos(
            arguments.videos,
            arguments.labels,
            arguments.out,
            features=arguments.features.split(",") if arguments.features else api.DEFAULT_FEATURES,
            settings=settings,
            run=run,
            sentiment_scale=arguments.sentiment_scale,
            resume=arguments.resume,
            tell=_tell,
            listener=display,
            listen=epochs,
        )
    with standard_output():
        print(report.as_text())
        print(f"wrote the run folder {arguments.out}: affect-pipe run --model {arguments.out}")
    return OK


def _tell(line: str) -> None:
    from affect_pipe.pipeline.results.terminal_text import printable

    print(f"affect-pipe: {printable(line)}", file=sys.stderr, flush=True)


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
    with standard_output():
        print(report.as_json() if arguments.json else report.as_text())
    return OK


def _reproduce(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    # The grid trains in processes of one thread each; this one only reads and scores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from rich.console import Console

    from affect_pipe import api
    from affect_pipe.fusion.reproduce.display import GridDisplay

    with GridDisplay(Console(stderr=True)) as display:
        report = api.reproduce(
            arguments.table,
            arguments.data,
            arguments.out,
            seeds=arguments.seeds,
            device=arguments.device,
            workers=arguments.workers,
            models=_listed(arguments.models),
            modalities=_listed(arguments.modalities),
            cache_dir=arguments.cache_dir,
            listener=display,
        )
    for cell, why in report.failures.items():
        print(f"affect-pipe: {cell} failed: {why}", file=sys.stderr)
    for sentence in report.plan.absent.values():
        print(f"affect-pipe: left out: {sentence}.", file=sys.stderr)
    with standard_output():
        if arguments.json:
            print(report.as_json(), end="")
        else:
            console = Console()
            for table in report.as_rich():
                console.print(table)
            print(f"wrote {arguments.out / report.plan.table.name}.md and .json")
    return FAILED if report.failures else OK


def _listed(text: str | None) -> list[str] | None:
    """Split ``a,b``; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _models(arguments: argparse.Namespace) -> int:
    from affect_pipe.fusion.checkpoint import read_config, resolve, shipped

    with standard_output():
        for name in shipped():
            config = read_config(resolve(name))
            features = ", ".join(spec.name for spec in config.feature_specs())
            print(f"{name}: {config.backbone} on {features}; licence: {config.licence}")
    return OK


def _cache(arguments: argparse.Namespace) -> int:
    from affect_pipe.pipeline.cache import Cache, resolve_root
    from affect_pipe.pipeline.cache_report import run_action

    cache: Cache = Cache(resolve_root(arguments.cache_dir), prepare=False)
    lines, code = run_action(
        cache,
        arguments.action,
        drop=getattr(arguments, "drop", False),
        max_size=getattr(arguments, "max_size", None),
    )
    with standard_output():
        for line in lines:
            print(line)
    return code


def _doctor(arguments: argparse.Namespace) -> int:
    _hush_back_ends()
    from affect_pipe.doctor import diagnose

    checks = diagnose(arguments.cache_dir)
    with standard_output():
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
        text, code = str(error), error.exit_code
    else:
        text = (
            f"unexpected {type(error).__name__}: {error} (run again with --debug and report it; "
            "finished stages are in the cache)."
        )
        code = FAILED
    with suppress(OSError):  # a full disk behind standard error must not hide the exit code
        print(f"affect-pipe: {printable(text)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
