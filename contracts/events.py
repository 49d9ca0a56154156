"""The event types, and the one check that every door and every reader makes."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, TypeVar, cast
from urllib.parse import unquote

from pydantic import ValidationError

from contracts import keys, subjects
from contracts.base.fields import Contract
from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from contracts.bulletins.composition import body_of
from contracts.campaigns.composition import PLAN
from contracts.campaigns.doors import FIELD, campaign_errors, plan_errors
from contracts.case import CaseNotice, CaseUpdated, Contact
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted, Withdrawn
from contracts.damaged_text import damage_errors, damage_warnings
from contracts.delivery import ChannelName
from contracts.envelope import to_structured
from contracts.errors import (
    MAX_ERRORS,
    ContractError,
    FieldError,
    FieldWarning,
    Forbidden,
    Invalid,
    explain,
    field_error,
    field_warning,
    unknown_word,
)
from contracts.records import EventRecord
from contracts.text.limits import TITLE_LIMIT, shorten
from contracts.vocabulary import Kind, Vocabulary

SUBMITTED = "vn.gov.moha.content.submitted.v1"
CORRECTED = "vn.gov.moha.content.corrected.v1"
WITHDRAWN = "vn.gov.moha.content.withdrawn.v1"
CASE_UPDATED = "vn.gov.moha.case.updated.v1"

KindName = Literal["submitted", "corrected", "withdrawn", "updated"]
Event = Submitted | Corrected | Withdrawn | CaseUpdated
KINDS: dict[str, type[Event]] = {
    SUBMITTED: Submitted,
    CORRECTED: Corrected,
    WITHDRAWN: Withdrawn,
    CASE_UPDATED: CaseUpdated,
}

BUS_TYPES = frozenset({SUBMITTED, CORRECTED, WITHDRAWN})
"""The types that the bus takes as they are."""
HTTP_TYPES = BUS_TYPES | {CASE_UPDATED}
"""Case events are accepted over HTTP only: the gateway moves the address away before it stores."""

_SHOWN_END = 40
"""The characters at the end of a cut title that a warning quotes."""

_CASE_EXTENSIONS = frozenset({"traceparent", "tracestate", "sequence", "sequencetype"})
"""The attributes beyond CloudEvents' own that a case event may have: they are stored for ever."""

SUBMITTER = "submitter"
"""Extension attribute that names the person who submitted an event."""

UNIT_SOURCE_PREFIX = "/units/"
"""A source that begins so names the unit that speaks."""

_UNKNOWN_NAME = "(unknown)"
"""Placeholder in a log for a field's name that no contract has."""
_OTHER_FIELDS = frozenset(
    {"event", "data_base64", "Authorization", "Content-Type", "content-type", "Content-Encoding"}
    | {"method", "path", "request", "body", "event_id"}
)
"""Fields that errors name although no contract has them."""


def kind_of(event_type: str) -> KindName:
    """The last word of the type, which is also the last token of its subject."""
    return cast(KindName, event_type.split(".")[-2])


@dataclass(frozen=True)
class CheckedEvent:
    """A checked event of *unit* with its identity, which is worked out once.

    `event` is the stored form: for a case event without the contact, which `content` still has.
    """

    unit: str
    event: CloudEvent
    content: Event

    @property
    def contact(self) -> Contact | None:
        """The contact of a case event; None for content."""
        return self.content.contact if isinstance(self.content, CaseUpdated) else None

    @cached_property
    def event_id(self) -> str:
        return keys.event_id(self.unit, self.event.source, self.event.id)

    @cached_property
    def content_hash(self) -> str:
        return keys.content_hash(self.event.type, self.event.data)

    @property
    def content_id(self) -> str:
        return self.content.content_id

    @property
    def revision(self) -> int | None:
        """None for a withdrawal, and for a case event, which the gateway numbers."""
        return self.content.revision if isinstance(self.content, Submitted) else None

    @property
    def warnings(self) -> tuple[FieldWarning, ...]:
        """Warnings for the sender of the accepted event."""
        return find_warnings(self.content)

    @property
    def subject(self) -> str:
        if self.contact:
            return subjects.case(self.unit)
        return subjects.content(self.unit, kind_of(self.event.type))

    @property
    def body(self) -> bytes:
        """The stored bytes, extension attributes included."""
        return to_structured(self.event)


_Checked = TypeVar("_Checked", bound=CheckedEvent)


def check(
    event: CloudEvent,
    vocabulary: Vocabulary,
    *,
    accepted_types: frozenset[str] = BUS_TYPES,
    is_new: bool = True,
) -> Event:
    """Parse *event* of one of *accepted_types*. Raises Invalid with every wrong field.

    An event that was accepted before is not *is_new*: its texts are not judged again.
    """
    if event.type in KINDS and event.type not in accepted_types:
        raise Invalid(field_error("type", "type_closed", value=event.type))
    return read(event, vocabulary, is_new=is_new)


