"""Publishes events over HTTP with the API key of a unit."""

import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from urllib.request import HTTPSHandler, Request

from pydantic import BaseModel, ValidationError

from contracts.cloudevent import CloudEvent
from contracts.envelope import (
    BATCH_TYPE,
    CONTENT_TYPE,
    check_count,
    from_structured,
    read_each,
    to_structured,
)
from contracts.errors import (
    Conflict,
    ContractError,
    FieldError,
    FieldWarning,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
)
from contracts.events import BUS_TYPES, CheckedEvent
from contracts.trace import Status
from contracts.trials.dry_run import DryRun
from contracts.vocabulary import DEFAULT, Vocabulary
from loa_client.logger import get_logger
from producers import event_file
from producers.admission import RETRY_AFTER_S, admit, unavailable_error
from producers.conformance.one_host import opener_of_one_host
from producers.publisher import Accepted, Drained, Spooled, keep, keep_batch, set_aside
from producers.spool import Spool
from producers.texts import get_text

log = get_logger()
_NOT_NOW = (Unavailable, RateLimited, Unauthorized)
"""The errors that are not the event's fault: it is sent later."""
_KINDS: Mapping[int, type[ContractError]] = {
    kind.status: kind
    for kind in (
        Conflict, Forbidden, Invalid, NotFound, RateLimited, TooLarge, Unauthorized, Unreadable,
        UnsupportedMedia,
    )
}  # fmt: skip
_DONE = (200, 202)
_LEAST_S = 1.0
"""The time that a try has at least."""
_LEAST_WAIT_S = 0.2
"""The time between two tries at least."""
_AWAY_S = 5.0
"""How long events are kept at once after Loa was away."""
_TRIALS = "trial"
"""The folder in the spool for what a key for trials sends: it must never go out in earnest."""
_UNIT_OF_KEY = re.compile(r".*_([a-z0-9-]+)_[0-9a-f]{64}")
_Model = TypeVar("_Model", bound=BaseModel)
_Send = Callable[[float], list[Accepted]]
_Keep = Callable[[Spool, list[CloudEvent]], list[Spooled]]


class _Answer(BaseModel):
    event_id: str
    content_id: str
    revision: int | None
    warnings: tuple[FieldWarning, ...] = ()
    trial: bool = False


class _BatchAnswer(BaseModel):
    events: tuple[_Answer, ...]


@dataclass(frozen=True, slots=True)
class _Question(Generic[_Model]):
    """A request, and the model of Loa's answer to it."""

    path: str
    answer: type[_Model]
    body: bytes | None = None
    content_type: str = CONTENT_TYPE


class _Problem(BaseModel):
    errors: tuple[FieldError, ...]


