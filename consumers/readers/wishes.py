"""What somebody may ask for: addresses, topics, units, audiences and how often, judged by field."""

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from email_validator import EmailNotValidError, validate_email
from pydantic_core import PydanticCustomError

from consumers.faults import fault
from contracts import errors, events, text
from contracts.addresses import mailable
from contracts.errors import FieldError
from contracts.subscriber import Frequency
from contracts.vocabulary import Vocabulary

LISTS = ("topics", "audiences", "units")
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
STAND_IN = "someone@example.com"


def email(cell: str) -> tuple[str, list[FieldError]]:
    """An address to which mail can be sent, as it is kept; a bad one comes with its faults.

    When it is bad, a placeholder stands in, so that the rest is judged as well.
    """
    kept, wrong = as_kept(cell)
    return (kept, wrong) if mailable(kept) else (STAND_IN, [fault("email", "email_not_mailable")])


def as_kept(cell: str) -> tuple[str, list[FieldError]]:
    """As `email`, for one that may be kept already: the domain in ASCII, sent to or not."""
    try:
        found = validate_email(text.line(cell), check_deliverability=False)
    except PydanticCustomError as error:
        return STAND_IN, [errors.fault("email", error.type, **(error.context or {}))]
    except EmailNotValidError:
        return STAND_IN, [errors.fault("email", "email")]
    if found.smtputf8 or not found.ascii_email:
        return STAND_IN, [fault("email", "email_local_ascii")]
    return found.ascii_email, []


def frequency(cell: str) -> tuple[Frequency, list[FieldError]]:
    """One of FREQUENCIES, empty for the first; another word comes with its fault."""
    wanted = cell.strip().lower() or FREQUENCIES[0]
    found: list[Frequency] = [one for one in FREQUENCIES if one == wanted]
    if found:
        return found[0], []
    said = {"value": cell.strip(), "known": ", ".join(FREQUENCIES)}
    return FREQUENCIES[0], [fault("frequency", "unknown_frequency", **said)]


def unknown(wishes: Mapping[str, Iterable[str]], words: Vocabulary) -> Iterator[FieldError]:
    """Words that nobody can wish for."""
    judges = {"topics": topic, "audiences": audience, "units": unit}
    for column, wished in wishes.items():
        yield from (wrong for word in wished if (wrong := judges[column](word, words)))


def topic(word: str, words: Vocabulary) -> FieldError | None:
    if not words.knows("topic", word):
        return errors.fault("topics", "unknown_topic", value=word)
    if not words.topics[word].subscribable:
        return fault("topics", "system_topic", value=word)
    return None


def audience(word: str, words: Vocabulary) -> FieldError | None:
    known = words.knows("audience", word)
    return None if known else errors.fault("audiences", "unknown_audience", value=word)


def unit(word: str, words: Vocabulary) -> FieldError | None:
    return events.unit_fault("units", word, words)
