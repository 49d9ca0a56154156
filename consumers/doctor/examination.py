"""Run checks at the same time: a slow neighbour costs its own check, and no other.

Threads that a look-up of a name or a disk holds up are daemons: nothing waits for them at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from channels.daemon_threads import DaemonThreads
from consumers.doctor.finding import DoctorFinding, failed, silent, unusable
from consumers.progress import report_progress
from contracts.errors import ContractError
from producers.bus import BusError

Check = Callable[[], AsyncIterator[DoctorFinding]]
_REPORT_INTERVAL_S = 0.2


async def examine(checks: Mapping[str, Check], timeout_s: float) -> list[DoctorFinding]:
    """The findings of all *checks*, in their order; each has *timeout_s* for itself."""
    asyncio.get_running_loop().set_default_executor(DaemonThreads())
    tasks = [asyncio.create_task(_within(timeout_s, name, check)) for name, check in checks.items()]
    pending = set(tasks)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=_REPORT_INTERVAL_S)
        report_progress("checks", len(tasks) - len(pending), len(tasks))
    return [finding for task in tasks for finding in task.result()]


async def _within(timeout_s: float, name: str, check: Check) -> list[DoctorFinding]:
    """The findings of a check in its time, and why it was cut short, if it was."""
    findings: list[DoctorFinding] = []
    try:
        async with asyncio.timeout(timeout_s):
            async for finding in check():
                findings.append(finding)
    except TimeoutError:
        findings.append(silent(name, timeout_s))
    except ContractError as wrong:
        findings += unusable(name, wrong)
    except (BusError, OSError, ValueError) as error:
        findings.append(failed(name, error))
    return findings