class HttpPublisher:
    """Publishes the events of one unit at Loa's HTTP door, from any number of threads.

    Where Loa does not answer or asks for patience, the same event is sent again for *time_limit_s*,
    and then kept in the folder *spool*, if there is one: older events are always sent first, and
    for some seconds after Loa was away events are kept at once. Units may share the folder: each
    sends its own. What a key for trials keeps and sends lies in its folder `trial`. A case event,
    which has a person's address, is never kept. `refusal` says why Loa refuses the key, or why the
    address leads to no Loa that can be trusted; events are kept meanwhile.
    """

    def __init__(
        self,
        url: str,
        key: str,
        spool: Path | None = None,
        *,
        unit: str | None = None,
        vocabulary: Vocabulary = DEFAULT,
        ca_file: Path | None = None,
        patience_s: float = 5.0,
        time_limit_s: float = 10.0,
    ) -> None:
        """*unit* is needed only where the events' source does not name it.

        *vocabulary* is for events that are kept: of one that is sent Loa judges alone. Raises
        Invalid for an address or a key of no use, OSError for such a *ca_file*.
        """
        _check(url, key.strip())
        self.spool = Spool(spool, _TRIALS if _is_for_trials(key) else "") if spool else None
        self.refusal: ContractError | None = None
        self.patience_s, self.time_limit_s = patience_s, time_limit_s
        self._url, self._key = url.rstrip("/"), key.strip()
        self._unit, self._vocabulary = unit, vocabulary
        named = _UNIT_OF_KEY.fullmatch(self._key)
        self._spools_for = unit or (named[1] if named else None)  # None: every event that waits
        self._units: dict[Path, str | None] = {}
        self._away_until = -math.inf
        tls = HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
        self._opener = opener_of_one_host(tls)

    def publish(self, event: CloudEvent | Mapping[str, Any]) -> Accepted | Spooled:
        """Have Loa check and store *event*, or keep it where Loa can't be reached.

        Raises ContractError with Loa's errors, naming each wrong field; Unavailable or RateLimited
        if Loa can't take it now, and the spool is missing or full. A repeat is harmless, and gets
        the answer of the first time.
        """
        one = _as_event(event)
        [answer] = self._send_or_keep([one], lambda end: [self._send(one, end)], self._keep_each)
        return answer

    def publish_batch(
        self, events: Sequence[CloudEvent | Mapping[str, Any]]
    ) -> list[Accepted | Spooled]:
        """Send up to 100 events as one: all are taken, in their order, or none.

        While Loa is away they are kept, all or none, and then sent one by one. Raises as `publish`
        does; errors name the event, as in `[3].data.title`. With a case event among them nothing is
        kept. There is no batch over NATS.
        """
        check_count(len(events))
        batch = read_each(list(events), _as_event)
        return self._send_or_keep(batch, lambda end: self._send_batch(batch, end), self._keep_batch)

    def drain(self) -> Drained:
        """Send spooled events, oldest first, until none is left or Loa can't take one."""
        return self._drain(None)

    def dry_run(self, event: CloudEvent | Mapping[str, Any]) -> DryRun:
        """Ask what would become of *event* now; nothing is stored.

        Raises ContractError for what Loa would refuse at once, or can't answer now.
        """
        question = _Question("/v1/dry-runs", DryRun, to_structured(_as_event(event)))
        return self._ask(question, time.monotonic() + self.time_limit_s)

    def status(self, event_id: str) -> Status:
        """Where the item of an event is. Raises NotFound for an event of another unit, or none."""
        path = f"/v1/events/{quote(event_id, safe='')}"
        return self._ask(_Question(path, Status), time.monotonic() + self.time_limit_s)

    def _send_or_keep(
        self, events: list[CloudEvent], send: _Send, keep_all: _Keep
    ) -> list[Accepted | Spooled]:
        """Send *events* in one go after all older ones, or keep them. No case event is kept."""
        end, drained = time.monotonic() + self.time_limit_s, Drained()
        spool = self.spool if all(event.type in BUS_TYPES for event in events) else None
        try:
            if spool and (self._was_just_away() or (drained := self._drain(end)).left):
                raise unavailable_error()
            return [*send(end)]
        except _NOT_NOW as not_now:
            if spool is None:
                raise
            _log_why(not_now)
            kept = keep_all(spool, events)
        if drained.is_elsewhere:  # the other may have ended before the events were kept
            self._drain(end)
        return [*kept]

    def _keep_each(self, spool: Spool, events: list[CloudEvent]) -> list[Spooled]:
        return [keep(spool, self._admit(event)) for event in events]

    def _keep_batch(self, spool: Spool, events: list[CloudEvent]) -> list[Spooled]:
        return keep_batch(spool, read_each(events, self._admit))

    def _admit(self, event: CloudEvent) -> CheckedEvent:
        return admit(event, event_file.find_sender(event, self._unit), self._vocabulary)

    def _was_just_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _drain(self, end: float | None) -> Drained:
        """Drain the spool unless another thread or process does; send none after *end*."""
        drained = Drained()
        if self.spool:
            while self._drain_once(self.spool, drained, end):
                pass  # look again: others are kept until the lock is given back
            drained.left = len(self._waiting(self.spool))
        return drained

    def _drain_once(self, spool: Spool, drained: Drained, end: float | None) -> bool:
        """Whether all that waited was sent."""
        if not self._waiting(spool):
            return False
        with spool.draining() as is_drainer, suppress(*_NOT_NOW):
            drained.is_elsewhere = not is_drainer
            return is_drainer and self._send_waiting(spool, drained, end)
        return False

    def _send_waiting(self, spool: Spool, drained: Drained, end: float | None) -> bool:
        """Whether all were sent before *end*."""
        for path in self._waiting(spool):
            self._send_spooled(spool, path, drained, end)
            if end is not None and time.monotonic() >= end:
                return False
        return True

    def _waiting(self, spool: Spool) -> list[Path]:
        """The unit's events that wait, and damaged ones; another unit's wait for its own key."""
        waiting, own, known = spool.waiting(), self._spools_for, self._units
        if own is None:
            return waiting
        units = {path: known.get(path) or _unit_of(spool, path, own) for path in waiting}
        self._units = units
        return [path for path in waiting if units[path] == own]

    def _send_spooled(self, spool: Spool, path: Path, drained: Drained, end: float | None) -> None:
        try:
            until = end or time.monotonic() + self.time_limit_s
            drained.accepted.append(self._send(spool.read(path).event, until))
        except _NOT_NOW:
            raise
        except ContractError as error:
            set_aside(spool, path, error, drained)
        else:
            spool.remove(path)

    def _send(self, event: CloudEvent, end: float) -> Accepted:
        return _accepted(self._post(_Question("/v1/events", _Answer, to_structured(event)), end))

    def _send_batch(self, events: list[CloudEvent], end: float) -> list[Accepted]:
        body = b"[%b]" % b",".join(map(to_structured, events))
        answer = self._post(_Question("/v1/events", _BatchAnswer, body, BATCH_TYPE), end)
        return list(map(_accepted, answer.events))

    def _post(self, question: _Question[_Model], end: float) -> _Model:
        """Loa's answer; its absence is noted."""
        try:
            answer = self._ask(question, end)
        except _NOT_NOW:
            self._away_until = time.monotonic() + _AWAY_S
            raise
        self._away_until = -math.inf
        return answer

    def _ask(self, question: _Question[_Model], end: float) -> _Model:
        """Loa's answer; the same request again until *end* where it can't take one now."""
        while True:
            left_s = end - time.monotonic()
            try:
                return self._ask_once(question, max(_LEAST_S, min(self.patience_s, left_s)))
            except (Unavailable, RateLimited) as error:
                asked_s = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
                wait_s = max(_LEAST_WAIT_S, asked_s)
                if time.monotonic() + wait_s >= end:
                    raise
            time.sleep(wait_s)

    def _ask_once(self, question: _Question[_Model], timeout_s: float) -> _Model:
        given = {"Authorization": f"Bearer {self._key}", "Content-Type": question.content_type}
        url = self._url + question.path
        request = Request(url, question.body, given)  # noqa: S310 -- the scheme is checked
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                status, headers, content = answer.status, answer.headers, answer.read()
        except (OSError, HTTPException) as silence:
            wrong = _wrong_address(silence)
            self.refusal = wrong or self.refusal
            raise (wrong or unavailable_error()) from silence
        self.refusal = None
        try:
            if status in _DONE:
                return question.answer.model_validate_json(content)
            errors = _Problem.model_validate_json(content).errors
        except ValidationError as other:
            text = get_text("http", "not_loa", status=status)
            raise Unavailable(text.as_field_error("url")) from other
        error = _KINDS.get(status, Unavailable)(*errors, retry_after_s=_wait_s(headers))
        if isinstance(error, Unauthorized):
            self.refusal = error
        raise error


