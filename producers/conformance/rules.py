"""Rules for a sender: each request by itself, and all of them together."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Literal

from pydantic import BaseModel

from contracts import envelope, events, subjects
from contracts.base.working_days import default_working_days
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted
from contracts.errors import ContractError, FieldError, Invalid
from contracts.events import CheckedEvent
from contracts.interruptions.notice_period import check_announced
from contracts.vocabulary import Vocabulary
from producers.admission import admit, expiry_times
from producers.conformance.recordings import DRY_RUNS_PATH, EVENTS_PATH, Sent
from producers.texts import get_text

_TOO_MANY = 429
_REQUESTS_FAULT = (401, 404, 405)
"""Refusals of a key, a path or a method: the event may come again as it is."""
_EARLY_S = 0.5
"""A repeat may come so much before Retry-After: clocks and timers are not exact."""


class Rule(StrEnum):
    """A rule for senders."""

    REQUEST = "request"
    EVENT = "event"
    SAME_ID = "same-id"
    SAME_BYTES = "same-bytes"
    NEW_ID = "new-id"
    REVISION = "revision"
    SUBJECT = "subject"
    MESSAGE_ID = "message-id"
    TRY_AGAIN = "try-again"
    RETRY_AFTER = "retry-after"
    STOP = "stop"
    VECTORS = "vectors"
    DOOR = "door"


class Finding(BaseModel):
    """A broken rule, or (`warning`) a difference that readers or operators will notice."""

    place: str
    """The file, and the line of a recording or the number of a request."""
    rule: Rule
    level: Literal["error", "warning"] = "error"
    field: str
    message: str
    message_vi: str


class RuleResult(BaseModel):
    """How often a rule was tried, and what was found; a rule that was not tried tells nothing."""

    rule: Rule
    tried: int = 0
    errors: int = 0
    warnings: int = 0


@dataclass(slots=True)
class _Known:
    """An event that was sent: what its first request said, and how it was answered last."""

    event: CheckedEvent
    place: str
    last: Sent


@dataclass(slots=True)
class Judge:
    """Judges requests in their order; `finish` judges what never came."""

    vocabulary: Vocabulary
    unit: str = ""
    findings: list[Finding] = field(default_factory=list)
    results: dict[Rule, RuleResult] = field(default_factory=dict)
    known: dict[str, _Known] = field(default_factory=dict)
    by_hash: dict[str, str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    message_ids: dict[str, str] = field(default_factory=dict)
    refused: dict[bytes, Sent] = field(default_factory=dict)
    """Broken events, and bodies that can't be read, with the request that was refused for each."""

    def judge(self, sent: Sent) -> None:
        """Judge one request or message, and each event in it."""
        if sent.headers is not None and not sent.subject:
            self._tried(Rule.REQUEST)
            for error in request_errors(sent):
                self._add(sent, Rule.REQUEST, error)
        found = [self._check(sent, event) for event in self._read(sent)]
        if sent.is_dry_run:
            return
        if None in found and _is_refused(sent.status):
            sent = replace(sent, status=None)  # other events of the batch may come again
        for event in filter(None, found):
            self._judge_event(sent, event)

    def finish(self) -> None:
        """Name the events that were never sent again after an answer that asks for it."""
        for event_id in self.open_events():
            known = self.known[event_id]
            self._tried(Rule.TRY_AGAIN)
            self._say(known.last, Rule.TRY_AGAIN, "id", "not_repeated", id=known.event.event.id)

    def open_events(self) -> list[str]:
        """The event_ids of the events that have to be sent again."""
        return [
            event_id
            for event_id, known in self.known.items()
            if known.last.status is not None and _asks_for_repeat(known.last.status)
        ]

    def check_all(self, sent: Sent) -> list[CheckedEvent]:
        """The events of a request, checked as the door does. Raises ContractError."""
        found = _events_in(sent)
        if _is_batch(sent):
            return envelope.read_each(found, partial(self._checked, sent))
        return [self._checked(sent, event) for event in found]

    def add_result(self, rule: Rule, findings: Iterable[Finding]) -> None:
        """Count one try of *rule* with these findings."""
        self._tried(rule)
        for finding in findings:
            self._append(finding)

    def _read(self, sent: Sent) -> list[CloudEvent]:
        try:
            return _events_in(sent)
        except ContractError as wrong:
            self._tried(Rule.EVENT)
            self._refuse(sent, wrong, _readable(sent))
            return []

    def _check(self, sent: Sent, event: CloudEvent) -> CheckedEvent | None:
        """The checked event, or None after its errors were noted."""
        self._tried(Rule.EVENT)
        try:
            checked = self._checked(sent, event)
        except ContractError as wrong:
            self._refuse(sent, wrong, event.model_dump_json(exclude={"time"}).encode())
            return None
        for warning in checked.warnings:
            self._add(sent, Rule.EVENT, warning, "warning")
        return checked

    def _checked(self, sent: Sent, event: CloudEvent) -> CheckedEvent:
        unit = self.unit or event.source.removeprefix(events.UNIT_SOURCE_PREFIX)
        types = events.BUS_TYPES if sent.subject else events.HTTP_TYPES
        if self.unit or unit != event.source:
            checked = admit(event, unit, self.vocabulary, types)
        else:  # only a key tells whose event it is
            content = events.check(event, self.vocabulary, accepted_types=types)
            checked = CheckedEvent("", event, content)
        _check_dates(checked.content)
        return checked

    def _judge_event(self, sent: Sent, event: CheckedEvent) -> None:
        known = self.known.get(event.event_id)
        if sent.subject:
            self._judge_message(sent, event)
        if _is_final(sent.status):
            self._tried(Rule.STOP)
        if known is None:
            self._judge_new(sent, event)
            self.known[event.event_id] = _Known(event, sent.place, sent)
            return
        self._judge_repeat(sent, event, known)
        known.last = sent

    def _judge_new(self, sent: Sent, event: CheckedEvent) -> None:
        content_hash = event.content_hash
        self._tried(Rule.NEW_ID)
        if earlier := self.by_hash.get(content_hash):
            self._say(sent, Rule.NEW_ID, "id", "new_id", id=event.event.id, place=earlier)
        self.by_hash.setdefault(content_hash, sent.place)
        if event.revision is None or _is_refused(sent.status):
            return
        newest = self.newest.get(event.content_id)
        if newest is not None:
            self._tried(Rule.REVISION)
        if newest is not None and event.revision <= newest and not earlier:
            values = {"revision": event.revision, "newest": newest}
            self._say(sent, Rule.REVISION, "data.revision", "revision", **values)
        self.newest[event.content_id] = max(newest or 0, event.revision)

    def _judge_repeat(self, sent: Sent, event: CheckedEvent, known: _Known) -> None:
        self._tried(Rule.SAME_ID)
        if event.content_hash != known.event.content_hash:
            if not _is_refused(known.last.status):  # a corrected event may keep its id
                self._say(sent, Rule.SAME_ID, "id", "same_id", place=known.place)
            known.event = event
            return
        self._tried(Rule.SAME_BYTES)
        if event.body != known.event.body:
            text = get_text("conformance", "same_bytes", place=known.place)
            self._add(sent, Rule.SAME_BYTES, text.as_field_error("event"), "warning")
        self._judge_answer(sent, known.last)

    def _judge_answer(self, sent: Sent, last: Sent) -> None:
        """Judge a repeat by the answer to the try before."""
        if last.status is None:
            return
        if _is_final(last.status):
            self._say_repeated(sent, last)
        elif _asks_for_repeat(last.status):
            self._tried(Rule.TRY_AGAIN)
            if last.retry_after_s and sent.at is not None and last.at is not None:
                self._tried(Rule.RETRY_AFTER)
                waited = sent.at - last.at
                if waited < last.retry_after_s - _EARLY_S:
                    values = {"waited": f"{waited:.1f}", "wanted": f"{last.retry_after_s:g}"}
                    self._say(sent, Rule.RETRY_AFTER, "Retry-After", "too_early", **values)

    def _judge_message(self, sent: Sent, event: CheckedEvent) -> None:
        """Judge the subject and the message id of a message on the bus."""
        self._tried(Rule.SUBJECT)
        unit = event.unit or [*sent.subject.split("."), ""][1]
        right = subjects.content(unit, events.kind_of(event.event.type))
        if sent.subject != right:
            self._say(sent, Rule.SUBJECT, "subject", "subject", value=sent.subject, right=right)
        self._tried(Rule.MESSAGE_ID)
        message_id = _header(sent, "nats-msg-id")
        own = f"{event.event.source}|{event.event.id}"
        earlier = self.message_ids.setdefault(message_id, event.event_id)
        if not message_id:
            self._say(sent, Rule.MESSAGE_ID, "Nats-Msg-Id", "no_message_id", right=own)
        elif earlier != event.event_id:
            self._say(sent, Rule.MESSAGE_ID, "Nats-Msg-Id", "message_id_taken", value=message_id)
        elif message_id != own:
            text = get_text("conformance", "other_message_id", value=message_id, right=own)
            self._add(sent, Rule.MESSAGE_ID, text.as_field_error("Nats-Msg-Id"), "warning")

    def _refuse(self, sent: Sent, wrong: ContractError, content: bytes) -> None:
        """Note the errors of *content*, and its repeat after a final refusal; asking is none."""
        for error in wrong.errors:
            self._add(sent, Rule.EVENT, error)
        if sent.is_dry_run:
            return
        if earlier := self.refused.get(content):
            self._say_repeated(sent, earlier)
        if _is_final(sent.status):
            self._tried(Rule.STOP)
            self.refused[content] = sent

    def _say_repeated(self, sent: Sent, last: Sent) -> None:
        values = {"place": last.place, "status": last.status}
        self._say(sent, Rule.STOP, "event", "repeated_refusal", **values)

    def _tried(self, rule: Rule) -> None:
        self.results.setdefault(rule, RuleResult(rule=rule)).tried += 1

    def _say(
        self,
        sent: Sent,
        rule: Rule,
        name: str,
        code: str,
        **values: object,
    ) -> None:
        self._add(sent, rule, get_text("conformance", code, **values).as_field_error(name))

    def _add(
        self,
        sent: Sent,
        rule: Rule,
        error: FieldError,
        level: Literal["error", "warning"] = "error",
    ) -> None:
        self._append(finding(sent.place, rule, error, level))

    def _append(self, found: Finding) -> None:
        self.findings.append(found)
        result = self.results.setdefault(found.rule, RuleResult(rule=found.rule))
        if found.level == "error":
            result.errors += 1
        else:
            result.warnings += 1


