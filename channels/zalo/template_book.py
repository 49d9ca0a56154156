"""What we know of the templates: which serves what, and what Zalo says of each; as one value."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from channels.zalo.envelope import json_object, text_of, whole

ENABLE, DELETE = "ENABLE", "DELETE"
ANY_HOUR = frozenset(("1", "TRANSACTION", "IN_TRANSACTION", "OTP"))
"""Tags of messages about somebody's own affairs, under their old and new names."""


@dataclass(frozen=True, slots=True)
class Blank:
    """One parameter. Lengths in characters; `max_length` 0: Zalo names none."""

    name: str
    type: str = "STRING"
    require: bool = True
    min_length: int = 0
    max_length: int = 0

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Blank":
        """One entry of `listParams`."""
        return cls(
            text_of(said, "name"),
            text_of(said, "type") or "STRING",
            said.get("require") not in (False, "false", 0) and said.get("acceptNull") is not True,
            whole(said.get("minLength")) or 0,
            whole(said.get("maxLength")) or 0,
        )


@dataclass(frozen=True, slots=True)
class Template:
    """What Zalo last said of one template. Prices in đồng, None where it names none."""

    id: str
    name: str = ""
    state: str = ""
    tag: str = ""
    quality: str = ""
    price_sdt: int | None = None
    price_uid: int | None = None
    timeout_ms: int = 0
    blanks: tuple[Blank, ...] = ()

    @classmethod
    def read(cls, id: str, said: Mapping[str, Any]) -> "Template":
        """The `data` of `/template/info/v2`."""
        params = said.get("listParams")
        listed = [one for one in params if isinstance(one, dict)] if params else []
        return cls(
            id,
            text_of(said, "templateName"),
            text_of(said, "status"),
            text_of(said, "templateTag"),
            text_of(said, "templateQuality"),
            price(said.get("price_sdt"), said.get("price")),
            price(said.get("price_uid")),
            whole(said.get("timeout")) or 0,
            tuple(map(Blank.read, listed)),
        )

    @classmethod
    def decode(cls, said: Mapping[str, Any]) -> "Template":
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        blanks = tuple(Blank(**blank) for blank in said.get("blanks", ()))
        return cls(**{**known, "blanks": blanks})

    @property
    def any_hour(self) -> bool:
        return self.tag.upper() in ANY_HOUR

    @property
    def usable(self) -> bool:
        return self.state == ENABLE

    def costs(self, by_user_id: bool) -> int | None:
        """Never less than Zalo may charge; None where nobody knows."""
        return self.price_sdt if not by_user_id or self.price_uid is None else self.price_uid


@dataclass(frozen=True, slots=True)
class Book:
    """`routes`: kind of notice → template id.

    `daily` is Zalo's daily quota, 0 for unknown; `daily_at`, when Zalo said so.
    """

    routes: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    daily: int = 0
    daily_at: float = 0.0
    quality: str = ""
    synced_at: float = 0.0

    @classmethod
    def decode(cls, data: bytes) -> "Book":
        """Read what this or another version wrote."""
        said = json_object(data) or {}
        known = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        templates = {id: Template.decode(one) for id, one in said.get("templates", {}).items()}
        return cls(**{**known, "templates": templates})

    def encode(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def serving(self, kind: str) -> Template | None:
        return self.templates.get(self.routes.get(kind, ""))

    def kinds(self, template_id: str) -> list[str]:
        return [kind for kind, id in self.routes.items() if id == template_id]

    def with_routes(self, routes: Mapping[str, str], known: Iterable[Template]) -> "Book":
        """Templates that serve nothing any more are forgotten."""
        templates = {**self.templates, **{one.id: one for one in known}}
        merged = {**self.routes, **routes}
        return replace(self, routes=merged, templates=kept(templates, merged))

    def without(self, kind: str) -> "Book":
        left = {one: id for one, id in self.routes.items() if one != kind}
        return replace(self, routes=left, templates=kept(self.templates, left))

    def with_daily(self, daily: int | None, at: float) -> "Book":
        """Zalo's daily quota as of *at*; what is older than the last word changes nothing."""
        if daily is None or at < self.daily_at:
            return self
        return replace(self, daily=daily, daily_at=at)

    def learned(self, read: Iterable[Template]) -> "Book":
        """What Zalo says now of templates that still serve something."""
        templates = {**self.templates, **{one.id: one for one in read}}
        return replace(self, templates=kept(templates, self.routes))


def kept(templates: Mapping[str, Template], routes: Mapping[str, str]) -> dict[str, Template]:
    return {id: templates[id] for id in routes.values() if id in templates}


def price(*said: object) -> int | None:
    """The first that is a price, rounded up; numbers may come as text."""
    for one in said:
        try:
            found = float(str(one).strip())
        except ValueError:
            continue
        if 0 <= found < math.inf:
            return math.ceil(found)
    return None
