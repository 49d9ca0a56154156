"""Plans with rows on their way, gathered while a status report reads the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from consumers.ledger import bulk, codec
from consumers.ledger.entry import OPEN_LETTERS, LedgerEntry
from consumers.ledger.moves import count_letters
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bucket

_MAX_PLANS = 200


class OpenPlan(BaseModel):
    """One item on one channel: `waiting` of `expected` rows are left.

    Messages to single people are counted together, with an empty `content_id`.
    """

    model_config = ConfigDict(frozen=True)

    channel: ChannelName
    content_id: str
    revision: int
    lane: Lane
    expected: int
    waiting: int
    since: datetime

    @property
    def ended(self) -> int:
        return max(self.expected - self.waiting, 0)


@dataclass(frozen=True, slots=True)
class _Open:
    """The open rows of one batch."""

    plan: PlanKey
    lane: Lane
    waiting: int
    rows: int
    created: float


@dataclass
class OpenPlans:
    """The batches that were read, by their last state."""

    batches: dict[BatchKey, _Open] = field(default_factory=dict)

    def add_batch(self, batch: BatchKey, entry: LedgerEntry) -> None:
        waiting = count_letters(entry, OPEN_LETTERS)
        is_personal = keys.is_personal(batch.content_id)
        plan = PlanKey(batch.channel, "", 0) if is_personal else batch.plan
        self.batches[batch] = _Open(plan, entry.lane, waiting, len(entry.rows), entry.created)

    async def load(self, ledger: Bucket) -> list[OpenPlan]:
        """The open plans, the most urgent lane first, then the oldest. Raises BusError."""
        found = list(self._open_plans())
        found = sorted(found, key=lambda plan: (plan.lane.rank, plan.since))[:_MAX_PLANS]
        named = {f"plan.{_key(plan)}": plan for plan in found if plan.content_id}
        cursors = {
            named[key]: bulk.decode_or_none(codec.decode_cursor, value.data)
            for key, value in (await ledger.get_many(list(named))).items()
        }
        return [
            plan.model_copy(update={"expected": cursor.planned + cursor.missing_count})
            if (cursor := cursors.get(plan))
            else plan
            for plan in found
        ]

    def _open_plans(self) -> Iterator[OpenPlan]:
        by_plan = sorted(self.batches.values(), key=lambda batch: batch.plan)
        for plan, group in groupby(by_plan, key=lambda batch: batch.plan):
            batches = list(group)
            waiting = sum(batch.waiting for batch in batches)
            if waiting:
                yield OpenPlan(
                    channel=plan.channel,
                    content_id=plan.content_id,
                    revision=plan.revision,
                    lane=batches[0].lane,
                    expected=sum(batch.rows for batch in batches),
                    waiting=waiting,
                    since=utc_time(min(batch.created for batch in batches if batch.waiting)),
                )


def _key(plan: OpenPlan) -> PlanKey:
    return PlanKey(plan.channel, plan.content_id, plan.revision)
