"""``affect-pipe models``."""

from __future__ import annotations

import argparse

from affect_pipe.commands.common import OK, Verbs
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    models = verbs.add_parser("models", parents=[common], help="list the shipped checkpoints")
    models.set_defaults(handler=_models)


def _models(arguments: argparse.Namespace) -> int:
    from affect_pipe.fusion.checkpoint import read_config, resolve, shipped

    with standard_output():
        for name in shipped():
            config = read_config(resolve(name))
            features = ", ".join(spec.name for spec in config.feature_specs())
            print(f"{name}: {config.backbone} on {features}; licence: {config.licence}")
    return OK
