"""The connection to a Ray cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from affect_pipe.pipeline.batch.cores import usable_cores
from affect_pipe.pipeline.batch.ray_code import code_to_ship
from affect_pipe.pipeline.errors import StageError, UsageError
from affect_pipe.pipeline.optional import require

LOCAL = "local"
_STORE_BYTES = 80 << 20
_REACH_S = 10.0


@dataclass(frozen=True)
class Share:
    """What a worker takes of its machine, as Ray counts it; fractions are allowed.

    Attributes
    ----------
    cpus, gpus : float
    memory_bytes : int or None
        Ray places a worker only where so much is not yet given away; None: memory does not count.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not (self.cpus > 0 and self.gpus >= 0):
            raise UsageError("a worker takes more than no CPU, and no less than no GPU.")

    def options(self) -> dict[str, Any]:
        """Return it as options of an actor."""
        found: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        return found if self.memory_bytes is None else found | {"memory": self.memory_bytes}

    def fit(self, resources: Mapping[str, float]) -> int:
        """Return how many workers fit in what a machine has in all."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes or 0)}
        # A hair more than there is, for sums of thirds.
        return min(
            int(resources.get(name, 0.0) / share + 1e-6) for name, share in wanted.items() if share
        )


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


def room_for(share: Share) -> int:
    """Return how many workers the machines of the cluster have room for.

    Raises
    ------
    StageError
        If there is room for none.
    """
    nodes = ray_module().nodes()
    n = sum(share.fit(node["Resources"]) for node in nodes if node["Alive"])
    if n < 1:
        raise StageError(
            f"no machine of the Ray cluster has what a worker takes ({share.options()}): ask for "
            "less."
        )
    return n


def is_alive(node: str) -> bool:
    """Whether a machine is part of the cluster."""
    return any(found["NodeID"] == node and found["Alive"] for found in ray_module().nodes())
