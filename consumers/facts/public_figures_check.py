"""Rule of the portal's page of delivery figures: it says what the facts say."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

from channels.portal.writer.audit import FolderAudit
from consumers.check.context import CheckContext
from consumers.check.findings import Violation
from consumers.facts.days import last_day
from consumers.facts.public_figures import read_figures_up_to
from contracts.delivery import ChannelName, Lane
from contracts.facts.public_figures import PublicFigures

_RULE, _KEY = "figures-wrong", "hieu-nang"
_RENEWED_S = 7200.0
"""The age from which facts must be on the page, which is renewed each hour."""
_TOLD = timedelta(days=1)
"""The last day that is over may not be told yet."""


async def find_wrong_figures(context: CheckContext, audit: FolderAudit) -> list[Violation]:
    """Compare the figures that the portal's index has with the facts. Raises BusError."""
    shown = await asyncio.to_thread(_shown, audit)
    if shown is None or await context.excuses()(ChannelName.PORTAL, Lane.BULK):
        return []
    wanted, stored_at = await read_figures_up_to(context.bus, shown.last)
    now = context.time()
    if shown != wanted and now.is_overdue(stored_at, _RENEWED_S):
        return [_violation(f"the figures up to {shown.last} are not those of the facts")]
    oldest = last_day(lambda: now.now - _RENEWED_S) - _TOLD
    if shown.last < oldest and context.running_since and now.is_overdue(0.0, _RENEWED_S):
        return [_violation(f"the figures end on {shown.last}, and Loa renews them each hour")]
    return []


def _violation(detail: str) -> Violation:
    return Violation(rule=_RULE, key=_KEY, detail=detail)


def _shown(audit: FolderAudit) -> PublicFigures | None:
    """The figures in the index; None without any. Other rules tell of an unreadable index."""
    try:
        if not audit.has_index:
            return None
        with closing(audit.open_snapshot()) as snapshot:
            return snapshot.figures
    except (sqlite3.Error, OSError):
        return None