def _as_event(event: CloudEvent | Mapping[str, Any]) -> CloudEvent:
    return event if isinstance(event, CloudEvent) else from_structured(dict(event))


def _accepted(answer: _Answer) -> Accepted:
    return Accepted(**dict(answer), duplicate=None)


def _is_for_trials(key: str) -> bool:
    return key.strip().startswith("loatrial_")


def _wait_s(headers: Message) -> float | None:
    """The seconds that an answer asks to wait; None if it names none, as a date does."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() else None


def _unit_of(spool: Spool, path: Path, reader: str) -> str | None:
    """The unit of a spooled event, *reader* for a damaged file; None for one that is gone."""
    try:
        return spool.read(path).unit
    except ContractError:
        return reader
    except FileNotFoundError:
        return None


def _log_why(not_now: ContractError) -> None:
    """Log why events are kept: the kind of failure of the connection, or Loa's own words."""
    silence = not_now.__cause__
    error = type(getattr(silence, "reason", silence)).__name__ if silence else str(not_now)
    is_refusal = isinstance(not_now, Unauthorized)
    log.warning("door_refused" if is_refusal else "door_away", reason=not_now.code, error=error)


def _wrong_address(silence: Exception) -> Unavailable | None:
    """The error of a connection that no waiting mends: an untrusted server, an unknown name."""
    reason = getattr(silence, "reason", silence)
    if isinstance(reason, ssl.SSLError):
        detail = getattr(reason, "verify_message", "") or reason.reason or type(reason).__name__
        text = get_text("http", "untrusted", detail=detail)
    elif isinstance(reason, socket.gaierror):
        text = get_text("http", "unknown_host")
    else:
        return None
    return Unavailable(text.as_field_error("url"), retry_after_s=RETRY_AFTER_S)


def _check(url: str, key: str) -> None:
    """Raise Invalid for an address that is none, and for a key that can't be in a header."""
    errors = []
    if not url.startswith(("https://", "http://")):
        errors.append(get_text("http", "no_url").as_field_error("url"))
    if not (key and key.isascii() and key.isprintable()):
        errors.append(get_text("http", "no_key").as_field_error("key"))
    if errors:
        raise Invalid(*errors)
