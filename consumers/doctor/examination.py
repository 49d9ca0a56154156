"""Run checks at the same time: a slow neighbour costs its own check, and no other.

Threads that a look-up of a name or a disk holds up are daemons: nothing waits for them at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any

from consumers.doctor.finding import DoctorFinding, silent

Check = Callable[[], AsyncIterator[DoctorFinding]]


class _DaemonThreads(ThreadPoolExecutor):
    """An executor with a daemon thread for each piece of work; its end waits for none."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        Thread(target=_settle, args=(done, work, args, named), daemon=True).start()
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


def _settle(done: Future[Any], work: Callable[..., Any], args: Any, named: Any) -> None:
    """Give the result to *done*; another error than the system's ends the thread in the open."""
    done.set_running_or_notify_cancel()
    try:
        result = work(*args, **named)
    except (OSError, ValueError) as error:
        done.set_exception(error)
    else:
        done.set_result(result)


async def examine(checks: Mapping[str, Check], timeout_s: float) -> list[DoctorFinding]:
    """The findings of all *checks*, in their order; each has *timeout_s* for itself."""
    asyncio.get_running_loop().set_default_executor(_DaemonThreads())
    found = await asyncio.gather(
        *(_within(timeout_s, name, check) for name, check in checks.items())
    )
    return [finding for findings in found for finding in findings]


async def _within(timeout_s: float, name: str, check: Check) -> list[DoctorFinding]:
    """What a check has found in its time, and that it was cut short, if it was."""
    findings: list[DoctorFinding] = []
    try:
        async with asyncio.timeout(timeout_s):
            async for finding in check():
                findings.append(finding)
    except TimeoutError:
        findings.append(silent(name, timeout_s))
    return findings
