"""What workers take of the machines of a cluster, and how many of each kind there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from affect_pipe.pipeline.errors import StageError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.placement import EVERY, KINDS, Kinds

# A hair more than there is, for sums of thirds.
_HAIR = 1e-6
Resources = Mapping[str, float]


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
        for amount in (self.cpus, self.gpus):
            if amount > 1 and not float(amount).is_integer():
                raise UsageError(
                    f"a worker cannot take {amount:g} CPUs or GPUs: Ray deals parts of one, or "
                    "whole ones."
                )

    def options(self) -> dict[str, Any]:
        """Return it as options of an actor."""
        found: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        return found if self.memory_bytes is None else found | {"memory": self.memory_bytes}

    def wanted(self) -> dict[str, float]:
        """Return it as resources of a machine."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes or 0)}
        return {name: share for name, share in wanted.items() if share}

    def fit(self, resources: Resources) -> int:
        """Return how many workers fit in what a machine has in all."""
        return min(
            int(resources.get(name, 0.0) / share + _HAIR) for name, share in self.wanted().items()
        )


@dataclass(frozen=True)
class Role:
    """Workers that take the same of a machine, and do the same stages.

    Attributes
    ----------
    name : str
        What their names begin with.
    share : Share
    kinds : frozenset of str
        Of `placement.KINDS`: what they compute.
    """

    name: str
    share: Share
    kinds: Kinds


def roles_of(share: Share, declared: Mapping[str, Share]) -> tuple[Role, ...]:
    """Return the roles of a batch: stages that take the same are done by the same workers.

    Parameters
    ----------
    share : Share
        Of all stages that are not declared.
    declared : mapping of kind of stages to Share

    Returns
    -------
    tuple of Role
        First the one that a video begins with, which takes the fewest GPUs. Fusion, which is done
        in milliseconds, is not worth another worker: unless declared, every role does it.

    Raises
    ------
    UsageError
        If a kind is not known.
    """
    unknown = sorted(set(declared) - EVERY)
    if unknown:
        raise UsageError(
            f"resources are declared for {quoted(', '.join(unknown))}: known stages are "
            f"{', '.join(KINDS)}."
        )
    of_each = {kind: declared.get(kind, share) for kind in sorted(EVERY)}
    if "fusion" not in declared:
        del of_each["fusion"]
    shares = sorted(dict.fromkeys(of_each.values()), key=lambda one: (one.gpus, one != share))
    roles = []
    for one in shares:
        kinds = [kind for kind in of_each if of_each[kind] == one]
        name = "r" if one == share else "+".join(kinds) + "-"
        free = () if "fusion" in declared else ("fusion",)
        roles.append(Role(name, one, frozenset((*kinds, *free))))
    return tuple(roles)


def staff(shares: Sequence[Share], machines: Sequence[Resources]) -> tuple[int, ...]:
    """Return how many workers of each share the machines have room for, in turns.

    Those without a GPU are thought on machines without one while there are, and a share that finds
    no room beside others, but on a machine of its own, is given one worker: they take turns.

    Raises
    ------
    StageError
        If a share fits on no machine.
    """
    for share in shares:
        if not any(share.fit(machine) for machine in machines):
            raise StageError(
                f"no machine of the Ray cluster has what a worker takes ({share.options()}): ask "
                "for less."
            )
    if len(shares) == 1:
        return (sum(shares[0].fit(machine) for machine in machines),)
    free = [dict(machine) for machine in machines]
    counts = [0] * len(shares)
    open_ = sorted(range(len(shares)), key=lambda i: -shares[i].gpus)
    while open_:
        for i in list(open_):
            fitting = [machine for machine in free if shares[i].fit(machine)]
            if not fitting:
                open_.remove(i)
                continue
            place = min(fitting, key=partial(_cost, shares[i]))
            for name, part in shares[i].wanted().items():
                place[name] = place.get(name, 0.0) - part
            counts[i] += 1
    return tuple(max(1, count) for count in counts)


def _cost(share: Share, free: Resources) -> tuple[bool, float]:
    """Return what order machines are taken in: those with a GPU last, where none is wanted."""
    return (not share.gpus and free.get("GPU", 0.0) > 0, -free.get("CPU", 0.0))
