"""The desk: what waits for the Information Center's approval, and what becomes of it.

A decision is a compare-and-set on the position's record, so of two clerks one is first. What was
decided is then carried out; the draft leaves the desk last, so that `resume` can finish what a
crash cut short.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from pydantic import ValidationError

from consumers import drafts, items
from consumers.drafts import Draft
from consumers.faults import fault
from consumers.items import Card, Decision, Item, Overtaken, Position
from consumers.register import Held, Register
from consumers.release import Release
from contracts import keys, subjects
from contracts.crash import crash_point
from contracts.delivery import Lane
from contracts.errors import Conflict, ContractError, Invalid
from producers import bus as nats
from producers.bus import Bus

log = structlog.get_logger()


@dataclass
class Desk:
    """Drafts, and the decisions on them. Every method may be repeated."""

    bus: Bus
    register: Register
    release: Release
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.DESK.name)

    async def waiting(self) -> list[Draft]:
        """What can be decided now: highest lane first, then oldest."""
        found = [draft async for draft in self.drafts()]
        records = await self.register.bucket.many([draft.key for draft in found])
        open_keys = {
            key
            for key, value in records.items()
            if Position.model_validate_json(value.data).state == "waiting"
        }
        return sorted((one for one in found if one.key in open_keys), key=_urgency)

    async def approve(
        self,
        content_id: str,
        approver: str,
        *,
        revision: int | None = None,
        content_hash: str | None = None,
    ) -> Position:
        """Release a draft: the only one of its item, unless *revision* says which.

        Raises Forbidden for its author, Conflict when the content is not the one that was shown,
        was overtaken, or was turned down by somebody; Invalid when nothing waits.
        """
        by = drafts.clerk("approver", approver)
        number = revision or await self.newest(content_id)
        record = await self.register.position(content_id, number)
        if record:
            drafts.check_eyes(record, by)
            drafts.check_content(record, content_hash)
        decision = Decision(verdict="approved", by=by, at=self.now())
        record = await self.decide(content_id, number, decision)
        if record.state != "released":
            key = keys.publication_key(content_id, number)
            raise Conflict(fault("revision", "overtaken", value=key))
        return record

    async def reject(
        self,
        content_id: str,
        clerk: str,
        *,
        revision: int | None = None,
        code: str = "",
        reason: str = "",
    ) -> Position:
        """Turn a draft down, with a code of `rejections.toml` or a reason. Raises as `approve`."""
        code, reason = drafts.why(code, reason)
        by = drafts.clerk("clerk", clerk)
        number = revision or await self.newest(content_id)
        decision = Decision(verdict="rejected", by=by, at=self.now(), code=code, reason=reason)
        return await self.decide(content_id, number, decision)

    async def resume(self) -> int:
        """Carry out what was decided and cut short; says how many drafts that concerned."""
        finished = 0
        async for draft in self.drafts():
            finished += await self.finished(draft)
        return finished

    async def finished(self, draft: Draft) -> bool:
        """Complete a decided draft; one that can't be is left for a person, and holds up no other.

        A register that has lost or broken the draft's record raises LookupError or ValidationError.
        """
        try:
            record = await self.register.position(draft.content_id, draft.revision)
            if record is None or record.state == "waiting":
                return False
            await self.complete(draft, record)
        except (ContractError, ValidationError, LookupError, TypeError) as broken:
            errors = broken.errors if isinstance(broken, ContractError) else ()
            fields = [one.field for one in errors]
            log.error("draft_unusable", draft=draft.key, error=type(broken).__name__, fields=fields)
            return False
        return True

    async def put(self, draft: Draft) -> None:
        """Lay a draft on the desk; if it was decided meanwhile, carry that out instead."""
        try:
            await self.bucket.create(draft.key, draft.model_dump_json().encode())
        except nats.Conflict:
            log.debug("draft_already_there", draft=draft.key)
        record = await self.register.position(draft.content_id, draft.revision)
        if record and record.state != "waiting":
            await self.complete(draft, record)

    async def tidy(self, content_id: str, item: Item) -> None:
        """Take off the desk what can't be released any more: overtaken, or withdrawn."""
        outdated = item.outdated
        for number in outdated:
            if await self.register.position(content_id, number):
                await self.register.end(content_id, number, item)
            crash_point("desk.overtaken")
            await self.remove(content_id, number)
        await self.settle(content_id, outdated)

    async def decide(self, content_id: str, number: int, decision: Decision) -> Position:
        """Book a decision and carry it out."""
        item = await self.register.item(content_id)
        if item and number in item.outdated:
            await self.tidy(content_id, item)
        key = keys.publication_key(content_id, number)
        value = await self.bucket.get(key)
        draft = Draft.model_validate_json(value.data) if value else None
        if draft:
            draft.verify()
        book = partial(drafts.decide, decision=decision, key=key)
        record = await self.register.change_position(content_id, number, book)
        crash_point("desk.decided")
        facts = {"content_id": content_id, "revision": number}
        log.info("draft_decided", verdict=decision.verdict, code=decision.code, **facts)
        return await self.complete(draft, record) if draft else record

    async def complete(self, draft: Draft, record: Position) -> Position:
        """Carry out what the record says, then take the draft off the desk."""
        if record.state == "released" and record.seq is None:
            record = await self.carry_out(draft, record)
        crash_point("desk.carried_out")
        await self.settle(draft.content_id, (draft.revision,))
        crash_point("desk.settled")
        await self.remove(draft.content_id, draft.revision)
        return record

    async def carry_out(self, draft: Draft, record: Position) -> Position:
        """Release an approved draft, unless something newer was released first."""
        text, at = draft.text, record.released_at or self.now()

        def fenced(item: Item | None) -> Item:
            known = items.owned(item, draft.unit, draft.content_id)
            return items.release(known, draft.revision, Card.of(text), at, text.not_before)

        try:
            item = await self.register.change_item(draft.content_id, fenced)
        except Overtaken:
            return await self.register.overtaken(draft.content_id, draft.revision)
        crash_point("desk.item_released")
        record = await self.release.text(item, text, Held(record))
        await self.tidy(draft.content_id, item)
        return record

    async def settle(self, content_id: str, numbers: tuple[int, ...]) -> None:
        """Take positions off the item's own list."""
        if numbers:
            await self.register.settle(content_id, numbers)

    async def remove(self, content_id: str, number: int) -> None:
        key = keys.publication_key(content_id, number)
        if await self.bucket.get(key):
            await self.bucket.purge(key)

    async def newest(self, content_id: str) -> int:
        """The position of the item that waits. Raises Invalid when none does."""
        item = await self.register.item(content_id)
        if item is None or not item.waiting:
            raise Invalid(fault("content_id", "not_waiting", value=content_id))
        return max(item.waiting)

    async def drafts(self) -> AsyncIterator[Draft]:
        """Every draft that can be read; one that can't is left for a person."""
        async for key, value in self.bucket.values():
            try:
                draft = Draft.model_validate_json(value.data)
            except ValidationError:
                log.error("draft_unreadable", draft=key)
                continue
            yield draft

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def _urgency(draft: Draft) -> tuple[int, datetime, str]:
    return Lane(draft.data.get("lane", Lane.NORMAL)).rank, draft.at, draft.key
