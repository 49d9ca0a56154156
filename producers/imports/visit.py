"""One visit to one feed: request, parse, plan, send, store the state."""

import asyncio
from dataclasses import dataclass, field

import structlog
from structlog.contextvars import bound_contextvars

from contracts import events, keys, subjects
from contracts.base.conditional_response import ConditionalResponse
from contracts.base.times import Clock, utc_now
from contracts.cloudevent import CloudEvent
from contracts.envelope import decode
from contracts.errors import ContractError, FieldError, Unavailable, field_error
from contracts.vocabulary import Vocabulary
from producers.acceptance import Acceptance
from producers.admission import admit
from producers.bus import Bus, BusError, Message
from producers.gateway.access import BURST, EVENTS_PER_MINUTE
from producers.imports import next_state
from producers.imports.errors import FeedUnavailable, UnexpectedError
from producers.imports.feed_request import FeedRequest, HostPacing, Sleep
from producers.imports.feed_state import FeedState, FeedStateStore
from producers.imports.imported_articles import ImportedArticles
from producers.imports.isolate_errors import isolate_errors, log_unexpected
from producers.imports.next_state import ReadingResult
from producers.imports.parse.feed_document import parse_feed
from producers.imports.parse.feed_entry import UnreadableEntry
from producers.imports.plan import plan_events
from producers.imports.planned import ManualVisit, Reading
from producers.imports.sender import DraftSender
from producers.token_buckets import TokenBuckets
from producers.units.feed_settings import Feed
from producers.units.registry import RegisteredUnit

