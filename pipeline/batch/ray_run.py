"""One run of tasks on a cluster: errands go to workers, what they tell becomes engine events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from affect_pipe.pipeline.batch.engine import (
    Abandoned,
    Began,
    EngineEvent,
    Failed,
    R,
    RetryPolicy,
    Step,
    Stop,
    Succeeded,
)
from affect_pipe.pipeline.batch.local import Patience
from affect_pipe.pipeline.batch.ray_cluster import machines, ray_module
from affect_pipe.pipeline.batch.ray_crew import Crew, Errand, Hand
from affect_pipe.pipeline.batch.ray_missed import Missed
from affect_pipe.pipeline.batch.ray_worker import Heard
from affect_pipe.pipeline.batch.records import Failure
from affect_pipe.pipeline.batch.worker import Message
from affect_pipe.pipeline.errors import AffectPipeError, StageError

_POLL_S = 0.2
_LISTEN_S = 2.0
_GOODBYE_S = 5.0
# A worker that dies this often before it is ready dies of something that no video is at fault for.
_DEATHS_AT_START = 3
# A stage that is asked for once more after it was computed may have been damaged in the cache.
_ASKED = 3


@dataclass
class RayRun(Generic[R]):
    """One call of `RayEngine.run`.

    Attributes
    ----------
    crews : sequence of Crew
        An errand begins with the first.
    patience : Patience
    policy : RetryPolicy
    threads : int
    place_s : float
        How long to wait where the cluster has no room for a single worker.
    report : callable
    """

    crews: Sequence[Crew]
    patience: Patience
    policy: RetryPolicy
    threads: int
    place_s: float
    report: Callable[[EngineEvent[R]], None]
    missed: Missed = field(default_factory=Missed)
    deaths_at_start: int = 0
    unplaced_s: float = field(default_factory=time.monotonic)
    ray: Any = field(default_factory=ray_module)

    def __call__(self, stop: Stop) -> None:
        """Make attempts at what waits for the crews; see `engine.Engine.run`."""
        try:
            while self._errands():
                if stop.is_set():
                    self._abandon_all()
                    return
                self._hire()
                self._assign()
                self._listen()
                self._judge_missed()
                self._check_places()
            self._say_goodbye()
        finally:
            for crew in self.crews:
                for hand in crew.hands:
                    hand.kill()

    def _errands(self) -> int:
        """Return how many errands are not done."""
        waiting = sum(crew.waiting() for crew in self.crews)
        return waiting + len(self._busy()) + len(self.missed.hands)

    def _busy(self) -> list[Hand]:
        return [hand for crew in self.crews for hand in crew.busy()]

    def _hire(self) -> None:
        errands = self._errands()
        # Who takes the rarest resources is placed first: others would take the room beside them.
        for crew in sorted(self.crews, key=lambda crew: -crew.role.share.gpus):
            if crew.starves():
                found = machines()
                any(other.make_way(crew, found) for other in self.crews if other is not crew)
            crew.hire(errands, self.patience, self.threads)

    def _assign(self) -> None:
        for crew in self.crews:
            for hand in crew.assign():
                errand = hand.errand
                assert errand is not None
                if not errand.begun:
                    errand.begun = True
                    worker = f"{hand.name}@{hand.place}"
                    self.report(Began(errand.task.item, errand.attempt, worker))
                hand.asked = hand.actor.begin.remote(errand.task, errand.spent_s, _LISTEN_S)

    def _listen(self) -> None:
        """Take what workers answer, waiting a moment for the first."""
        errors = self.ray.exceptions
        calls = {hand.asked: (crew, hand) for crew in self.crews for hand in crew.hands}
        calls.pop(None, None)
        if not calls:
            # Ray would not wait for nothing.
            time.sleep(_POLL_S)
            return
        ready, _ = self.ray.wait(list(calls), num_returns=1, timeout=_POLL_S)
        for call in ready:
            crew, hand = calls[call]
            hand.asked = None
            try:
                answer = self.ray.get(call)
            except (errors.RayActorError, errors.OutOfMemoryError) as error:
                self._left(crew, hand, error)
            except errors.RayError as error:
                raise StageError(
                    f"a worker on the Ray cluster cannot work ({_first_line(error)}): the nodes "
                    "need this version of Python and what the program depends on."
                ) from error
            else:
                self._take(hand, answer)

    def _take(self, hand: Hand, answer: Any) -> None:
        if not isinstance(answer, Heard):
            hand.place, hand.node = answer
            return
        for message in answer.messages:
            if hand.errand is not None:
                self._follow(hand, hand.errand, message, answer)
        if hand.errand is not None:
            hand.asked = hand.actor.listen.remote(_LISTEN_S)

    def _follow(self, hand: Hand, errand: Errand, message: Message, heard: Heard) -> None:
        item = errand.task.item
        errand.peak_bytes = max(errand.peak_bytes, heard.peak_bytes)
        if message.kind == "ready":
            self.deaths_at_start = 0
        elif message.kind == "told":
            self.report(Step(item, message.content, f"{hand.name}@{hand.place}"))
        elif message.kind == "closed":
            error: AffectPipeError = message.content
            raise error
        elif message.kind == "unready":
            self._unready(f"exit code {message.content}")
            self._put_back(hand, "its worker died before it was ready")
        elif message.kind == "failed":
            self._failed(hand, message.content, heard.seconds)
        elif message.kind == "elsewhere":
            self._pass_on(hand, errand, message.content, heard.seconds)
        else:
            hand.errand = None
            value: R = message.content
            self.report(Succeeded(item, errand.attempt, value, heard.seconds, errand.peak_bytes))

    def _pass_on(self, hand: Hand, errand: Errand, kind: str, seconds: float) -> None:
        """Let a worker go on that computes a kind of stages."""
        errand.asked[kind] += 1
        if errand.asked[kind] >= _ASKED:
            reason = (
                f"what workers computed for {kind} is not in the cache where others look for it: "
                "give a --cache-dir that all machines can write to and read."
            )
            self._failed(hand, Failure("error", reason), seconds)
            return
        hand.errand = None
        errand.spent_s = seconds
        crew = next(crew for crew in self.crews if kind in crew.role.kinds)
        crew.passed_on.append(errand)

    def _failed(self, hand: Hand, failure: Failure, seconds: float) -> None:
        errand = hand.errand
        assert errand is not None
        hand.errand = None
        task, attempt = errand.task, errand.attempt
        final = not self.policy.again(failure, attempt)
        self.report(Failed(task.item, attempt, failure, final, seconds, errand.peak_bytes))
        if not final:
            # Last in the queue: what was short for a moment may be there by then.
            self.crews[0].fresh.append(Errand(replace(task, attempts=attempt)))

    def _put_back(self, hand: Hand, reason: str) -> None:
        errand = hand.errand
        assert errand is not None
        hand.errand = None
        self._abandon(errand, reason)
        self.crews[0].fresh.appendleft(Errand(errand.task))

    def _abandon(self, errand: Errand, reason: str) -> None:
        self.report(Abandoned(errand.task.item, errand.attempt, reason))

    def _left(self, crew: Crew, hand: Hand, error: Exception) -> None:
        """See to an actor that is no more, with its machine or without."""
        crew.hands.remove(hand)
        hand.kill()
        if hand.errand is not None:
            self.missed.add(hand)
        elif not hand.place:
            self._unready(_first_line(error))

    def _judge_missed(self) -> None:
        """Say what became of tasks whose actors are no more, as soon as that can be known."""
        for hand, failure in self.missed.verdicts():
            if failure is None:
                self._put_back(hand, f"its machine {hand.place} left the cluster")
                continue
            assert hand.errand is not None
            seconds = hand.errand.spent_s + hand.missed_s - hand.began_s
            self._failed(hand, failure, seconds)

    def _unready(self, how: str) -> None:
        self.deaths_at_start += 1
        if self.deaths_at_start >= _DEATHS_AT_START:
            raise StageError(
                f"workers on the Ray cluster die before they are ready ({how}), "
                f"{_DEATHS_AT_START} in a row: affect-pipe doctor on a node may say why."
            )

    def _check_places(self) -> None:
        """Give up where the cluster has had no room for long, and nothing happens without."""
        without = [crew for crew in self.crews if crew.waiting() and not crew.placed()]
        if self._busy() or not without:
            self.unplaced_s = time.monotonic()
        elif time.monotonic() - self.unplaced_s > self.place_s:
            raise StageError(
                f"the Ray cluster had no room for a worker for {self.place_s:g} s: each takes "
                f"{without[0].role.share.options()}."
            )

    def _abandon_all(self) -> None:
        """Break off what was begun, in work or on its way between workers."""
        for hand in self._busy():
            hand.kill()
        hands = [*self._busy(), *self.missed.hands]
        begun = [hand.errand for hand in hands if hand.errand is not None]
        begun += [errand for crew in self.crews for errand in crew.passed_on]
        for errand in begun:
            self._abandon(errand, "the batch was stopped")

    def _say_goodbye(self) -> None:
        """Let worker processes end by themselves."""
        hands = [hand for crew in self.crews for hand in crew.hands if hand.place]
        calls = [hand.actor.close.remote() for hand in hands]
        if calls:
            self.ray.wait(calls, num_returns=len(calls), timeout=_GOODBYE_S)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}".rstrip(": ")
