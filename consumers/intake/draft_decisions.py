"""The desk: drafts that wait for the Information Technology Centre, and the decisions on them.

A decision is an act of the editorial log, so the first of two reviewers wins. Here it is booked in
the position's record and carried out. The log says last what became of it, so that
`finish_interrupted` can complete a decision after a crash.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from pydantic import ValidationError

from consumers.editorial.log import EditorialLog
from consumers.intake import approval, desk_acts, item_log, items, written
from consumers.intake.approval import Draft
from consumers.intake.desk_acts import Withdrawal
from consumers.intake.errors import BrokenItem, Superseded
from consumers.intake.items import NOT_ADMITTED_CODE, Decision, Item, ItemSummary, Position
from consumers.intake.release import Releaser, build_publication
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.seals.publications import PublicationSeals
from contracts import keys, subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_now
from contracts.delivery import Lane
from contracts.desk.shown.internal_change import PLANNING, is_internal_change
from contracts.editorial import Action, ItemState
from contracts.errors import Conflict, ContractError, Forbidden, Invalid
from producers.bus import Bus, records, topology
from producers.bus.records import Versioned, require

log = structlog.get_logger()
_AT_ONCE = 250
"""Records that are read in one request, and parsed before other work has its turn."""


async def find_draft(bus: Bus, content_id: str, revision: int) -> Draft | None:
    """The draft of a revision that is on the desk. Raises BrokenItem."""
    state = await item_log.read(EditorialLog(bus), content_id)
    return desk_acts.drafts_of(content_id, state).get(revision)


@dataclass
class DraftDecisions:
    """Carries out decisions on drafts. Every method may be repeated."""

    bus: Bus
    clock: Callable[[], float]
    seals: PublicationSeals | None = None  # needed to release

    def __post_init__(self) -> None:
        self.repository = ItemRepository(self.bus)
        self.releaser = Releaser(self.bus, self.seals)
        self.log = EditorialLog(self.bus)

    async def waiting_drafts(self) -> list[Draft]:
        """Drafts that can be decided now, by readable records: highest lane first, then oldest."""
        items = await self.waiting_items()
        found = [_waiting_draft(name, state) for name, state in items.items()]
        return sorted(filter(None, found), key=_priority)

    async def waiting_items(self) -> dict[str, ItemState]:
        """The items whose newest revision can be decided now, by readable records."""
        return await self._waiting_by_record(await self.log.waiting_items())

    async def _waiting_by_record(self, items: Mapping[str, ItemState]) -> dict[str, ItemState]:
        """Those of *items* whose newest position waits: one request for many."""
        by_key = {keys.publication_key(name, one.revision): name for name, one in items.items()}
        wanted, found = [*by_key], dict[str, ItemState]()
        for first in range(0, len(wanted), _AT_ONCE):
            values = await self.repository.bucket.get_many(wanted[first : first + _AT_ONCE])
            for key, value in values.items():
                record = records.parse(Position, value.data)
                if record and record.state == "waiting":
                    found[by_key[key]] = items[by_key[key]]
        return found

    async def reject_by_rule(self, draft: Draft, rule: str, code: str) -> bool:
        """Reject a draft that waits as it was read, in the name of *rule*; False if it does not.

        Raises BrokenItem.
        """
        act = partial(desk_acts.rule_rejection_act, draft, rule, code, utc_now(self.clock))
        state = await item_log.act(self.log, draft.content_id, act)
        is_rejected = state.has_open_rejection and state.revision == draft.revision
        return is_rejected and await self.finish_draft(draft, state)

    async def finish_interrupted(self) -> int:
        """Complete decisions that a crash interrupted; returns how many drafts were completed."""
        finished, items = 0, await self.log.open_items()
        undecided = {name: one for name, one in items.items() if _waits_alone(one)}
        for content_id in await self._waiting_by_record(undecided):
            del items[content_id]
        for content_id, state in items.items():
            for draft in desk_acts.drafts_of(content_id, state).values():
                finished += await self.finish_draft(draft, state)
        return finished

    async def carry_out(self, content_id: str) -> None:
        """Carry out what the log says of an item: its position, a return, a decision.

        Raises BrokenItem, BusError. A repeat is harmless.
        """
        state = await item_log.read(self.log, content_id)
        drafts = desk_acts.drafts_of(content_id, state)
        for draft in drafts.values():
            await self.finish_draft(draft, state)
        record = await self.repository.position(content_id, state.revision)
        if record and record.state == "waiting":
            describe = partial(written.as_waiting, draft=drafts.get(state.revision), state=state)
            await self._describe_waiting(content_id, state.revision, describe)

    async def _describe_waiting(
        self, content_id: str, number: int, describe: Callable[[Position], Position]
    ) -> None:
        def transition(found: Position | None) -> Position:
            record = require(found)
            return describe(record) if record.state == "waiting" else record

        await self.repository.update_position(content_id, number, transition)

    async def take_position(self, draft: Draft) -> Position:
        """Give a text that was written at the desk its position. Raises Conflict if it is taken."""
        take = partial(written.with_position, draft=draft)
        item = await self.repository.update_item(draft.content_id, take)
        crash_point("desk.position_taken")
        first = written.first_position(draft, item)
        opened = await self.repository.open_position(draft.content_id, draft.revision, first)
        crash_point("desk.position_opened")
        log.info("draft_taken_in", draft=draft.key, unit=draft.unit)
        return opened.value

    async def finish_draft(self, draft: Draft, state: ItemState) -> bool:
        """Complete a decided draft; an unusable one is logged and left, and blocks no other.

        The repository raises LookupError or ValidationError for a lost or broken record.
        """
        try:
            return await self.try_finish(draft, state)
        except (ContractError, ValidationError, LookupError, TypeError) as broken:
            errors = broken.errors if isinstance(broken, ContractError) else ()
            fields = [one.field for one in errors]
            log.error("draft_unusable", draft=draft.key, error=type(broken).__name__, fields=fields)
            return False

    async def try_finish(self, draft: Draft, state: ItemState) -> bool:
        """Complete a decided draft; False if nothing was left to do."""
        record = await self.repository.position(draft.content_id, draft.revision)
        if record is None and state.is_given_up:
            act = partial(desk_acts.settle_act, draft, utc_now(self.clock))
            await item_log.act(self.log, draft.content_id, act)
            return True
        if record is None or record.code == NOT_ADMITTED_CODE:
            if not written.is_written(draft):
                return await self.leave_to_event(draft, record)
            record = await self.take_position(draft)
        decision = await self.decision_in_log(draft, state)
        if record.state == "waiting" and decision is None:
            return False
        is_rejected = state.has_open_rejection and draft.revision == state.revision
        if is_rejected and await self.is_carried_out(draft, record):
            await self.close(draft.content_id, draft.revision, record)
            return False
        if record.state == "waiting" and decision:
            record = await self.book(draft, decision)
            crash_point("desk.decided")
            facts = {"content_id": draft.content_id, "revision": draft.revision}
            log.info("draft_decided", verdict=decision.verdict, code=decision.code, **facts)
        await self.complete(draft, record)
        return True

    async def leave_to_event(self, draft: Draft, record: Position | None) -> bool:
        """Leave a text to its event, which takes the position; one that was refused is closed."""
        if record:
            await self.close(draft.content_id, draft.revision, record)
        return False

    async def is_carried_out(self, draft: Draft, record: Position) -> bool:
        """Whether a rejection is in the position's record, and the item's list is right."""
        item = await self.repository.item(draft.content_id)
        return record.state != "waiting" and (item is None or draft.revision not in item.waiting)

    async def receive(self, draft: Draft, rule: str, *, is_new: bool) -> ItemState:
        """Add the arrival of a revision that has no position yet: the log decides who has it.

        *is_new*: no revision of the item has one. Raises as `desk_acts.first_arrival_act`.
        """
        act = partial(desk_acts.first_arrival_act, draft, rule)
        state = await item_log.act(self.log, draft.content_id, act, is_new=is_new)
        crash_point("intake.received")
        return state

    async def add_draft(self, draft: Draft) -> None:
        """Add a draft to the desk, or complete the decision if one was made meanwhile."""
        arrival = partial(desk_acts.arrival_act, draft)
        state = await item_log.act(self.log, draft.content_id, arrival)
        record = await self.repository.position(draft.content_id, draft.revision)
        if record and record.state != "waiting":
            await self.complete(draft, record)
        elif logged := desk_acts.drafts_of(draft.content_id, state).get(draft.revision):
            await self.finish_draft(logged, state)

    async def note_outcome(self, content_id: str, number: int) -> None:
        """Say in the log what became of a revision, as far as its position's record has it."""
        if record := await self.repository.position(content_id, number):
            await self.close(content_id, number, record)

    async def carry_over(self) -> int:
        """Carry the drafts of an earlier version's bucket over to the log; returns how many.

        A start deletes the bucket once it is empty. What is not sealed, or unreadable, stays.
        """
        if not await topology.stream_exists(self.bus, f"KV_{subjects.DESK.name}"):
            return 0
        bucket, count = self.bus.bucket(subjects.DESK.name), 0
        async for key, value in bucket.values():
            try:
                await self.add_draft(Draft.model_validate_json(value.data))
            except (ContractError, ValidationError, LookupError, TypeError) as broken:
                log.error("draft_unreadable", draft=key, error=type(broken).__name__)
                continue
            await bucket.purge(key)
            count += 1
        if count:
            log.info("drafts_carried_over", count=count)
        return count

    async def record_withdrawal(self, content_id: str, withdrawal: Withdrawal) -> None:
        """Note in the log that an item was withdrawn.

        The item is withdrawn already, so a log that does not take it is only named. The unit
        answers for a person who, by the log's rules, may not withdraw it.
        """
        act = partial(desk_acts.withdrawal_act, withdrawal)
        by_unit = partial(desk_acts.withdrawal_act, withdrawal._replace(person=None))
        try:
            with suppress(Forbidden, Invalid):
                await item_log.act(self.log, content_id, act)
                return
            await item_log.act(self.log, content_id, by_unit)
        except ContractError as refusal:
            fields = [one.field for one in refusal.errors]
            log.error("withdrawal_not_in_log", content_id=content_id, fields=fields)

    async def drop_outdated(self, content_id: str, item: Item) -> None:
        """Remove drafts that can't be released any more: superseded, or withdrawn."""
        outdated = item.outdated
        for number in outdated:
            if await self.repository.position(content_id, number):
                record = await self.repository.close_position(content_id, number, item)
                crash_point("desk.overtaken")
                await self.close(content_id, number, record)
        if outdated:
            await self.repository.remove_waiting(content_id, outdated)

    async def decision_in_log(self, draft: Draft, state: ItemState) -> Decision | None:
        """The decision on the newest revision; an approval may have other acts behind it."""
        known = desk_acts.decision_of(state, draft)
        is_newest = draft.revision == state.revision
        if known or not (is_newest and desk_acts.is_approved(draft, state)):
            return known
        act = await item_log.find_approval(self.log, draft.content_id, state)
        return desk_acts.to_decision(act) if act else None

    async def begin_release(self, draft: Draft) -> ItemState:
        """Note in the log that an approved text leaves: from then on it is edited no more."""
        act = partial(desk_acts.release_act, draft, utc_now(self.clock))
        state = await item_log.act(self.log, draft.content_id, act)
        crash_point("desk.release_begun")
        return state

    async def book(self, draft: Draft, decision: Decision) -> Position:
        """Enter a decision in the position's record.

        Raises as `approval.record_decision`, and Conflict for an approval that was taken back.
        """
        is_approval = decision.verdict == "approved"
        state = await self.begin_release(draft) if is_approval else None

        def enter(found: Position | None) -> Position:
            record = approval.record_decision(found, decision, draft.key)
            if found is None or found.state != "waiting":
                return record
            if state and not desk_acts.is_approved(draft, state):
                raise Conflict(field_error("revision", "not_approved", value=draft.key))
            return written.with_summary(record, draft)

        return await self.repository.update_position(draft.content_id, draft.revision, enter)

    async def complete(self, draft: Draft, record: Position) -> Position:
        """Carry out the recorded decision, then say in the log what became of the draft.

        Raises Conflict if the decision was on another text.
        """
        if record.decision:
            approval.check_hash(draft.hash, approval.decided_hash(record))
        act = partial(desk_acts.decision_act, draft, record.decision)
        await item_log.act(self.log, draft.content_id, act)  # a backup may lack the act
        if record.is_due:
            state = await self.begin_release(draft)
            if desk_acts.is_approved(draft, state):
                record = await self.carry_out_approval(draft, record, state.ended)
            else:
                record = await self.released_elsewhere(draft, record)
        crash_point("desk.carried_out")
        await self.repository.remove_waiting(draft.content_id, (draft.revision,))
        crash_point("desk.settled")
        await self.close(draft.content_id, draft.revision, record)
        return record

    async def close(self, content_id: str, number: int, record: Position) -> None:
        """Say in the log what became of a draft by its position's record; a broken log is left."""
        now = utc_now(self.clock)

        def act(state: ItemState) -> Action | None:
            draft = desk_acts.drafts_of(content_id, state).get(number)
            return desk_acts.outcome_act(draft, record, now, state) if draft else None

        with suppress(BrokenItem):  # `loa check` names it
            await item_log.act(self.log, content_id, act)

    async def carry_out_approval(self, draft: Draft, record: Position, ended: int) -> Position:
        """Release an approved draft, or put it in force where readers have what it says."""
        if not await self.is_internal(draft):
            return await self.release_approved(draft, record, ended)
        item = require(await self.repository.item(draft.content_id))
        in_force = await self.repository.update_position(
            draft.content_id, draft.revision, lambda one: items.keep_from_readers(require(one))
        )
        facts = {"content_id": draft.content_id, "revision": draft.revision}
        log.info("internal_change_in_force", **facts)
        await self.drop_outdated(draft.content_id, item)
        return in_force

    async def is_internal(self, draft: Draft) -> bool:
        """Whether an approved draft changes nothing that readers have, or are about to have.

        A release that has begun goes on: the item's record decides.
        """
        if not draft.data.keys() & PLANNING:
            return False
        item = await self.repository.item(draft.content_id)
        if item is None or item.state != "released" or draft.revision in item.released:
            return False
        state, acts = await self.log.history(draft.content_id)
        number = max(state.out, item.revision)
        if not state.ended < number < draft.revision:
            return False
        known = state.hash_of(number)
        before = next((one.text.data for one in acts if one.text and one.hash == known), {})
        return is_internal_change(before, draft.data)

    async def release_approved(self, draft: Draft, record: Position, ended: int) -> Position:
        """Release an approved draft, unless a newer position was released first.

        Revisions up to *ended* were withdrawn.
        """
        text, at = draft.content, record.released_at or utc_now(self.clock)

        def fenced(item: Item | None) -> Item:
            known = items.require_owner(item, draft.unit, draft.content_id)
            if draft.revision <= ended and draft.revision not in known.released:
                raise Superseded
            return items.release(known, draft.revision, ItemSummary.of(text), at, text.not_before)

        try:
            item = await self.repository.update_item(draft.content_id, fenced)
        except Superseded:
            item = require(await self.repository.item(draft.content_id))
            return await self.repository.close_position(draft.content_id, draft.revision, item)
        crash_point("desk.item_released")
        released = build_publication(text, item, record.event_id)
        record = await self.releaser.publish_once(Versioned(record), released, draft.trace)
        await self.drop_outdated(draft.content_id, item)
        return record

    async def released_elsewhere(self, draft: Draft, record: Position) -> Position:
        """The position as another process has left it. Raises Conflict if the text is not out."""
        record = await self.repository.position(draft.content_id, draft.revision) or record
        if record.is_due:
            raise Conflict(field_error("revision", "not_approved", value=draft.key))
        return record


def _waits_alone(state: ItemState) -> bool:
    """Whether the item waits for a person, and no earlier revision is to be carried out."""
    return state.is_undecided and not state.approved


def _waiting_draft(content_id: str, state: ItemState) -> Draft | None:
    return desk_acts.drafts_of(content_id, state).get(state.revision)


def _priority(draft: Draft) -> tuple[int, datetime, str]:
    return Lane(draft.data.get("lane", Lane.NORMAL)).rank, draft.at, draft.key
