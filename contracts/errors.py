"""Errors of the contract, by field, in English and Vietnamese.

    ContractError
      Unreadable         400  not JSON, not a CloudEvent
      Unauthorized       401  no API key, or an unknown one
      Forbidden          403  a valid key without the permission
      NotFound           404  no such event, or another unit's
      Conflict           409  the same id with another content
      TooLarge           413  over the size limits
      UnsupportedMedia   415  an unsupported content type
      Invalid            422  readable, but invalid: each error names its field
      RateLimited        429  too many requests; retry after `retry_after_s`
      Unavailable        503  our side; nothing was stored; retry after `retry_after_s`

The texts are in `messages.toml`, keyed by code; `field_error(field, code, ...)` builds an error.
An error list is bounded: `MAX_ERRORS` errors, and one that counts the rest.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from contracts import text
from contracts.catalog import Shown, load_texts
from contracts.text.damage import find_damage
from contracts.text.descriptions import Described
from contracts.text.moments import format_for_people, format_moment_in_sentence

WHOLE_EVENT = "event"
"""The field named when an error concerns the event as a whole."""

_MESSAGES_FILE = Path(__file__).with_name("messages.toml")
MAX_ERRORS = 50
MAX_FIELD_LENGTH = 200
_MAX_VALUE_LENGTH = 100
_SIMILARITY = 0.75
"""The similarity from which on a word counts as a mistyped known one."""
_MAX_WORD_LENGTH = 64
"""A longer value is compared with no word: comparing takes time."""


def printable(value: object, max_length: int = _MAX_VALUE_LENGTH) -> str:
    """A value for display: bounded, control characters made visible, no line breaks."""
    text = str(value)
    visible = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text[: max_length + 1])
    return visible if len(visible) <= max_length else visible[:max_length] + "…"


class FieldError(Described):
    """One broken rule: the field, and the text in both languages.

    The sender may have invented the field's name, so `printable` bounds it like a value.
    """

    model_config = ConfigDict(frozen=True)

    field: Annotated[str, AfterValidator(lambda name: printable(name, MAX_FIELD_LENGTH))]
    """The field as the sender wrote it, as in `data.title` or `line 1, column 4`."""
    message: str
    """Text of the error in English."""
    message_vi: str
    """Text of the error in Vietnamese."""

    def within(self, prefix: str) -> "FieldError":
        """The same error seen from outside: `title` within `data` is `data.title`."""
        field = prefix if self.field == WHOLE_EVENT else join_path(prefix, self.field)
        return type(self)(**{**dict(self), "field": field})


class FieldWarning(FieldError):
    """Notice about an accepted field, which readers will see otherwise than it was sent."""

    code: str
    """The code by which a program tells the warning."""


class MoreErrors(FieldError):
    """The last entry of a bounded error list: the number of errors left out."""

    count: int = Field(exclude=True)


class ContractError(Exception):
    """Something sent to us breaks the contract; `errors` has one entry at least, and few."""

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 422

    def __init__(self, *errors: FieldError, retry_after_s: float | None = None) -> None:
        self.errors: tuple[FieldError, ...] = limit_errors(errors)
        super().__init__(*self.errors)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return "; ".join(f"{error.field}: {error.message}" for error in self.errors)

    def within(self, prefix: str) -> Self:
        """The same error, its fields seen from outside (an event of a batch: `[3]`)."""
        errors = (error.within(prefix) for error in self.errors)
        return type(self)(*errors, retry_after_s=self.retry_after_s)


class Unreadable(ContractError):
    code = "unreadable"
    status = 400


class Unauthorized(ContractError):
    code = "unauthorized"
    status = 401


class Forbidden(ContractError):
    code = "forbidden"
    status = 403


class NotFound(ContractError):
    """The event does not exist or belongs to another unit; the answer is the same."""

    code = "not_found"
    status = 404


class Conflict(ContractError):
    code = "conflict"
    status = 409


class BegunBefore(Conflict):
    """The form of a new text has begun an item before, with another text. `content_id`: of that."""

    def __init__(
        self, *errors: FieldError, content_id: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(*errors, retry_after_s=retry_after_s)
        self.content_id = content_id


class TooLarge(ContractError):
    code = "too_large"
    status = 413


class UnsupportedMedia(ContractError):
    code = "unsupported_media"
    status = 415


class Invalid(ContractError):
    code = "invalid"
    status = 422


class RateLimited(ContractError):
    code = "rate_limited"
    status = 429


class Unavailable(ContractError):
    code = "unavailable"
    status = 503


class Bilingual(NamedTuple):
    """A text, or a value in a text, in both languages."""

    en: str
    vi: str

    def as_field_error(self, field: str) -> FieldError:
        """A FieldError of *field* with this text."""
        return FieldError(field=field, message=self.en, message_vi=self.vi)


def in_both_languages(value: object) -> tuple[object, object]:
    """A value, or each of a tuple, for sentences in both languages; a time has the form of each."""
    if isinstance(value, Bilingual):
        return value
    if isinstance(value, tuple):
        pairs = [in_both_languages(one) for one in value]
        return tuple(en for en, _ in pairs), tuple(vi for _, vi in pairs)
    if isinstance(value, datetime):
        return format_for_people(value), format_moment_in_sentence(value)
    return value, value


def error_texts() -> dict[str, dict[str, str]]:
    """All error texts: code → {en, vi}."""
    return load_texts(_MESSAGES_FILE)


def field_error(field: str, code: str, **values: object) -> FieldError:
    """Build the error of *field* with the text of *code*. Raises KeyError for an unknown code."""
    return localized(field, error_texts()[code], **values)


def field_warning(field: str, code: str, **values: object) -> FieldWarning:
    """Build the warning of *field* with the text of *code*. Raises KeyError for an unknown code."""
    return FieldWarning(code=code, **dict(field_error(field, code, **values)))


def unknown_word(field: str, code: str, value: str, known: Iterable[str]) -> FieldError:
    """The error of *value*, which is none of the words *known*."""
    return field_error(field, code, **unknown_word_values(value, known))


def unknown_word_values(value: str, known: Iterable[str]) -> dict[str, Any]:
    """Values for the text of an unknown word, in any catalogue: *known*, and the nearest."""
    words = tuple(known)
    return {"value": value, "known": words, "near": nearest(value, words)}


def nearest(value: str, known: Sequence[str]) -> Bilingual:
    """The question whether a word of *known* was meant that resembles *value*, or an empty text."""
    words = known if len(value) <= _MAX_WORD_LENGTH else ()
    likely = get_close_matches(value.lower(), words, 1, _SIMILARITY)
    texts = error_texts()["is_near_meant"]
    return Bilingual(*(texts[it].format(near=likely[0]) if likely else "" for it in ("en", "vi")))


def damage_error(field: str, value: str) -> FieldError | None:
    """The error of a text that was damaged for the most part before it came to a door, or None."""
    if damage := find_damage(value):
        return field_error(field, damage.code, encoding=damage.encoding, reading=damage.reading)
    return None


def check_line(field: str, value: str, max_length: int) -> str:
    """Return *value*, as a person typed it, as one clean line. Raises Invalid with *field*."""
    if damaged := damage_error(field, value):
        raise Invalid(damaged)
    try:
        line = text.line(value)
    except PydanticCustomError as error:
        raise Invalid(field_error(field, error.type, **(error.context or {}))) from error
    if len(line) > max_length:
        raise Invalid(field_error(field, "string_too_long", max_length=max_length))
    return line


def localized(field: str, texts: Mapping[str, str], **values: object) -> FieldError:
    """Like `field_error`, with a text ({en, vi}) of another catalog."""
    pairs = {name: in_both_languages(given) for name, given in values.items()}
    en = {name: _value_text(english) for name, (english, _) in pairs.items()}
    vi = {name: _value_text(vietnamese) for name, (_, vietnamese) in pairs.items()}
    return FieldError(
        field=field, message=texts["en"].format(**en), message_vi=texts["vi"].format(**vi)
    )


def _value_text(value: object) -> Shown:
    """A value in a text: bounded, but a tuple is listed whole."""
    return Shown(", ".join(map(printable, value)) if isinstance(value, tuple) else printable(value))


def limit_errors(errors: Iterable[FieldError], limit: int = MAX_ERRORS) -> tuple[FieldError, ...]:
    """The first *limit* errors, and a last one that counts the others."""
    listed: list[FieldError] = []
    left = 0
    for error in errors:
        if isinstance(error, MoreErrors):
            left += error.count
        elif len(listed) < limit:
            listed.append(error)
        else:
            left += 1
    return (*listed, _more_errors(left)) if left else tuple(listed)


def _more_errors(count: int) -> MoreErrors:
    """An error entry saying that *count* errors were left out."""
    return MoreErrors(**dict(field_error(WHOLE_EVENT, "more_errors", count=count)), count=count)


def explain(
    error: ValidationError, prefix: str = "", model: type[BaseModel] | None = None
) -> tuple[FieldError, ...]:
    """Translate a pydantic error: one entry per field, in the order of the model, bounded.

    An unknown field suggests the nearest of *model*, if given.
    """
    details = error.errors(include_url=False, include_input=False)
    listed = tuple(_fault_of(detail, prefix, model) for detail in details[:MAX_ERRORS])
    return (*listed, _more_errors(left)) if (left := len(details) - len(listed)) else listed


def join_path(*parts: str | int) -> str:
    """A field's path: `data.links.0.url`; a leading number is an event of a batch: `[3].data`."""
    steps = [part for part in parts if part != ""]
    if steps and isinstance(steps[0], int):
        steps[0] = f"[{steps[0]}]"
    return ".".join(map(str, steps))


