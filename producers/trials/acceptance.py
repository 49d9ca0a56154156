"""Accept trials: check them by the rules of events in earnest, then store them in their bucket."""

from collections.abc import Sequence
from functools import partial

from contracts import events
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.cloudevent import CloudEvent
from contracts.content import Withdrawn
from contracts.errors import Invalid, field_error
from contracts.events import CASE_UPDATED, CheckedEvent
from contracts.records import Ownership
from contracts.text.moments import VIETNAM
from contracts.trials.records import TrialEvent, TrialUse, event_key, item_key, use_key
from contracts.vocabulary import Vocabulary
from producers.acceptance import (
    ANSWER_TIMEOUT_S,
    AcceptedEvent,
    ExaminedEvent,
    check_event,
    check_not_expired,
    check_notice_period,
    check_same_content,
    check_unique_ids,
    create_or_read,
    limit_answer_time,
    map_all,
    map_in_turn,
)
from producers.bus import Bucket, records
from producers.units.registry import TrialUnit


class TrialAcceptance:
    """Acceptance of trials. It is given their bucket alone: it can store nothing elsewhere.

    A unit's trials have ids and items of their own, apart from those in earnest and from those of
    other units.
    """

    def __init__(
        self,
        bucket: Bucket,
        vocabulary: Vocabulary,
        clock: Clock,
        days: WorkingDays | None = None,
    ) -> None:
        self.bucket = bucket
        self.vocabulary = vocabulary
        self.clock = clock
        self.days = days or default_working_days()

    async def accept(
        self,
        member: TrialUnit,
        events: Sequence[CloudEvent],
        *,
        batch: bool = False,
        spent_s: float = 0.0,
    ) -> list[AcceptedEvent]:
        """Accept *events*, all or none; the arguments and the errors of `Acceptance.accept`."""
        async with limit_answer_time(spent_s):
            found = await self._examine(member, events, batch)
            await self._count([event for event, record in found if record is None])
            return [await self._store(*one) for one in found]

    async def examine(
        self,
        member: TrialUnit,
        events: Sequence[CloudEvent],
        *,
        batch: bool = False,
        spent_s: float = 0.0,
    ) -> list[ExaminedEvent]:
        """Check *events* as `accept` does, and store nothing. Raises like `accept`."""
        async with limit_answer_time(spent_s):
            found = await self._examine(member, events, batch)
        return [ExaminedEvent(*one) for one in found]

    async def _examine(
        self, member: TrialUnit, events: Sequence[CloudEvent], batch: bool
    ) -> list[tuple[CheckedEvent, TrialEvent | None]]:
        """Check *events*, and find the records of repeats. Raises ContractError."""
        admitted = await map_in_turn(batch, events, partial(self._check, member))
        check_unique_ids(admitted)
        known = await map_all(batch, admitted, self._known)
        return list(zip(admitted, known, strict=True))

    async def find_record(self, unit: str, event_id: str) -> TrialEvent | None:
        """The record of an accepted trial. Raises BusError."""
        value = await self.bucket.get(event_key(unit, event_id), patience_s=ANSWER_TIMEOUT_S)
        return TrialEvent.model_validate_json(value.data) if value else None

    async def _check(self, member: TrialUnit, event: CloudEvent) -> CheckedEvent:
        """Check *event*. A case notice is refused: it names a person, who may not get a trial."""
        if event.type == CASE_UPDATED:
            raise Invalid(field_error("type", "no_trial_of_case", value=event.type))
        find = partial(self.find_record, member.unit)
        return await check_event(member, self.vocabulary, find, event, events.BUS_TYPES)

    async def _known(self, admitted: CheckedEvent) -> TrialEvent | None:
        """The record of a repeat. Raises as the first acceptance would, Conflict."""
        record = await self.find_record(admitted.unit, admitted.event_id)
        check_same_content(admitted, record)
        if record is None:
            check_not_expired(admitted, utc_now(self.clock))
            if await self._item(admitted) is None:
                check_notice_period(admitted, utc_now(self.clock), self.days)
        return record

    async def _count(self, new: Sequence[CheckedEvent]) -> None:
        """Count a unit's *new* trials over all gateways. Raises RateLimited for too many."""
        if not new:
            return
        day = utc_now(self.clock).astimezone(VIETNAM).date()
        size = sum(len(one.body) for one in new)

        def add(known: TrialUse) -> TrialUse:
            return known.with_more(day, len(new), size)

        await records.update_or_create(self.bucket, use_key(new[0].unit), TrialUse, add)

    async def _store(self, admitted: CheckedEvent, known: TrialEvent | None) -> AcceptedEvent:
        """Store a new trial. Raises Conflict if its id was just used for another content."""
        record = known
        if record is None:
            new = await self._new_record(admitted)
            stored = await create_or_read(self.bucket, new.key, new.model_dump_json().encode())
            record = TrialEvent.model_validate_json(stored)
            check_same_content(admitted, record)
            crash_point("trial.stored")
        return AcceptedEvent(
            record.event_id,
            record.content_id,
            record.revision,
            admitted.warnings,
            is_known=known is not None,
        )

    async def _new_record(self, admitted: CheckedEvent) -> TrialEvent:
        item = await self._item(admitted) if isinstance(admitted.content, Withdrawn) else None
        return TrialEvent(
            hash=admitted.content_hash,
            unit=admitted.unit,
            content_id=admitted.content_id,
            revision=admitted.revision or (item.revision if item else 0) or None,
            type=admitted.event.type,
            at=utc_now(self.clock),
            event_id=admitted.event_id,
            event=admitted.body.decode(),
        )

    async def _item(self, admitted: CheckedEvent) -> Ownership | None:
        """The item as the unit's trials have it."""
        value = await self.bucket.get(item_key(admitted.unit, admitted.content_id))
        return Ownership.model_validate_json(value.data) if value else None
