"""Publishes events over HTTP with the API key of a unit."""

import math
import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from urllib.request import HTTPSHandler, Request

import structlog
from pydantic import BaseModel, ValidationError

from contracts.cloudevent import CloudEvent
from contracts.envelope import CONTENT_TYPE, from_structured, to_structured
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
from contracts.events import BUS_TYPES
from contracts.trace import Status
from contracts.trials.dry_run import DryRun
from contracts.vocabulary import DEFAULT, Vocabulary
from producers import event_file
from producers.admission import RETRY_AFTER_S, admit, unavailable_error
from producers.conformance.one_host import opener_of_one_host
from producers.publisher import Accepted, Drained, Spooled, keep, set_aside
from producers.spool import Spool
from producers.texts import get_text

log = structlog.get_logger()
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


class _Answer(BaseModel):
    event_id: str
    content_id: str
    revision: int | None
    warnings: tuple[FieldWarning, ...] = ()
    trial: bool = False


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
        if not isinstance(event, CloudEvent):
            event = from_structured(dict(event))
        end = time.monotonic() + self.time_limit_s
        spool = self.spool if event.type in BUS_TYPES else None
        try:
            if spool and (self._was_just_away() or self._drain(end).left):
                raise unavailable_error()
            return self._send(event, end)
        except _NOT_NOW as not_now:
            if spool is None:
                raise
            return self._keep(spool, event, not_now)

    def drain(self) -> Drained:
        """Send spooled events, oldest first, until none is left or Loa can't take one."""
        return self._drain(None)

    def dry_run(self, event: CloudEvent | Mapping[str, Any]) -> DryRun:
        """Ask what would become of *event* now; nothing is stored.

        Raises ContractError for what Loa would refuse at once, or can't answer now.
        """
        if not isinstance(event, CloudEvent):
            event = from_structured(dict(event))
        end = time.monotonic() + self.time_limit_s
        return self._ask("/v1/dry-runs", to_structured(event), DryRun, end)

    def status(self, event_id: str) -> Status:
        """Where the item of an event is. Raises NotFound for an event of another unit, or none."""
        path = f"/v1/events/{quote(event_id, safe='')}"
        return self._ask(path, None, Status, time.monotonic() + self.time_limit_s)

    def _keep(self, spool: Spool, event: CloudEvent, reason: ContractError) -> Spooled:
        log.warning("door_away", reason=reason.code, error=_cause_of(reason))
        unit = event_file.find_sender(event, self._unit)
        return keep(spool, admit(event, unit, self._vocabulary))

    def _was_just_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _drain(self, end: float | None) -> Drained:
        """Drain the spool unless another thread or process does; send none after *end*."""
        drained = Drained()
        if self.spool and self._waiting(self.spool):
            with self.spool.draining() as is_drainer, suppress(*_NOT_NOW):
                if is_drainer:
                    self._send_waiting(self.spool, drained, end)
            drained.left = len(self._waiting(self.spool))
        return drained

    def _send_waiting(self, spool: Spool, drained: Drained, end: float | None) -> None:
        while waiting := self._waiting(spool):
            for path in waiting:
                self._send_spooled(spool, path, drained, end)
                if end is not None and time.monotonic() >= end:
                    return

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
        try:
            answer = self._ask("/v1/events", to_structured(event), _Answer, end)
        except _NOT_NOW:
            self._away_until = time.monotonic() + _AWAY_S
            raise
        self._away_until = -math.inf
        return Accepted(**dict(answer), duplicate=None)

    def _ask(self, path: str, body: bytes | None, model: type[_Model], end: float) -> _Model:
        """Loa's answer; the same request again until *end* where it can't take one now."""
        while True:
            left_s = end - time.monotonic()
            try:
                return self._ask_once(
                    path, body, model, max(_LEAST_S, min(self.patience_s, left_s))
                )
            except (Unavailable, RateLimited) as error:
                asked_s = RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
                wait_s = max(_LEAST_WAIT_S, asked_s)
                if time.monotonic() + wait_s >= end:
                    raise
            time.sleep(wait_s)

    def _ask_once(
        self, path: str, body: bytes | None, model: type[_Model], timeout_s: float
    ) -> _Model:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": CONTENT_TYPE}
        request = Request(self._url + path, body, headers)  # noqa: S310 -- the scheme is checked
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
                return model.model_validate_json(content)
            errors = _Problem.model_validate_json(content).errors
        except ValidationError as other:
            text = get_text("http", "not_loa", status=status)
            raise Unavailable(text.as_field_error("url")) from other
        error = _KINDS.get(status, Unavailable)(*errors, retry_after_s=_wait_s(headers))
        if isinstance(error, Unauthorized):
            self.refusal = error
        raise error


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


def _cause_of(error: ContractError) -> str | None:
    """The kind of failure of the connection behind *error*, if that was it."""
    silence = error.__cause__
    return type(getattr(silence, "reason", silence)).__name__ if silence else None


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