async def check_unless_recorded(
    check: Callable[..., _Checked], find_record: Callable[[str], Awaitable[EventRecord | None]]
) -> _Checked:
    """The event that *check* lets in as a new one, or as one that is on record with this content.

    An earlier version has accepted it, and may have judged texts less strictly. Raises as *check*
    and *find_record* do.
    """
    try:
        return check(is_new=True)
    except Invalid as refusal:
        try:
            known = check(is_new=False)
        except ContractError:
            raise refusal from None
        record = await find_record(known.event_id)
        if record is None or record.hash != known.content_hash:
            raise
        return known


def parse_case_notice(event: CloudEvent) -> CaseNotice:
    """A dossier's event as the HTTP door stored it, without its contact. Raises Invalid."""
    try:
        return CaseNotice.model_validate(event.data)
    except ValidationError as error:
        raise Invalid(*explain(error, "data")) from error


def read(event: CloudEvent, vocabulary: Vocabulary, *, is_new: bool = True) -> Event:
    """Like `check`, for every known type."""
    model = KINDS.get(event.type)
    if model is None:
        raise Invalid(unknown_word("type", "unknown_type", event.type, KINDS))
    damaged = list(damage_errors(_known_fields(event.data, model))) if is_new else []
    try:
        content = model.model_validate(event.data, extra="forbid", context={"is_new": is_new})
    except ValidationError as error:
        fields = {one.field for one in damaged}
        found = [*_of_plan(explain(error, "data", model), event.data.get(PLAN), vocabulary)]
        errors = [one for one in found if one.field not in fields]
        errors = [*damaged, *errors]
        raise Invalid(*errors, *_unknown_words(event.data, vocabulary, errors)) from error
    faults = [*damaged, *_name_errors(event, content), *_unknown_words(event.data, vocabulary)]
    if is_new and isinstance(content, Submitted):
        faults += (*_issue_errors(content, vocabulary), *campaign_errors(content, vocabulary))
    if faults := [*faults, *_size_errors(content)]:
        raise Invalid(*faults)
    return content


def _of_plan(
    errors: Iterable[FieldError], plan: object, vocabulary: Vocabulary
) -> Iterator[FieldError]:
    """The errors, with all of a campaign's plan as its own check names them."""
    is_plan = isinstance(plan, Mapping)
    yield from (one for one in errors if not (is_plan and one.field.startswith(f"{FIELD}.")))
    yield from plan_errors(plan, vocabulary) if is_plan else ()


def _known_fields(data: Mapping[str, Any], model: type[Event]) -> dict[str, Any]:
    """The fields of *data* that *model* has: an unknown one is refused for its name."""
    known = model.model_fields
    return {name: data[name] for name in data if name in known}


def find_warnings(content: Event) -> tuple[FieldWarning, ...]:
    """Warnings of the doors to the sender of a valid event."""
    damaged = damage_warnings(vars(content))
    if isinstance(content, CaseUpdated):
        return tuple(damaged)
    channels = content.channels if isinstance(content, Submitted) else tuple(ChannelName)
    of_titles = title_warnings(content.title, content.short_title, channels)
    return tuple(dict.fromkeys((*of_titles, *damaged)))


def title_warnings(
    title: str | None, short_title: str | None, channels: Iterable[ChannelName]
) -> tuple[FieldWarning, ...]:
    """The warnings of titles that look damaged or that Zalo, if in *channels*, shows in part."""
    damaged = damage_warnings({"title": title, "short_title": short_title})
    return (*_cut_warnings(title, short_title, channels), *damaged)


def _cut_warnings(
    title: str | None, short_title: str | None, channels: Iterable[ChannelName]
) -> Iterator[FieldWarning]:
    given = short_title or title or ""
    shown = shorten(given, TITLE_LIMIT)
    if shown == given or ChannelName.ZALO not in channels:
        return
    end = shown[-_SHOWN_END:]
    values = {"limit": TITLE_LIMIT.plain, "end": end.partition(" ")[2] or end}
    if short_title:
        yield field_warning("data.short_title", "short_title_cut", **values)
    else:
        yield field_warning("data.title", "title_cut", **values)


def check_sender(event: CloudEvent, unit: str, vocabulary: Vocabulary) -> None:
    """Whether *unit*, which the door proved, may send *event*.

    Raises Invalid for a unit that does not exist (any more), Forbidden for another unit's source.
    """
    if error := unit_error("source", unit, vocabulary):
        raise Invalid(error)
    source_unit = event.source.removeprefix(UNIT_SOURCE_PREFIX)
    if (
        event.source.startswith(UNIT_SOURCE_PREFIX)
        and vocabulary.aliases.get(source_unit, source_unit) != unit
    ):
        raise Forbidden(field_error("source", "source_of_other_unit", named=source_unit, unit=unit))
    if owner := _owner_of_issue(event, vocabulary, unit):
        raise Forbidden(field_error("data.bulletin.series", "bulletin_unit", value=owner))


def check_filled(content: Event) -> None:
    """Raise Invalid for an issue of a bulletin that tells of no item; a draft may be one."""
    if isinstance(content, Submitted) and content.bulletin and not content.bulletin.content_ids:
        raise Invalid(field_error("data.bulletin", "bulletin_empty"))