def _fault_of(detail: Mapping[str, Any], prefix: str, model: type[BaseModel] | None) -> FieldError:
    field = join_path(prefix, *(part for part in detail["loc"] if part != "[key]")) or WHOLE_EVENT
    code = _text_code(detail)
    values = template_values(detail)
    if code == "extra_forbidden":
        *path, name = detail["loc"]
        values["near"] = nearest(str(name), _field_names(model, path))
    return field_error(field, code, **values)


_PATTERN_TEXTS = {"language": "language_tag", "media_type": "media_type_form"}


def _text_code(detail: Mapping[str, Any]) -> str:
    """The text of a pydantic error; a field's own pattern may have one with an example."""
    code = str(detail["type"])
    if code == "string_pattern_mismatch":
        code = _PATTERN_TEXTS.get(str(detail["loc"][-1]), code)
    return code if code in error_texts() else "unexpected"


def _field_names(model: type[BaseModel] | None, path: Iterable[str | int]) -> tuple[str, ...]:
    """The names of the fields of the model that lies below *path* in *model*."""
    for name in path:
        if model and isinstance(name, str):
            model = _model_of(model.model_fields[name].annotation)
    return tuple(model.model_fields) if model else ()


def _model_of(annotation: object) -> type[BaseModel] | None:
    """The first model in an annotation such as `tuple[Link, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_of, get_args(annotation))), None)


def template_values(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Placeholder values for the text of one pydantic error."""
    values = dict(detail.get("ctx", {}))
    if "expected" in values:  # pydantic joins the choices in English
        listed = re.sub(r"<[\w.]+: ('[^']*')>", r"\1", values["expected"])  # members of an enum
        values["expected"] = tuple(listed.replace(" or ", ", ").replace("'", "").split(", "))
    return values
