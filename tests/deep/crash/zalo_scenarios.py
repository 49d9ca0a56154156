"""How the crash points of the Zalo channel are reached."""

import time
from typing import Any

from tests.deep.crash.workload import Nudge, Workload

PATIENCE = 12


def lose_answer(route: str) -> Nudge:
    """Zalo does what it is asked, and its answer never arrives."""

    def before(work: Workload) -> None:
        work.answers_lost += 1
        work.stage.zalo("faults", {"route": route, "kind": "drop_after"})

    return before


def broadcast_receipt(work: Workload) -> None:
    """A broadcast whose answer is lost, then the receipt that tells how it ended.

    Another item's broadcast may have lost its answer instead: after a while, once more.
    """
    if work.broadcast is None or work.asked > PATIENCE:
        lose_answer("oa.message")(work)
        work.broadcast, work.asked = work.item("zalo"), 0
    elif work.broadcast.accepted:
        work.receipt(work.broadcast)
        work.asked += 1


def refresh_pair(work: Workload) -> None:
    """A pair that has to be renewed before its next use."""
    if work.short is None:
        work.ground.connect(1)
        time.sleep(1)
        work.short = work.item("zalo")


def reconsent(work: Workload) -> None:
    """The new pair died with the process; an administrator has to consent again."""
    work.ground.consent = True


def visit_account(deed: str, **facts: Any) -> Nudge:
    """Somebody new does something at Zalo, whose webhook tells of it."""

    def nudge(work: Workload) -> None:
        work.visitor(deed, **facts)

    return nudge
