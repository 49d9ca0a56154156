"""The desk: drafts that wait for the Information Technology Centre, and the decisions on them.

A decision is a compare-and-set on the position's record, so the first of two reviewers wins. The
decision is then carried out. The draft leaves the desk last, so that `finish_interrupted` can
complete a decision after a crash.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from pydantic import ValidationError

from consumers.intake import approval, items
from consumers.intake.approval import Draft, Reviewer
from consumers.intake.errors import Superseded
from consumers.intake.items import Decision, Item, ItemSummary, Position
from consumers.intake.release import Releaser, build_publication
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.seals.publications import PublicationSeals
from contracts import keys, subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_now
from contracts.delivery import Lane
from contracts.errors import Conflict, ContractError, Invalid
from producers.bus import Bus, RevisionConflict, records
from producers.bus.records import Versioned, require

log = structlog.get_logger()


@dataclass
class Desk:
    """Drafts, and the decisions on them. Every method may be repeated."""

    bus: Bus
    clock: Callable[[], float]
    seals: PublicationSeals | None = None  # needed to release

    def __post_init__(self) -> None:
        self.repository = ItemRepository(self.bus)
        self.releaser = Releaser(self.bus, self.seals)
        self.bucket = self.bus.bucket(subjects.DESK.name)

    async def waiting_drafts(self) -> list[Draft]:
        """Drafts that can be decided now, by readable records: highest lane first, then oldest."""
        drafts = {draft.key: draft async for draft in self.all_drafts()}
        values = await self.repository.bucket.get_many(list(drafts))
        positions = {key: records.parse(Position, one.data) for key, one in values.items()}
        waiting = [drafts[key] for key, one in positions.items() if one and one.state == "waiting"]
        return sorted(waiting, key=_priority)

    async def approve(
        self,
        content_id: str,
        approver: str | Reviewer,
        *,
        revision: int | None = None,
        content_hash: str | None = None,
    ) -> Position:
        """Release a draft: the newest that waits, unless *revision* names one.

        Raises Forbidden for its author; Conflict when the content differs from the reviewed one,
        is superseded, or was rejected before; Invalid when no draft waits.
        """
        by = approval.reviewer("approver", approver)
        number = revision or await self.newest_waiting(content_id)
        record = await self.repository.position(content_id, number)
        if record:
            approval.check_four_eyes(record, by)
            approval.check_reviewed_hash(record, content_hash)
        decision = Decision(verdict="approved", by=by.by, at=utc_now(self.clock))
        record = await self.decide(content_id, number, decision)
        if record.state != "released":
            key = keys.publication_key(content_id, number)
            raise Conflict(field_error("revision", "overtaken", value=key))
        return record

    async def reject(
        self,
        content_id: str,
        reviewer: str | Reviewer,
        *,
        revision: int | None = None,
        code: str = "",
        reason: str = "",
    ) -> Position:
        """Reject a draft with a code of `rejections.toml` or a reason. Raises as `approve`."""
        code, reason = approval.rejection(code, reason)
        by = approval.reviewer("clerk", reviewer).by
        number = revision or await self.newest_waiting(content_id)
        now = utc_now(self.clock)
        decision = Decision(verdict="rejected", by=by, at=now, code=code, reason=reason)
        return await self.decide(content_id, number, decision)

    async def finish_interrupted(self) -> int:
        """Complete decisions that a crash interrupted; returns how many drafts were completed."""
        finished = 0
        async for draft in self.all_drafts():
            finished += await self.finish_draft(draft)
        return finished

    async def finish_draft(self, draft: Draft) -> bool:
        """Complete a decided draft; an unusable one is logged and left, and blocks no other.

        The repository raises LookupError or ValidationError for a lost or broken record.
        """
        try:
            record = await self.repository.position(draft.content_id, draft.revision)
            if record is None or record.state == "waiting":
                return False
            await self.complete(draft, record)
        except (ContractError, ValidationError, LookupError, TypeError) as broken:
            errors = broken.errors if isinstance(broken, ContractError) else ()
            fields = [one.field for one in errors]
            log.error("draft_unusable", draft=draft.key, error=type(broken).__name__, fields=fields)
            return False
        return True

    async def add_draft(self, draft: Draft) -> None:
        """Add a draft to the desk, or complete the decision if one was made meanwhile."""
        try:
            await self.bucket.create(draft.key, draft.model_dump_json().encode())
        except RevisionConflict:
            log.debug("draft_already_there", draft=draft.key)
        record = await self.repository.position(draft.content_id, draft.revision)
        if record and record.state != "waiting":
            await self.complete(draft, record)

    async def drop_outdated(self, content_id: str, item: Item) -> None:
        """Remove drafts that can't be released any more: superseded, or withdrawn."""
        outdated = item.outdated
        for number in outdated:
            if await self.repository.position(content_id, number):
                await self.repository.close_position(content_id, number, item)
            crash_point("desk.overtaken")
            await self.remove_draft(content_id, number)
        if outdated:
            await self.repository.remove_waiting(content_id, outdated)

    async def decide(self, content_id: str, number: int, decision: Decision) -> Position:
        item = await self.repository.item(content_id)
        if item and number in item.outdated:
            await self.drop_outdated(content_id, item)
        key = keys.publication_key(content_id, number)
        draft = (await records.read(self.bucket, key, Draft)).value
        if draft:
            draft.verify_hash()
        book = partial(approval.record_decision, decision=decision, key=key)
        record = await self.repository.update_position(content_id, number, book)
        crash_point("desk.decided")
        facts = {"content_id": content_id, "revision": number}
        log.info("draft_decided", verdict=decision.verdict, code=decision.code, **facts)
        return await self.complete(draft, record) if draft else record

    async def complete(self, draft: Draft, record: Position) -> Position:
        """Carry out the recorded decision, then remove the draft from the desk."""
        if record.state == "released" and record.seq is None:
            record = await self.release_approved(draft, record)
        crash_point("desk.carried_out")
        await self.repository.remove_waiting(draft.content_id, (draft.revision,))
        crash_point("desk.settled")
        await self.remove_draft(draft.content_id, draft.revision)
        return record

    async def release_approved(self, draft: Draft, record: Position) -> Position:
        """Release an approved draft, unless a newer position was released first."""
        text, at = draft.content, record.released_at or utc_now(self.clock)

        def fenced(item: Item | None) -> Item:
            known = items.require_owner(item, draft.unit, draft.content_id)
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

    async def remove_draft(self, content_id: str, number: int) -> None:
        key = keys.publication_key(content_id, number)
        if await self.bucket.get(key):
            await self.bucket.purge(key)

    async def newest_waiting(self, content_id: str) -> int:
        """The item's newest waiting position. Raises Invalid when none waits."""
        item = await self.repository.item(content_id)
        if item is None or not item.waiting:
            raise Invalid(field_error("content_id", "not_waiting", value=content_id))
        return max(item.waiting)

    async def all_drafts(self) -> AsyncIterator[Draft]:
        """Every readable draft; an unreadable one is logged and skipped."""
        async for key, value in self.bucket.values():
            try:
                draft = Draft.model_validate_json(value.data)
            except ValidationError:
                log.error("draft_unreadable", draft=key)
                continue
            yield draft


def _priority(draft: Draft) -> tuple[int, datetime, str]:
    return Lane(draft.data.get("lane", Lane.NORMAL)).rank, draft.at, draft.key
