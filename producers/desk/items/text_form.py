"""The form of a text: the event's data as fields, and back. Names are those of the contract."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.content import MAX_LINKS, Content
from contracts.delivery import ChannelName, Lane
from contracts.errors import Invalid, field_error
from contracts.text.moments import VIETNAM, format_moment_in_sentence, parse_moment
from producers.desk.items.joining import JOINING, read_joining
from producers.pages.forms import Form, single_value

_LINES = ("title", "short_title", "summary", "body", "topic", "author", "reason")
_SETS = ("audiences", "channels")
_TIMES = ("not_before", "expires_at")
_LISTS = ("links", "attachments")
_INTERRUPTION = "interruption"
_INTERRUPTION_LINES = ("cause", "alternative", "force_majeure")
_INTERRUPTION_TIMES = ("begins_at", "expected_recovery_at", "resumed_at")
_PARTS = ("cover", "broadcast", _INTERRUPTION)
FIELDS = frozenset({*_LINES, *_SETS, *_TIMES, *_LISTS, *JOINING, *_PARTS, "lane"})
"""Fields of an event's data that the form has."""
_SPARE_ROWS = 2
_USUAL_LANGUAGE = Content.model_fields["language"].default


@dataclass(frozen=True)
class TextForm:
    """The values in the form of a text."""

    data: Mapping[str, Any]

    def value(self, name: str) -> str:
        return str(self.data.get(name) or "")

    def chosen(self, name: str) -> Sequence[str]:
        """The words of a set; a text that says nothing of channels goes to all."""
        found = self.data.get(name)
        is_all = found is None and name == "channels"
        return tuple(ChannelName) if is_all else tuple(found or ())

    @property
    def lane(self) -> str:
        return self.value("lane") or Lane.NORMAL

    @property
    def language(self) -> str:
        return self.value("language") or _USUAL_LANGUAGE

    def languages(self, named: Mapping[str, str]) -> Mapping[str, str]:
        """The languages to choose from: those with a name, and that of the text."""
        return {**named, self.language: named.get(self.language, self.language)}

    def time(self, name: str) -> str:
        """A time of Vietnam as a browser's field has it; what is no time stays as it is."""
        return _local_time(self.value(name))

    def moment(self, name: str) -> str:
        """Format a time for people; other text is returned unchanged."""
        return as_moment(self.value(name))

    def part(self, name: str, key: str) -> str:
        found = self.data.get(name)
        return str(found.get(key) or "") if isinstance(found, Mapping) else ""

    def part_time(self, name: str, key: str) -> str:
        """As `time`, of a part of the text."""
        return _local_time(self.part(name, key))

    @property
    def services(self) -> str:
        """The services of an interruption, one on each line."""
        found = self.data.get(_INTERRUPTION)
        named = found.get("services") if isinstance(found, Mapping) else ()
        return "\n".join(map(str, named or ()))

    def has(self, name: str) -> bool:
        return bool(self.data.get(name))

    def rows(self, name: str) -> list[tuple[str, str]]:
        """Address and title of the entries of a list, and of some empty ones."""
        found = [one for one in self.data.get(name) or () if isinstance(one, Mapping)]
        rows = [(str(one.get("url") or ""), str(one.get("title") or "")) for one in found]
        return (rows + [("", "")] * _SPARE_ROWS)[:MAX_LINKS]

    @property
    def is_broadcast(self) -> bool:
        found = self.data.get("broadcast")
        return bool(found.get("enabled", True)) if isinstance(found, Mapping) else True


def _local_time(written: str) -> str:
    """A stored time as a browser's field has it, in Vietnam; what is no time stays as it is."""
    try:
        at = datetime.fromisoformat(written).astimezone(VIETNAM).replace(tzinfo=None)
    except ValueError:
        return written
    return at.isoformat(timespec="seconds" if at.second else "minutes")


def as_moment(written: str) -> str:
    """A stored time as people read it; what is no time stays as it is."""
    try:
        return format_moment_in_sentence(datetime.fromisoformat(written).astimezone(VIETNAM))
    except ValueError:
        return written


def read_text(form: Form, before: Mapping[str, Any]) -> dict[str, Any]:
    """The data in a form; fields that it has not stay as they were *before*.

    Where no channel is ticked the list is there, and empty. Raises Invalid for a time that is none.
    """
    data = {name: value for name, value in before.items() if name not in FIELDS}
    data |= {name: single_value(form, name).replace("\r\n", "\n") for name in _LINES}
    data |= {name: form.get(name, []) for name in _SETS}
    data |= {name: read_time(form, name) for name in _TIMES}
    data |= {name: [*_rows(form, name, before)] for name in _LISTS}
    data["cover"] = _filled({key: single_value(form, f"cover.{key}") for key in ("url", "alt")})
    data[_INTERRUPTION] = _interruption(form)
    data["lane"] = single_value(form, "lane") or Lane.NORMAL.value
    data |= {"language": chosen} if (chosen := single_value(form, "language")) else {}
    data["broadcast"] = _broadcast(form, before)
    data |= read_joining(form, before)
    empty: tuple[Any, ...] = ("", [], {}, None)
    return {name: one for name, one in data.items() if name == "channels" or one not in empty}


def read_kept(form: Form, before: Mapping[str, Any]) -> dict[str, Any]:
    """As `read_text`, of a form that was left; a time that is none is left out."""
    try:
        return read_text(form, before)
    except Invalid:
        times = {*_TIMES, *(f"{_INTERRUPTION}.{name}" for name in _INTERRUPTION_TIMES)}
        return read_text({name: form[name] for name in form if name not in times}, before)


def read_time(form: Form, name: str) -> str:
    """A time as an event has it; a browser's field means Vietnam's. Raises Invalid."""
    written = single_value(form, name).strip()
    if not written:
        return ""
    try:
        return parse_moment(written).isoformat()
    except ValueError as wrong:
        raise Invalid(field_error(f"data.{name}", "moment_of_form")) from wrong


def _rows(form: Form, name: str, before: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The filled rows of a list, with what the form does not show of an entry."""
    known = {str(one.get("url")): one for one in before.get(name) or () if isinstance(one, Mapping)}
    for number in range(MAX_LINKS):
        keys = {key: f"{name}.{number}.{key}" for key in ("url", "title")}
        row = _filled({key: single_value(form, field) for key, field in keys.items()})
        if row:
            yield {**known.get(row.get("url", ""), {}), **row}


def _interruption(form: Form) -> dict[str, Any]:
    """The interruption that a form states; empty for a form that states none. Raises Invalid."""
    names = {key: f"{_INTERRUPTION}.{key}" for key in _INTERRUPTION_LINES}
    lines = single_value(form, f"{_INTERRUPTION}.services").splitlines()
    times = {key: read_time(form, f"{_INTERRUPTION}.{key}") for key in _INTERRUPTION_TIMES}
    said = {key: " ".join(single_value(form, name).split()) for key, name in names.items()}
    services = [" ".join(one.split()) for one in lines if one.strip()]
    return ({"services": services} if services else {}) | _filled({**times, **said})


def _filled(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value.strip()}


def _broadcast(form: Form, before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Whether followers are told at once; which of them stays as it was."""
    kept = dict(before.get("broadcast") or {})
    is_told = bool(single_value(form, "broadcast"))
    if is_told and "enabled" not in kept:
        return kept or None
    return {**kept, "enabled": is_told}