def finding(
    place: str, rule: Rule, error: FieldError, level: Literal["error", "warning"] = "error"
) -> Finding:
    """*error* as a finding of *rule* at *place*."""
    texts = {name: getattr(error, name) for name in ("field", "message", "message_vi")}
    return Finding(place=place, rule=rule, level=level, **texts)


def _asks_for_repeat(status: int) -> bool:
    """Whether an answer (0: none) means that the very same event has to be sent again."""
    return status in (0, 408, _TOO_MANY) or status >= 500


def _is_refused(status: int | None) -> bool:
    """Whether an answer is a refusal, after which Loa has kept nothing."""
    return status is not None and 400 <= status < 500 and not _asks_for_repeat(status)


def _is_final(status: int | None) -> bool:
    """Whether a refusal is for the event itself: it may not come again unchanged."""
    return _is_refused(status) and status not in _REQUESTS_FAULT


def _events_in(sent: Sent) -> list[CloudEvent]:
    """The events of a request. Raises ContractError as the door does."""
    if _is_batch(sent):
        return envelope.from_batch(sent.body)
    if sent.headers is None:
        return [envelope.from_structured(sent.body)]
    return [envelope.decode(None, sent.headers, sent.body)]


def _is_batch(sent: Sent) -> bool:
    if sent.headers is None:
        return sent.body.lstrip()[:1] == b"["
    return not sent.subject and envelope.mode(None, sent.headers) is envelope.Mode.BATCH