log = structlog.get_logger()
_VISIT_LEASE_S = 300.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: unit, feed, state and options."""

    registered_unit: RegisteredUnit
    feed: Feed
    state: FeedState
    manual: ManualVisit | None = None


@dataclass
class Importer:
    """Reads feeds of units. One per process; items of one unit are planned one visit at a time."""

    bus: Bus
    vocabulary: Vocabulary
    clock: Clock
    request: FeedRequest
    hosts: HostPacing
    sleep: Sleep = asyncio.sleep
    imported: dict[str, ImportedArticles] = field(default_factory=dict)
    unit_locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = FeedStateStore(self.bus)
        self.sender = DraftSender(
            Acceptance(self.bus, self.vocabulary, self.clock),
            TokenBuckets(EVENTS_PER_MINUTE, BURST, self.clock),
            self.clock,
            self.sleep,
            self.catch_up,
        )

    async def visit(
        self, registered_unit: RegisteredUnit, feed: Feed, manual: ManualVisit | None = None
    ) -> FeedState | None:
        """Read *feed* now; return the new state. None: another process is visiting the feed.

        Errors of the feed are part of the state. Raises BusError.
        """
        claimed = await self.states.claim(registered_unit.unit, feed, self.clock() + _VISIT_LEASE_S)
        if claimed is None:
            return None
        with bound_contextvars(unit=registered_unit.unit, feed=feed.feed_id):
            try:
                with isolate_errors(BusError):
                    visit = Visit(registered_unit, feed, claimed.value, manual)
                    state = await self.run_visit(visit)
                    await self.states.swap(registered_unit.unit, feed, state, claimed.revision)
            except UnexpectedError as odd:
                error = log_unexpected(odd)
                state = next_state.after_failure(claimed.value, feed, self.clock(), error)
                await self.states.swap(registered_unit.unit, feed, state, claimed.revision)
        return state

    async def run_visit(self, call: Visit) -> FeedState:
        feed, state = call.feed, call.state
        if unfit := settings_error(call.registered_unit.unit, feed, self.vocabulary):
            return self.record_failure(call, FeedUnavailable(unfit))
        try:
            response = await self.request_feed(call)
            if response.body is None:
                return next_state.after_unchanged(state, feed, self.clock(), response)
            result = await self.plan_and_send(call, response, response.body)
        except FeedUnavailable as away:
            return self.record_failure(call, away)
        except (Unavailable, BusError) as silence:
            log.warning("import_put_off", error=type(silence).__name__)
            return state.model_copy(update={"due": self.clock() + next_state.POSTPONED_S})
        _log_reading(result, feed)
        return next_state.after_reading(state, feed, self.clock(), result)

    async def request_feed(self, call: Visit) -> ConditionalResponse:
        """Request the feed; unconditionally for an operator's visit and for a first read."""
        state, url = call.state, next_state.request_url(call.feed, call.state)
        whole = call.manual is not None or not state.read
        async with self.hosts.turn(url):
            return await self.request(
                url, etag="" if whole else state.etag, last_modified="" if whole else state.modified
            )

    async def plan_and_send(
        self, call: Visit, response: ConditionalResponse, body: bytes
    ) -> ReadingResult:
        """Parse, plan and send. After Unavailable or BusError a part may have been sent."""
        member, feed, now = call.registered_unit, call.feed, utc_now(self.clock)
        source = response.url, response.charset
        document = await asyncio.to_thread(parse_feed, body, *source, now)  # slow for a large feed
        async with self.unit_locks.setdefault(member.unit, asyncio.Lock()):
            feeds = frozenset(feed.feed_id for feed in member.registration.feeds)
            now = utc_now(self.clock)
            reading = Reading(feed, document.entries, now, call.state, feeds, call.manual)
            imported = await self.catch_up(member.unit)
            plan = await asyncio.to_thread(plan_events, reading, imported)  # slow: compares texts
            result = ReadingResult(response, plan, document.title, document.ttl_s)
            for entry in document.unreadable:
                self.refuse_entry(call, result, entry)
            for draft in plan.drafts:
                result.record(draft, await self.sender.send(member, feed, draft))
            return result

    def refuse_entry(self, call: Visit, result: ReadingResult, entry: UnreadableEntry) -> None:
        """Record an unreadable entry; log it once."""
        result.refuse_entry(entry, utc_now(self.clock))
        if entry.key not in {refusal.key for refusal in call.state.refused}:
            log.warning("import_item_refused", fields=[entry.error.field], error=entry.kind)

    async def catch_up(self, unit: str) -> ImportedArticles:
        """The unit's imported articles, up to date with the log."""
        imported = await self.cached_articles(unit)
        subject = subjects.content(unit, "*")
        async for message in self.bus.scan(subjects.CONTENT.name, subject, imported.seq + 1):
            event = _decode_message(message)
            if event and await self.counts(event, imported, message.subject):
                imported.add_event(event, message.time)
            imported.seq = message.seq
        return imported

    async def cached_articles(self, unit: str) -> ImportedArticles:
        """The cached articles; empty if intake has refused a text that was counted.

        The log is read again then. Raises BusError.
        """
        imported = self.imported.setdefault(unit, ImportedArticles(unit))
        for event_id, content_hash in imported.unconfirmed.items():
            if await self.is_accepted(event_id, content_hash) is False:
                imported = self.imported[unit] = ImportedArticles(unit)
                break
        return imported

    async def counts(self, event: CloudEvent, imported: ImportedArticles, subject: str) -> bool:
        """Whether an event is of an imported item and counts: intake accepts or has accepted it.

        An accepted event counts even if contract or vocabulary have changed since; otherwise its
        item would be published twice. The import's own next text needs no look at its record.
        Raises BusError.
        """
        if event.type not in events.BUS_TYPES or not imported.concerns(event):
            return False
        fits = _is_admissible(event, imported.unit, subject, self.vocabulary)
        if fits and imported.is_own_next_text(event):
            return True
        event_id = keys.event_id(imported.unit, event.source, event.id)
        content_hash = keys.content_hash(event.type, event.data)
        verdict = await self.is_accepted(event_id, content_hash)
        counts = fits if verdict is None else verdict
        if counts and event.type != events.WITHDRAWN:
            imported.unconfirmed[event_id] = content_hash
        return counts

    async def is_accepted(self, event_id: str, content_hash: str) -> bool | None:
        """Whether the event is recorded without a refusal; None without a record.

        Intake may still refuse a recorded event. Raises BusError.
        """
        record = await self.sender.acceptance.find_record(event_id)
        if record is None:
            return None
        return record.hash == content_hash and not record.refused

    def record_failure(self, call: Visit, unavailable: FeedUnavailable) -> FeedState:
        state, error = call.state, unavailable.error
        if unavailable.is_gone:
            log.error("import_stopped")
            return next_state.after_end(state, self.clock(), unavailable)
        why = {"reason": error.message, "detail": unavailable.detail}
        log.warning("import_failed", field=error.field, **why, failures=state.failures + 1)
        return next_state.after_failure(state, call.feed, self.clock(), unavailable)


def _decode_message(message: Message) -> CloudEvent | None:
    """The event in a message; None for other content, for which intake stores a dead letter."""
    try:
        return decode(None, message.headers, message.data)
    except ContractError:
        return None


def _is_admissible(event: CloudEvent, unit: str, subject: str, vocabulary: Vocabulary) -> bool:
    """Whether the event is valid by the present contract."""
    try:
        return admit(event, unit, vocabulary).subject == subject
    except ContractError:
        return False


def _log_reading(result: ReadingResult, feed: Feed) -> None:
    response = result.response
    log.info("import_read", **{name: count for name, count in result.plan.counts.items() if count})
    if result.plan.held:
        log.warning("import_held", items=len(result.plan.held), most=feed.most)
    if response.moved_permanently and response.url != feed.url:
        log.info("import_moved")


def settings_error(unit: str, feed: Feed, vocabulary: Vocabulary) -> FieldError | None:
    """The error of settings that the present vocabulary does not allow."""
    if error := events.unit_error("unit", unit, vocabulary):
        return error
    if not vocabulary.knows("topic", feed.topic):
        return vocabulary.word_error("topic", "topic", feed.topic)
    if vocabulary.is_reserved(feed.topic):
        return field_error("topic", "own_topic", value=feed.topic)
    for audience in feed.audiences:
        if not vocabulary.knows("audience", audience):
            return vocabulary.word_error("audiences", "audience", audience)
    return None
