"""The connection to a Ray cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from affect_pipe.pipeline.batch.cores import usable_cores
from affect_pipe.pipeline.batch.ray_code import code_to_ship
from affect_pipe.pipeline.errors import StageError
from affect_pipe.pipeline.optional import require

LOCAL = "local"
_STORE_BYTES = 80 << 20
_REACH_S = 10.0


def ray_module() -> Any:
    """Return Ray.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    return require("ray", feature="--engine ray", extra="cluster", instead="--engine local works.")


def connect(address: str, ship: bool) -> bool:
    """Connect this process to a cluster; return whether that made a connection that was not there.

    Parameters
    ----------
    address : str
        ``auto`` for the cluster of this machine, ``host:port``, ``ray://host:port`` for a cluster
        seen from outside, ``local`` to begin one for the time of the batch on this machine.
    ship : bool
        Whether the nodes get the code of this process; else they have the program installed.

    Raises
    ------
    StageError
        If there is no such cluster, or it does not let us in.
    """
    ray = ray_module()
    if ray.is_initialized():
        return False
    _check_reachable(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "error"}
    if address == LOCAL:
        options |= {
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            # Only items and events go through it: videos and results do not.
            "object_store_memory": _STORE_BYTES,
        }
    with ExitStack() as stack:
        if ship:
            options["runtime_env"] = {"py_modules": stack.enter_context(code_to_ship())}
        try:
            ray.init(**options)
        except Exception as error:  # Ray's own errors are of many classes
            first = str(error).strip().partition("\n")[0]
            raise StageError(
                f"no Ray cluster can be had at --address {address} ({type(error).__name__}: "
                f"{first}): begin one with ray start --head, or give --address local."
            ) from error
    return True


def _check_reachable(address: str) -> None:
    """Find out at once that nobody listens: Ray would try for minutes, and end the process.

    Raises
    ------
    StageError
        If nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise StageError(
            f"no Ray cluster can be had at --address {address} ({error}): begin one with ray start "
            "--head, or give --address local."
        ) from error


def machines() -> dict[str, Mapping[str, float]]:
    """Return what each machine of the cluster has in all, by Ray's name of it."""
    nodes = ray_module().nodes()
    return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
