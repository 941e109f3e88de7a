"""Options of ``affect-pipe batch`` for clusters and for places that are URLs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.pipeline.placement import KINDS

if TYPE_CHECKING:
    from affect_pipe.batch import BatchOptions, Copies
    from affect_pipe.pipeline.batch.engine import Engine
    from affect_pipe.pipeline.batch.ray_share import Share
    from affect_pipe.pipeline.batch.store import Store

_COPIES = "20GB"
_OF_RAY = ("address", "worker_cpus", "worker_gpus", "resources", "installed")


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="Ray cluster: auto, host:port, ray://host:port, or local to begin one here (auto)",
    )
    parser.add_argument("--worker-cpus", type=float, metavar="N", help="CPUs of a Ray worker (1)")
    parser.add_argument("--worker-gpus", type=float, metavar="N", help="GPUs of one, as 0.25 (0)")
    parser.add_argument(
        "--resources",
        action="append",
        default=[],
        metavar="STAGES:cpus=N,gpus=N",
        help="of Ray workers of their own for these stages, as speech,text:gpus=0.5 "
        f"({', '.join(KINDS)}); may be repeated",
    )
    parser.add_argument(
        "--installed",
        action="store_true",
        help="the Ray nodes have affect-pipe installed: send them no code",
    )
    parser.add_argument(
        "--store", metavar="URL", help="where results go instead of --out, as s3://bucket/results"
    )
    parser.add_argument(
        "--copies", type=Path, metavar="DIR", help="folder for copies of videos given by URL"
    )
    parser.add_argument(
        "--copies-size",
        metavar="SIZE",
        help=f"most that they take, on each machine ({_COPIES})",
    )


def engine_of(arguments: argparse.Namespace, options: BatchOptions) -> Engine | None:
    """Return the engine that is asked for; None for that of this machine."""
    if arguments.engine == "local":
        _refuse_ray_options(arguments)
        return None
    from affect_pipe.pipeline.batch.engine import RetryPolicy
    from affect_pipe.pipeline.batch.local import Patience
    from affect_pipe.pipeline.batch.ray_engine import RayEngine
    from affect_pipe.pipeline.batch.ray_share import Share

    return RayEngine(
        "auto" if arguments.address is None else arguments.address,
        options.workers,
        Share(
            1.0 if arguments.worker_cpus is None else arguments.worker_cpus,
            0.0 if arguments.worker_gpus is None else arguments.worker_gpus,
            options.memory_bytes,
        ),
        resources_of(arguments.resources, options.memory_bytes),
        patience=Patience(options.timeout_s, options.stage_timeout_s),
        policy=RetryPolicy(options.retries),
        threads=options.threads,
        ship=not arguments.installed,
    )


def _refuse_ray_options(arguments: argparse.Namespace) -> None:
    from affect_pipe.pipeline.errors import UsageError

    for name in _OF_RAY:
        given = getattr(arguments, name)
        if given is not None and given is not False and given != []:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for Ray workers: add --engine ray, or leave it out.")


def resources_of(given: Sequence[str], memory_bytes: int | None = None) -> dict[str, Share]:
    """Read ``--resources``.

    Parameters
    ----------
    given : sequence of str
        ``speech,text:cpus=1,gpus=0.5``; a worker takes one CPU and no GPU unless told otherwise.
    memory_bytes : int, optional
        Of each worker.

    Returns
    -------
    dict of kind of stages to Share

    Raises
    ------
    UsageError
        If one cannot be read, or a stage is named twice.
    """
    from affect_pipe.pipeline.batch.ray_share import Share
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.given import quoted

    found: dict[str, Share] = {}
    for one in given:
        stages, _, amounts = one.partition(":")
        taken = {"cpus": 1.0, "gpus": 0.0}
        try:
            for amount in amounts.split(","):
                name, _, number = amount.partition("=")
                taken[name.strip()] = float(number)
            share = Share(memory_bytes=memory_bytes, **taken)
        except (TypeError, ValueError):
            raise UsageError(
                f"--resources {quoted(one)}: write it as speech,text:cpus=1,gpus=0.5."
            ) from None
        for stage in map(str.strip, stages.split(",")):
            if stage in found:
                raise UsageError(f"--resources names {quoted(stage)} twice.")
            found[stage] = share
    return found


def store_of(arguments: argparse.Namespace, before: Store | None = None) -> Store | None:
    """Return where results go, or went ``before``; None for the result folder."""
    if arguments.store is None:
        return before
    from affect_pipe.pipeline.batch.remote_store import store_at

    return store_at(arguments.store)


def copies_of(arguments: argparse.Namespace, before: Copies | None = None) -> Copies:
    """Return where videos that are URLs are copied to, or were ``before``."""
    from affect_pipe.batch import Copies
    from affect_pipe.pipeline.sizes import parse_size

    before = before or Copies(None, parse_size(_COPIES))
    size = arguments.copies_size
    return Copies(
        before.folder if arguments.copies is None else arguments.copies,
        before.size_bytes if size is None else parse_size(size),
    )
