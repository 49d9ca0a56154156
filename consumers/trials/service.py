"""Follows the bucket of trials: gives each event its position, and hands its mails to the ledger.

Any number of processes may run. Each step may be repeated after a crash at any point: a position is
given once, and a letter has the same id at every try.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from consumers.errors import KeyFileBroken
from consumers.intake.received import ReceivedEvent
from consumers.ledger.errors import LedgerError
from consumers.subscribers.transactional import TransactionalMailer
from consumers.trials.guests import GuestAddresses
from consumers.trials.items import TrialItem, publication_of, recipients, take_in
from consumers.trials.mails import LIFETIME, trial_mail
from consumers.trials.store import TrialStore
from contracts import envelope, events
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.case import CaseUpdated
from contracts.content import Withdrawn
from contracts.errors import ContractError, FieldError, Invalid, field_error
from contracts.publication import Publication
from contracts.trials.records import Guest, TrialEvent, TrialProgress, Unsent, item_key
from contracts.vocabulary import Vocabulary
from producers.bus import BusError

log = structlog.get_logger()
INTERVAL_S = 1.0
_MOST_OPEN_MAILS = 50
"""Of a unit, under way at a time: they share a lane and a bucket with notices to citizens."""
_DAMAGED = LedgerError, LookupError, ValueError
"""Of one record: a damaged one, a word of a newer version."""
_FAILURES = BusError, *_DAMAGED
"""Of one event: also a record too large for the bus."""


@dataclass
class TrialService:
    """Its parts reach no stream of events or publications, and no channel."""

    store: TrialStore
    mailer: TransactionalMailer
    addresses: GuestAddresses
    vocabulary: Vocabulary
    clock: Clock
    seen: TrialProgress = field(default_factory=TrialProgress)
    """The last change that was worked through."""
    seen_list: int = 0
    """The last change of a list of guests, or of keys, after which mails were taken back."""
    units_to_recall: set[str] = field(default_factory=set)
    """Units whose mails could not be taken back: tried again."""
    waiting: dict[str, TrialEvent] = field(default_factory=dict)
    """By key, without their texts, the events to try again, in the order of acceptance."""
    open_mails: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Unit → its mails that this process has begun, as far as they are not known to have ended."""

    async def follow(self) -> None:
        """Work through what is new, in the order of acceptance. Raises BusError.

        An event that fails, or finds too many mails of its unit under way, is tried again, and
        holds up later events of its item alone.
        """
        await self._recall_mails()
        await self._forget_ended_mails()
        last = await self.store.last_change()
        await self._try_again()
        if last == self.seen:
            return
        known = self.seen if self.seen.seen else await self.store.progress()
        async for event in self.store.open_events(known.seen_in(last) + 1):
            if event.key not in self.waiting and not await self._attempt(event, self.waiting):
                self.waiting[event.key] = event.model_copy(
                    update={"event": "", "publication": None}
                )
        self.seen = last
        if not self.waiting:
            await self.store.keep_progress(last)

    async def _try_again(self) -> None:
        left: dict[str, TrialEvent] = {}
        for key, known in self.waiting.items():
            if not self._has_room(known.unit):
                left[key] = known
                continue
            event = await self.store.event(known.unit, known.event_id)
            if event and not event.is_done and not await self._attempt(event, left):
                left[key] = known
        self.waiting = left

    async def _attempt(self, event: TrialEvent, earlier: Mapping[str, TrialEvent]) -> bool:
        """Work through *event* after *earlier* ones; False if it has to be tried again."""
        item = item_key(event.unit, event.content_id)
        if item in (item_key(one.unit, one.content_id) for one in earlier.values()):
            return False
        try:
            return await self._work_through(event)
        except _FAILURES as error:
            if event.key not in self.waiting:
                facts = {"unit": event.unit, "event_id": event.event_id}
                log.error("trial_failed", **facts, error=type(error).__name__)
            return False

    async def _recall_mails(self) -> None:
        """Take back what has not left of the mails to guests who are off their unit's list."""
        changed: set[str] = set()
        if (last := await self.store.units.last_seq()) != self.seen_list:
            changed = await self.store.changed_lists(self.seen_list + 1)
            self.units_to_recall |= changed
            self.seen_list = last
        for unit in sorted(self.units_to_recall):
            try:
                await self._recall_mails_of(unit)
                self.units_to_recall.remove(unit)
            except _DAMAGED as error:
                if unit in changed:
                    log.error("trial_recall_failed", unit=unit, error=type(error).__name__)

    async def _recall_mails_of(self, unit: str) -> None:
        since = utc_now(self.clock) - 2 * LIFETIME  # by the bus's time, which may differ
        guests = {guest.id for guest in await self.store.guests(unit)}
        async for event in self.store.changed_since(unit, since):
            for gone in event.mailed.keys() - guests:
                await self.mailer.recall(event.letter_id(gone))

    def _has_room(self, unit: str) -> bool:
        return len(self.open_mails[unit]) < _MOST_OPEN_MAILS

    async def _forget_ended_mails(self) -> None:
        """Look after the mails of units that may begin no more."""
        for unit, letters in self.open_mails.items():
            if not self._has_room(unit):
                letters -= {one for one in letters if not await self.mailer.is_open(one)}

    async def _work_through(self, event: TrialEvent) -> bool:
        """Decide on an event, and begin its mails; what was done before is not done again.

        False if its mails have to wait for others of its unit.
        """
        guests = {guest.id: guest for guest in await self.store.guests(event.unit)}
        if event.state == "received":
            event = await self._decide(event, guests)
        if event.publication is None or event.is_done:
            return True
        if event.mailed and not self._has_room(event.unit):
            return False
        unsent: dict[str, Unsent] = {}
        for guest_id in event.mailed:
            if reason := await self._send(event, event.publication, guests.get(guest_id)):
                unsent[guest_id] = reason
        await self.store.update_event(
            event, partial(_begun, unsent=unsent, now=utc_now(self.clock))
        )
        crash_point("trial.settled")
        return True

    async def _decide(self, event: TrialEvent, guests: Iterable[str]) -> TrialEvent:
        """Give an event its position in its item, at once, or refuse it as intake would."""
        try:
            checked = self._read(event)
            take = partial(take_in, checked=checked, guests=guests)
            item = await self.store.update_item(event.unit, event.content_id, take)
            crash_point("trial.position_taken")
        except ContractError as refusal:
            facts = {"event_id": event.event_id, "content_id": event.content_id}
            log.info("trial_refused", **facts, fields=events.loggable_fields(refusal.errors))
            refused = partial(_refused, errors=refusal.errors)
            return await self.store.update_event(event, refused)
        decided = await self.store.update_event(
            event, partial(_released, item=item, checked=checked, guests=guests)
        )
        crash_point("trial.decided")
        facts = {"event_id": event.event_id, "content_id": event.content_id}
        log.info("trial_released", **facts, unit=event.unit, guests=len(decided.mailed))
        return decided

    def _read(self, event: TrialEvent) -> ReceivedEvent:
        """The event as its door checked it. Raises ContractError."""
        sent = envelope.from_structured(event.event.encode())
        content = events.check(sent, self.vocabulary, is_new=False)
        if isinstance(content, CaseUpdated):
            raise Invalid(field_error("type", "type_closed", value=sent.type))
        return ReceivedEvent(event.unit, sent, content, event.at)

    async def _send(
        self, event: TrialEvent, item: Publication, guest: Guest | None
    ) -> Unsent | None:
        """Begin the mail to one guest, once; or return why it is not sent."""
        if guest is None:
            return "guest_removed"
        try:
            address = self.addresses.read(event.unit, guest)
        except KeyFileBroken:
            log.error("trial_guest_unreadable", unit=event.unit, guest=guest.id)
            return "guest_unreadable"
        now, had_earlier = utc_now(self.clock), event.mailed[guest.id]
        mail = trial_mail(item, address, self.vocabulary, now, is_correction=had_earlier)
        await self.mailer.send_once(event.letter_id(guest.id), mail)
        crash_point("trial.mail_begun")
        self.open_mails[event.unit].add(event.letter_id(guest.id))
        return None


def _refused(stored: TrialEvent, errors: Sequence[FieldError]) -> TrialEvent:
    if stored.state != "received":
        return stored
    update = {"state": "refused", "refused": tuple(errors), "event": ""}
    return stored.model_copy(update=update)


def _released(
    stored: TrialEvent, item: TrialItem, checked: ReceivedEvent, guests: Iterable[str]
) -> TrialEvent:
    """The event with its publication and who gets it; unchanged once that is stored."""
    if stored.state != "received":
        return stored
    publication = publication_of(item, checked)
    update = {
        "state": "withdrawn" if isinstance(checked.content, Withdrawn) else "released",
        "revision": item.position_of(checked.event_id),
        "publication": publication,
        "mailed": recipients(item, publication, guests) if publication else {},
        "event": "",
        "is_begun": publication is None,
    }
    return stored.model_copy(update=update)


def _begun(stored: TrialEvent, unsent: Mapping[str, Unsent], now: datetime) -> TrialEvent:
    """The event with nothing left to do; unchanged if another process was here before."""
    if stored.is_begun:
        return stored
    update = {"is_begun": True, "unsent": dict(unsent), "unsent_at": now if unsent else None}
    return stored.model_copy(update=update)
