"""Validate a subscriber's address, topics, units, audiences and frequency, field by field."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import get_args

from email_validator import EmailNotValidError, validate_email
from pydantic_core import PydanticCustomError

from consumers.messages import field_error
from contracts import errors, events, text
from contracts.base.addresses import MAX_EMAIL_LENGTH, is_mailable
from contracts.errors import FieldError
from contracts.subscriptions.subscriber import Frequency
from contracts.vocabulary import Vocabulary

LIST_FIELDS = ("topics", "audiences", "units")
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
PLACEHOLDER_EMAIL = "someone@example.com"
_PLAIN_ADDRESS = re.compile(r"([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@(?!.*xn--)([a-z0-9.-]+)")
"""An address that is stored as it is written: RFC 2142 has names whose capitals are not kept, and
a domain in Punycode may be too long in its other form.
"""
_MAX_MAILBOX_LENGTH = 64
_KNOWN_DOMAINS = 4096


def check_email(cell: str) -> tuple[str, list[FieldError]]:
    """Return a mailable address as it is stored, or a placeholder with the errors.

    The placeholder lets the other fields be validated as well.
    """
    address, problems = normalize_email(cell)
    if is_mailable(address):
        return address, problems
    return PLACEHOLDER_EMAIL, [field_error("email", "email_not_mailable")]


def normalize_email(cell: str) -> tuple[str, list[FieldError]]:
    """Return an address as it is stored, whether mail can be sent to it or not."""
    if len(cell) > MAX_EMAIL_LENGTH:  # before any check whose cost grows with the length
        return PLACEHOLDER_EMAIL, [errors.field_error("email", "email")]
    if plain := _normalize_plain(cell):
        return plain, []
    try:
        parsed = validate_email(text.line(cell), check_deliverability=False)
    except PydanticCustomError as error:
        return PLACEHOLDER_EMAIL, [errors.field_error("email", error.type, **(error.context or {}))]
    except EmailNotValidError:
        return PLACEHOLDER_EMAIL, [errors.field_error("email", "email")]
    if parsed.smtputf8 or not parsed.ascii_email:
        return PLACEHOLDER_EMAIL, [field_error("email", "email_local_ascii")]
    return parsed.ascii_email, []


def _normalize_plain(cell: str) -> str:
    """A valid plain address as it is stored; empty for any other.

    Most people's domains are few, and a domain costs more than all the rest.
    """
    plain = _PLAIN_ADDRESS.fullmatch(cell)
    if plain is None or len(plain[1]) > _MAX_MAILBOX_LENGTH or not (domain := _domain(plain[2])):
        return ""
    address = f"{plain[1]}@{domain}"
    return address if len(address) <= MAX_EMAIL_LENGTH else ""


@lru_cache(_KNOWN_DOMAINS)
def _domain(domain: str) -> str:
    """A valid domain as it is stored; empty for another."""
    try:
        return str(validate_email(f"a@{domain}", check_deliverability=False).ascii_domain)
    except EmailNotValidError:
        return ""


def check_frequency(cell: str) -> tuple[Frequency, list[FieldError]]:
    """Return a frequency, the first one if empty; an unknown one with its error."""
    wanted = cell.strip().lower() or FREQUENCIES[0]
    matching: list[Frequency] = [known for known in FREQUENCIES if known == wanted]
    if matching:
        return matching[0], []
    facts = {"value": cell.strip(), "known": FREQUENCIES}
    return FREQUENCIES[0], [field_error("frequency", "unknown_frequency", **facts)]


def unknown_values(
    preferences: Mapping[str, Iterable[str]], vocabulary: Vocabulary
) -> Iterator[FieldError]:
    """Yield an error for each value that the vocabulary does not offer."""
    checks = {"topics": _topic_error, "audiences": _audience_error, "units": _unit_error}
    for column, values in preferences.items():
        yield from (error for value in values if (error := checks[column](value, vocabulary)))


def _topic_error(topic: str, vocabulary: Vocabulary) -> FieldError | None:
    if not vocabulary.knows("topic", topic):
        known = [name for name, one in vocabulary.topics.items() if one.is_subscribable]
        return errors.unknown_word("topics", "unknown_topic", topic, known)
    if not vocabulary.topics[topic].is_subscribable:
        return field_error("topics", "system_topic", value=topic)
    return None


def _audience_error(audience: str, vocabulary: Vocabulary) -> FieldError | None:
    is_known = vocabulary.knows("audience", audience)
    return None if is_known else vocabulary.word_error("audiences", "audience", audience)


def _unit_error(unit: str, vocabulary: Vocabulary) -> FieldError | None:
    return events.unit_error("units", unit, vocabulary)