def request_errors(sent: Sent) -> Iterator[FieldError]:
    """Errors of a request besides its events: method, path, key."""
    if sent.method != "POST":
        yield get_text("conformance", "method", value=sent.method).as_field_error("method")
    if sent.path not in (EVENTS_PATH, DRY_RUNS_PATH):
        yield get_text("conformance", "path", value=sent.path).as_field_error("path")
    scheme, _, key = _header(sent, "authorization").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        yield get_text("conformance", "no_key").as_field_error("Authorization")


def _readable(sent: Sent) -> bytes:
    """Everything of a request that a door reads events from."""
    headers = {name.lower(): value for name, value in (sent.headers or {}).items()}
    read = {name: headers[name] for name in headers if name.startswith(("ce-", "content-type"))}
    return json.dumps(read, sort_keys=True).encode() + sent.body


def _header(sent: Sent, name: str) -> str:
    found = (value for header, value in (sent.headers or {}).items() if header.lower() == name)
    return next(found, "")


def _check_dates(content: events.Event) -> None:
    """Raise Invalid for a new event that the HTTP door refuses by the clock."""
    now = datetime.now(UTC)
    if times := expiry_times(content, now):
        raise Invalid(get_text("cli", "over", **times).as_field_error("data.expires_at"))
    if isinstance(content, Submitted) and not isinstance(content, Corrected):
        check_announced(content, now, default_working_days())
