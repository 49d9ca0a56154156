"""Check an event as Loa's gateway does, with errors that a test can print."""

from collections.abc import Mapping
from typing import Any

from contracts import envelope, events
from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError
from contracts.testing.errors import ContractBroken
from contracts.vocabulary import DEFAULT, Vocabulary


def check_event(
    event: bytes | str | dict[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    unit: str | None = None,
    vocabulary: Vocabulary = DEFAULT,
) -> events.Event:
    """Parse *event* as the gateway does. Raises ContractBroken.

    With *headers*, the mode is read from them, as over HTTP or NATS; *unit* also checks the source.
    Every known type is accepted, also types that the gateway refuses.
    """
    body = event.encode() if isinstance(event, str) else event
    try:
        read = _decoded(body, headers)
        if unit:
            events.check_sender(read, unit, vocabulary)
            events.check_source_spelling(read.source)
        return events.read(read, vocabulary)
    except ContractError as error:
        raise ContractBroken(error.status, error.errors) from error


def _decoded(body: bytes | dict[str, Any], headers: Mapping[str, str] | None) -> CloudEvent:
    if headers is None or isinstance(body, dict):
        return envelope.from_structured(body)
    return envelope.decode(None, headers, body)