def _owner_of_issue(event: CloudEvent, vocabulary: Vocabulary, unit: str) -> str:
    """The unit whose bulletin *unit* sends; empty if it is its own, or none."""
    issue = event.data.get("bulletin")
    name = issue.get("series") if isinstance(issue, Mapping) else None
    series = vocabulary.bulletins.get(name) if isinstance(name, str) else None
    return series.unit if series and series.unit != unit else ""


def check_source_spelling(source: str) -> None:
    """Raise Invalid for a source that names a unit in another way than `/units/<unit>`."""
    parts: list[str] = []
    for part in unquote(source).casefold().replace("\\", "/").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    names_unit = parts[:1] == [UNIT_SOURCE_PREFIX.strip("/")]
    if names_unit and not source.startswith(UNIT_SOURCE_PREFIX):
        raise Invalid(field_error("source", "source_spelling", value=source))


def loggable_fields(errors: Iterable[FieldError]) -> list[str]:
    """The fields of *errors* for a log: a name that a sender has invented may be personal data."""
    return [_mask_unknown_names(error.field) for error in errors]


def _mask_unknown_names(field: str) -> str:
    path = re.sub(r"^\[(\d+)\]", r"\1", field)
    masked = [part if _is_known_name(part) else _UNKNOWN_NAME for part in path.split(".")]
    if masked[0] == path.partition(".")[0] and path != field:
        masked[0] = f"[{masked[0]}]"
    return ".".join(masked)


def _is_known_name(part: str) -> bool:
    name = part.removeprefix("ce-")
    return part.isdecimal() or name in _OTHER_FIELDS or name in _field_names()


@cache
def _field_names() -> frozenset[str]:
    """The names of all fields of all contracts."""
    return frozenset(_names_below(Contract))


def _names_below(model: type[Contract]) -> Iterator[str]:
    yield from model.model_fields
    for child in model.__subclasses__():
        yield from _names_below(child)


def unit_error(field: str, unit: str, vocabulary: Vocabulary) -> FieldError | None:
    """Why *unit* may not publish, or None: unknown, ended, or known by a newer id."""
    if vocabulary.knows("unit", unit):
        return None
    if ended := vocabulary.units.get(unit):
        return field_error(field, "ended_unit", value=unit, until=f"{ended.until:%d/%m/%Y}")
    if unit in vocabulary.aliases:
        return field_error(field, "unit_alias", value=unit, unit=vocabulary.aliases[unit])
    return vocabulary.word_error(field, "unit", unit)


def _name_errors(event: CloudEvent, content: Event) -> Iterator[FieldError]:
    if event.subject not in (None, content.content_id):
        yield field_error("subject", "subject_differs", value=content.content_id)
    if isinstance(content, CaseUpdated):
        for name in sorted(event.extensions.keys() - _CASE_EXTENSIONS):
            yield field_error(name, "extension_of_case", known=tuple(sorted(_CASE_EXTENSIONS)))
    elif keys.is_personal(content.content_id) or keys.is_digest(content.content_id):
        yield field_error("data.content_id", "name_of_a_case", value=content.content_id)


def _size_errors(content: Event) -> Iterator[FieldError]:
    size = rendered_size(content.body) if isinstance(content, Submitted) else 0
    if size > RENDERED_MAX:
        kilobytes = {"size": -(-size // 1024), "limit": RENDERED_MAX // 1024}
        yield field_error("data.body", "rendered_too_large", **kilobytes)


def _issue_errors(content: Submitted, vocabulary: Vocabulary) -> Iterator[FieldError]:
    """An issue is of a known series, under its topic, and its body follows from its parts."""
    issue = content.bulletin
    if issue is None:
        return
    series = vocabulary.bulletins.get(issue.series)
    if series is None:
        known = vocabulary.bulletins.keys()
        yield unknown_word("data.bulletin.series", "unknown_series", issue.series, known)
    elif content.topic != series.topic:
        yield field_error("data.topic", "bulletin_topic", value=series.topic)
    if content.body != body_of(issue):
        yield field_error("data.body", "bulletin_body")


def _unknown_words(
    data: Mapping[str, Any], vocabulary: Vocabulary, errors: Iterable[FieldError] = ()
) -> Iterator[FieldError]:
    """Errors for unknown topics and audiences, unless *errors* names the field already."""
    judged = {error.field for error in errors}
    for field, kind, word in _vocabulary_words(data):
        if field not in judged and not vocabulary.knows(kind, word):
            yield vocabulary.word_error(field, kind, word)
        elif field not in judged and kind == "topic" and vocabulary.is_reserved(word):
            yield field_error(field, "own_topic", value=word)


def _vocabulary_words(data: Mapping[str, Any]) -> Iterator[tuple[str, Kind, str]]:
    topic, audiences = data.get("topic"), data.get("audiences")
    if isinstance(topic, str):
        yield "data.topic", "topic", topic
    listed = audiences[:MAX_ERRORS] if isinstance(audiences, list | tuple) else ()
    for number, audience in enumerate(listed):
        if isinstance(audience, str):
            yield f"data.audiences.{number}", "audience", audience
