"""The engine of a Ray cluster: an actor a worker, placed by Ray, each with one worker process.

Ray places workers, replaces none and retries nothing: what an attempt's end means is decided here
as on one machine, so that the ledger reads the same. No more is asked of the cluster at a time
than one task a worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Self

from affect_pipe.pipeline.batch.engine import EngineEvent, R, RetryPolicy, StagedWork, Stop, Work
from affect_pipe.pipeline.batch.local import Patience
from affect_pipe.pipeline.batch.ray_cluster import connect, machines, ray_module
from affect_pipe.pipeline.batch.ray_crew import Crew, Errand
from affect_pipe.pipeline.batch.ray_run import RayRun
from affect_pipe.pipeline.batch.ray_share import Role, Share, roles_of, staff
from affect_pipe.pipeline.batch.records import LimitName, Task
from affect_pipe.pipeline.placement import EVERY


class RayEngine:
    """Makes attempts on a Ray cluster.

    Parameters
    ----------
    address : str
        See `ray_cluster.connect`.
    workers : int or None
        How many, of each kind; None is as many as the cluster has room for when the batch begins.
        More than that wait for machines to come, as an autoscaler brings them.
    share : Share
        What each takes of its machine.
    resources : mapping of kind of stages to Share, optional
        Stages that take something else, and so are done by workers of their own: a video goes from
        one worker to the other through the cache. See `affect_pipe.pipeline.placement.KINDS`.
    patience : Patience
    policy : RetryPolicy
    threads : int
        Of each library that computes, in each worker.
    ship : bool
        Whether the nodes get the code of this process.
    place_s : float
        How long to wait where the cluster has no room for a single worker.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    UsageError
        If resources are declared for stages that are not known.
    """

    def __init__(
        self,
        address: str = "auto",
        workers: int | None = None,
        share: Share | None = None,
        resources: Mapping[str, Share] | None = None,
        *,
        patience: Patience | None = None,
        policy: RetryPolicy | None = None,
        threads: int = 1,
        ship: bool = True,
        place_s: float = 600.0,
    ) -> None:
        ray_module()
        self.address = address
        self.share = share or Share()
        self.roles = roles_of(self.share, resources or {})
        self.patience = patience or Patience()
        self.policy = policy or RetryPolicy()
        self.threads = threads
        self.place_s = place_s
        self._ship = ship
        self._workers = workers
        self._ours = False

    def __enter__(self) -> Self:
        """Connect."""
        self._ours = connect(self.address, self._ship) or self._ours
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Leave the cluster, unless the caller had connected before; end it where it is local."""
        if self._ours:
            ray_module().shutdown()
            self._ours = False

    @property
    def name(self) -> str:
        """``ray``."""
        return "ray"

    @property
    def workers(self) -> int:
        """How many attempts may run at once; connects, where the number is for the cluster to say.

        Raises
        ------
        StageError
            If the cluster has no room for one of each kind.
        """
        return sum(self._staff(self.roles))

    def limits(self) -> dict[LimitName, float]:
        """Return what a video may take; see `engine.Engine.limits`."""
        given = self.share.memory_bytes
        return {"memory": inf if given is None else given, **self.patience.limits()}

    def run(
        self,
        work: Work[R],
        tasks: Sequence[Task],
        report: Callable[[EngineEvent[R]], None],
        stop: Stop,
    ) -> None:
        """Make attempts at every task; see `engine.Engine.run`."""
        if not tasks:
            return
        self.__enter__()
        crews = self._crews(work)
        crews[0].fresh = deque(map(Errand, tasks))
        RayRun(crews, self.patience, self.policy, self.threads, self.place_s, report)(stop)

    def _staff(self, roles: Sequence[Role]) -> tuple[int, ...]:
        if self._workers is not None:
            return (self._workers,) * len(roles)
        self.__enter__()
        return staff([role.share for role in roles], list(machines().values()))

    def _crews(self, work: Work[R]) -> list[Crew]:
        """Return the crews that do some work; one, where it has no stages to tell apart.

        Such work only looks at videos: no bound on its memory says anything of a video.
        """
        placed = (
            [work.placed(role.kinds) for role in self.roles] if isinstance(work, StagedWork) else []
        )
        parts = [part for part in placed if part is not None]
        roles: Sequence[Role] = self.roles
        if len(parts) < len(roles):
            roles, parts = (Role("r", replace(self.share, memory_bytes=None), EVERY),), [work]
        put = ray_module().put
        counts = self._staff(roles)
        return [Crew(*three) for three in zip(roles, counts, map(put, parts), strict=True)]
