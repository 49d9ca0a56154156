"""An event loop in virtual time that runs many processes, and may freeze or kill any of them."""

import asyncio
import contextvars
import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

EPOCH_S = 1_800_000_000.0
SKEW_S = 2.4
"""Two wall clocks differ by less than the 5 s that the product allows for."""
ACTOR: contextvars.ContextVar["ProcessState | None"] = contextvars.ContextVar("actor", default=None)
BASE = contextvars.Context()


class ProcessState:
    """One process: what it has scheduled runs only while it is alive and not frozen."""

    def __init__(self, name: str, skew_s: float = 0.0) -> None:
        self.name = name
        self.skew_s = skew_s  # of its wall clock
        self.lag_s = 0.0  # how long its machine has been suspended: its monotonic clock stood still
        self.alive = True
        self.frozen = False
        self.cut_off = False  # from the bus
        self.held: deque[Handle] = deque()
        self.context = contextvars.Context()
        self.context.run(ACTOR.set, self)

    @property
    def place(self) -> str:
        """Name that its incarnations have in common."""
        return self.name.partition("#")[0]


class Handle:
    """Something to run, and whose it is; `when_s` is None for what runs at once."""

    __slots__ = ("actor", "args", "callback", "context", "stopped", "when_s")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
        when_s: float | None = None,
    ) -> None:
        self.callback, self.args, self.when_s = callback, args, when_s
        self.context = contextvars.copy_context() if context is None else context
        self.actor: ProcessState | None = self.context.get(ACTOR)
        self.stopped = False

    def cancel(self) -> None:
        self.stopped = True

    def cancelled(self) -> bool:
        return self.stopped

    def when(self) -> float:
        return self.when_s or 0.0


class VirtualLoop(asyncio.AbstractEventLoop):
    """Ready handles in order of arrival, timers in order of time; nothing waits for real."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self.ready: deque[Handle] = deque()
        self.timers: list[tuple[float, int, Handle]] = []
        self.count = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.roots: list[asyncio.Task[Any]] = []
        self.complaints: list[dict[str, Any]] = []

    # --- what asyncio asks for

    def time(self) -> float:
        actor = ACTOR.get()
        return self.now - actor.lag_s if actor else self.now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context)
        self.ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return self.call_at(self.time() + delay, callback, *args, **kw)

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        handle = Handle(callback, args, context, when)
        self.push(handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: Any = None, context: Any = None, **_: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name or "", context=context)
        self.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(context)

    # --- what the model asks for

    def push(self, handle: Handle) -> None:
        lag_s = handle.actor.lag_s if handle.actor else 0.0
        self.count += 1
        heapq.heappush(self.timers, (max(handle.when() + lag_s, self.now), self.count, handle))

    def later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> Handle:
        """Run something of the world: no process owns it, so nothing stops it."""
        handle = Handle(callback, args, BASE, self.now + delay_s)
        self.push(handle)
        return handle

    def spawn(self, actor: ProcessState, coro: Any) -> asyncio.Task[Any]:
        """Start a task of *actor*."""
        task = self.create_task(coro, context=actor.context.copy())
        self.roots.append(task)
        return task

    def thaw(self, actor: ProcessState, suspended_s: float = 0.0) -> None:
        """Go on; after a suspend, unlike after a stop, the monotonic clock has stood still."""
        actor.frozen = False
        actor.lag_s += suspended_s
        held, actor.held = actor.held, deque()
        for handle in held:
            if handle.when_s is None:
                self.ready.append(handle)
            else:
                self.push(handle)

    def run(self, until_s: float, done: Callable[[], bool] = lambda: False) -> None:
        """Run until nothing is left to do, time is over, or *done*."""
        asyncio._set_running_loop(self)
        try:
            while not done() and (handle := self.next(until_s)) is not None:
                self.steps += 1
                handle.context.run(handle.callback, *handle.args)
        finally:
            asyncio._set_running_loop(None)

    def next(self, until_s: float) -> Handle | None:
        """The next handle that may run now."""
        while True:
            if self.ready:
                handle = self.ready.popleft()
            elif self.timers and self.timers[0][0] <= until_s:
                when, _, handle = heapq.heappop(self.timers)
                self.now = max(self.now, when)
            else:
                return None
            if not handle.stopped and self.may_run(handle):
                return handle

    def may_run(self, handle: Handle) -> bool:
        actor = handle.actor
        if actor is None:
            return True
        if not actor.alive:
            return False
        if actor.frozen:
            actor.held.append(handle)
            return False
        if handle.when_s is not None and handle.when_s > self.now - actor.lag_s + 1e-9:
            self.push(handle)  # its machine was suspended meanwhile
            return False
        return True

    def close(self) -> None:
        """Unwind what the dead have left behind, without letting it do anything."""
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                close_suspended(task.get_coro())
        for leftover in (self.tasks, self.roots, self.ready, self.timers):
            leftover.clear()


def close_suspended(coro: Any) -> None:
    """End a suspended coroutine; one that waits again while it unwinds is ended again."""
    for _ in range(20):
        try:
            coro.close()
        except RuntimeError:
            continue
        return


def wall(loop: VirtualLoop) -> float:
    """Time by the clock of the process that runs now."""
    actor = ACTOR.get()
    return EPOCH_S + loop.now + (actor.skew_s if actor else 0.0)


@contextmanager
def virtual_clocks(loop: VirtualLoop) -> Iterator[None]:
    """Put *loop*'s time in the place of the machine's."""
    with (
        patch.object(time, "monotonic", loop.time),
        patch.object(time, "clock_gettime", lambda _: loop.now),
        patch.object(time, "time", lambda: wall(loop)),
    ):
        yield
