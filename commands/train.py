"""``affect-pipe train``: a recipe, or a model of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from affect_pipe.commands.common import OK, Verbs, hush_back_ends, result_folder, tell
from affect_pipe.commands.feature_settings import HELP, read_feature_settings
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    train = verbs.add_parser(
        "train",
        parents=[common],
        help="train a checkpoint: by a recipe, or on your own labelled videos",
        description="Either --recipe NAME --data DIR, or --videos DIR --labels FILE.csv. The label "
        "file names video, start_s and end_s (or segment) and any of sentiment, the emotions, "
        "arousal, valence; MMSA's label.csv and MELD's CSV are read as they are.",
    )
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", metavar="NAME", help="starter or starter-covarep")
    what.add_argument("--videos", type=Path, metavar="DIR", help="folder of your own videos")
    train.add_argument("--data", type=Path, metavar="DIR", help="with --recipe: folder of corpora")
    train.add_argument("--labels", type=Path, metavar="CSV", help="with --videos: label file")
    train.add_argument(
        "--out",
        required=True,
        type=result_folder,
        metavar="DIR",
        help="checkpoint folder; run folder",
    )
    train.add_argument("--seed", type=int, help="default: the recipe's own; 1 with --videos")
    train.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda")
    train.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    own = train.add_argument_group("with --videos")
    own.add_argument("--features", metavar="A,B,C", help="default: minilm,egemaps,facemesh")
    own.add_argument("--feature-settings", metavar="JSON|FILE", help=HELP)
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


def _train(arguments: argparse.Namespace) -> int:
    hush_back_ends()
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
        seed=arguments.seed,
        device=arguments.device,
        cache_dir=arguments.cache_dir,
        tell=tell,
    )
    with standard_output():
        print(f"wrote the checkpoint {arguments.out}")
    return OK


def _train_on_videos(arguments: argparse.Namespace) -> int:
    from affect_pipe import api
    from affect_pipe.own_videos import own_videos_settings
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
    settings = own_videos_settings(
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
            feature_settings=read_feature_settings(arguments.feature_settings),
            settings=settings,
            run=run,
            sentiment_scale=arguments.sentiment_scale,
            resume=arguments.resume,
            tell=tell,
            listener=display,
            listen=epochs,
        )
    with standard_output():
        print(report.as_text())
        print(f"wrote the run folder {arguments.out}: affect-pipe run --model {arguments.out}")
    return OK
