"""The digest service: cut what is due, plan it, and reissue digests that were halted.

Digests are planned in the order of their issues: each one asks the earlier ones which recipients
have an item already. Any number of processes may run; the bucket and the ledger decide."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from consumers.digests.already_received import UNSENT_LETTERS
from consumers.digests.build import DigestBuilder
from consumers.digests.recipients import DigestRecipients
from consumers.digests.reissue import DigestReissuer, halt_issue, is_fully_sent
from consumers.digests.store import DigestStore, StoredIssue
from consumers.dispatch.handler import DoubtSource
from consumers.dispatch.planner import Planner
from consumers.dispatch.supersede import Supersession
from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.runtime.errors import RetryLater
from contracts.base.crash_points import crash_point
from contracts.delivery import ChannelName, Lane, PlanKey
from contracts.subscriptions.digest import FREQUENCIES, Issue
from producers.bus import BusError
from producers.bus.periodic import log_bus_error

log = structlog.get_logger()
INTERVAL_S = 5.0
_LOG_INTERVAL_S = 600.0
MAX_ITEM_WAIT_S = 2 * 3600.0


@dataclass
class DigestService(Planner):
    """Keep `run` running; `run_once` does everything that can be done now."""

    ledger: Ledger
    waker: Waker
    supersession: Supersession
    store: DigestStore
    builder: DigestBuilder
    reissuer: DigestReissuer
    recipients: DigestRecipients
    doubts: DoubtSource | None = None
    clock: Callable[[], float] = time.time
    logged_at: float = 0.0
    planned: set[PlanKey] = field(default_factory=set)  # planned, with all batches woken

    async def run(self) -> None:
        while True:
            try:
                await self.run_once()
            except RetryLater as later:
                if self.is_log_due():
                    log.info("digest_waits", reason=later.reason)
            except (LedgerError, *codec.DECODE_ERRORS) as broken:
                if self.is_log_due():
                    log.error("digest_stuck", reason=f"{type(broken).__name__}: {broken}"[:200])
            except BusError as trouble:
                log_bus_error(trouble)
            await asyncio.sleep(INTERVAL_S)

    def is_log_due(self) -> bool:
        """Whether the reason of a wait is to be logged again."""
        if self.clock() - self.logged_at < _LOG_INTERVAL_S:
            return False
        self.logged_at = self.clock()
        return True

    async def run_once(self) -> None:
        """Cut and plan what is due. Raises RetryLater when a digest has to wait, or BusError."""
        for frequency in FREQUENCIES:
            await self.builder.cut_if_due(frequency)
        while await self.process_open_digests():
            pass  # repeat after a reissue: the order has changed

    async def process_open_digests(self) -> bool:
        """Process every open digest, the oldest issue first; True after a reissue."""
        calls = (await self.store.open_digests()).calls
        latest = {name: (await self.store.all_issues(name))[-1] for name in calls}
        for name, stored in sorted(latest.items(), key=lambda pair: pair[1].order):
            facts = {"content_id": name, "revision": stored.issue.revision}
            with bound_contextvars(channel=ChannelName.EMAIL.value, **facts):
                if await self.is_halted(stored.issue):
                    await self.reissue(stored.issue)
                    return True
                await self.plan_issue(stored)
                if await self.is_halted(stored.issue):
                    return True
                if not self.will_expire(stored.issue):
                    await self.store.mark_done(name, calls[name])
        return False

    def will_expire(self, issue: Issue) -> bool:
        """Whether a text in it will expire; then it is checked once more."""
        return issue.expires_at is not None and issue.expires_at.timestamp() > self.clock()

    async def is_halted(self, issue: Issue) -> bool:
        """Whether the issue is halted; an outdated one is halted here.

        A newer position is registered before its dispatcher looks for digests. So either the
        dispatcher finds the issue, or this check finds the position before planning.
        """
        stored_plan = await self.ledger.plan(issue.plan)
        if stored_plan and stored_plan.value.halt:
            return True
        if issue.plan in self.planned and self.will_expire(issue):
            return False  # from here on the dispatcher of the newer position halts it
        if not (await self.reissuer.is_outdated(issue) or await self.blocked_items(issue)):
            return False
        if await self.has_nothing_to_send(issue):
            return False
        await halt_issue(self.supersession, issue)
        return True

    async def has_nothing_to_send(self, issue: Issue) -> bool:
        """Whether no mail of it is left that could be sent, or sent again."""
        if not await is_fully_sent(self.supersession, issue):
            return False
        async for _, entry in self.ledger.entries(issue.plan):
            if not UNSENT_LETTERS.isdisjoint(entry.value.rows):
                return False
        return True

    async def reissue(self, issue: Issue) -> None:
        """Store the next issue, once no mail of this one can leave. Raises RetryLater."""
        # Halt it again: the process that halted it may have died half-way.
        await halt_issue(self.supersession, issue)
        await self.supersession.require_settled([issue.plan])
        reissued = await self.store.store_reissue(await self.without_blocked_items(issue))
        remaining = sum(not item.out for item in reissued.issue.items)
        log.info("digest_issued_again", issue=reissued.issue.revision, items=remaining)

    async def without_blocked_items(self, issue: Issue) -> Issue:
        """Build the next issue; an item that blocked the others goes to a later digest."""
        renewed, late = await self.reissuer.next_issue(issue), set(await self.blocked_items(issue))
        if not late:
            return renewed
        await self.store.carry_over(issue.frequency, [issue.items[number].seq for number in late])
        log.warning("digest_item_put_off", items=len(late))
        items = list(renewed.items)
        for number in late:
            items[number] = items[number].model_copy(update={"out": True})
        return renewed.model_copy(update={"items": tuple(items)})

    async def blocked_items(self, issue: Issue) -> list[int]:
        """Return items whose unfinished plan has blocked the digest for hours."""
        if self.clock() - issue.issued.timestamp() < MAX_ITEM_WAIT_S:
            return []
        return [number async for number, _ in self.unplanned_items(issue)]

    async def plan_issue(self, stored: StoredIssue) -> None:
        """Plan an issue, once the plans of its items are complete. Raises RetryLater.

        On a resume all its batches are woken again; the queue drops the duplicates.
        """
        issue, plan = stored.issue, stored.issue.plan
        if plan in self.planned:
            return
        stored_plan = await self.ledger.plan(plan)
        if stored_plan is None or not stored_plan.value.complete:
            async for _, item_plan in self.unplanned_items(issue):
                raise RetryLater(INTERVAL_S, f"{item_plan} is not planned yet")
            await self.recipients.directory.ready()
            stored_plan = await self.ledger.create_plan(plan, await self.new_cursor(stored))
        await self.wake_batches(plan, range(stored_plan.value.stored_count), stored_plan.value)
        recipients_after = partial(self.recipients.recipients_after, issue)
        ended = (await self.plan_batches(plan, stored_plan, recipients_after)).value
        crash_point("digest.planned")
        self.planned.add(plan)
        log.info("digest_planned", batches=ended.count, recipients=ended.planned)

    async def new_cursor(self, stored: StoredIssue) -> PlanCursor:
        """Return the cursor of a new plan; in doubt if it may have existed before a restore."""
        due = stored.issue.due
        doubt = self.doubts is not None and await self.doubts.may_have_been_issued(due)
        return PlanCursor(source=stored.order, lane=Lane.BULK, doubt=doubt, created=self.clock())

    async def unplanned_items(self, issue: Issue) -> AsyncIterator[tuple[int, PlanKey]]:
        """Yield items whose own plan is not complete, by their number."""
        for number, item in enumerate(issue.items):
            plan = PlanKey(ChannelName.EMAIL, item.content_id, item.revision)
            stored_plan = None if item.out else await self.ledger.plan(plan)
            if not (item.out or (stored_plan and stored_plan.value.complete)):
                yield number, plan
