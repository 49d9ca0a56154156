"""Recordings of a sender: files of events, requests and messages as JSON Lines, HAR."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contracts.errors import Invalid
from producers.texts import get_text

EVENTS_PATH = "/v1/events"
DRY_RUNS_PATH = "/v1/dry-runs"
_LINES = (".jsonl", ".ndjson")
_ENDINGS = (".json", ".har", *_LINES)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request or message of a sender.

    *headers* is None for an event from a file. *subject*: of a message on the bus. *status*: the
    answer; 0 if the connection ended without one, None if the recording has none. *at*: seconds.
    *is_dry_run*: it only asks what would become of its events.
    """

    place: str
    body: bytes
    headers: Mapping[str, str] | None = None
    method: str = "POST"
    path: str = EVENTS_PATH
    subject: str = ""
    status: int | None = None
    retry_after_s: float = 0.0
    at: float | None = None
    is_dry_run: bool = False


def read_target(target: str) -> tuple[str, bool]:
    """The path of an address, and whether a request there is a dry run."""
    parts = urlsplit(target)
    return parts.path, parts.path == DRY_RUNS_PATH or "dry_run" in parse_qs(parts.query)


def read_recordings(paths: Iterable[Path]) -> Iterator[Sent]:
    """Everything in the files, and in those of the folders, by name. Raises Invalid."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if path.is_file() or file.suffix in _ENDINGS:
                yield from _read_file(file)


def _read_file(file: Path) -> Iterator[Sent]:
    try:
        text = file.read_bytes()
    except OSError as error:
        wrong = get_text("cli", "no_file", detail=error.strerror or error)
        raise Invalid(wrong.as_field_error(str(file))) from error
    if file.suffix in _LINES:
        lines = (line for line in enumerate(text.splitlines(), 1) if line[1].strip())
        for number, line in lines:
            yield _from_line(f"{file}:{number}", line)
    elif (entries := _har_entries(text)) is not None:
        for number, entry in enumerate(entries, 1):
            place = f"{file}:{number}"
            with _naming(place, "no_archived"):
                sent = _from_har(place, entry)
            if sent.method == "POST":
                yield sent
    else:
        yield Sent(str(file), text)


def _from_line(place: str, line: bytes) -> Sent:
    """A request, a message of the bus (`subject`), or an event."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or "specversion" in value:
        return Sent(place, line)
    with _naming(place, "no_recording"):
        path, is_dry_run = read_target(str(value.get("path") or value.get("url") or EVENTS_PATH))
        return Sent(
            place,
            _body(value),
            {str(name): str(text) for name, text in value["headers"].items()},
            str(value.get("method", "POST")),
            path,
            str(value.get("subject", "")),
            _status(value),
            float(value.get("retry_after_s", 0)),
            None if value.get("at") is None else float(value["at"]),
            is_dry_run,
        )


@contextmanager
def _naming(place: str, code: str) -> Iterator[None]:
    """Turn the errors of an object that is no recording into Invalid, with its place."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Invalid(get_text("conformance", code).as_field_error(place)) from error


def _status(answer: Mapping[str, Any]) -> int | None:
    status = answer.get("status")
    return None if status is None else int(status)


def _body(value: Mapping[str, Any]) -> bytes:
    """The body as it was sent: text, bytes in base64, or a JSON value."""
    if "body_base64" in value:
        try:
            return base64.b64decode(value["body_base64"], validate=True)
        except binascii.Error as error:
            raise ValueError(error) from error
    body = value["body"]
    written = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return written.encode()


def _har_entries(text: bytes) -> list[dict[str, Any]] | None:
    """The entries of an HTTP archive; None for another file."""
    try:
        value = json.loads(text)
        entries = value["log"]["entries"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return entries if isinstance(entries, list) else None


def _from_har(place: str, entry: Mapping[str, Any]) -> Sent:
    request = entry["request"]
    path, is_dry_run = read_target(str(request["url"]))
    return Sent(
        place,
        _archived_body(request.get("postData") or {}),
        {str(one["name"]): str(one["value"]) for one in request.get("headers", ())},
        str(request["method"]),
        path,
        status=_status(entry.get("response") or {}),
        is_dry_run=is_dry_run,
    )


def _archived_body(posted: Mapping[str, Any]) -> bytes:
    """The body of an archive: text, or what some programs write in base64 and mark so."""
    text = str(posted.get("text", ""))
    return _body({"body_base64" if posted.get("encoding") == "base64" else "body": text})
