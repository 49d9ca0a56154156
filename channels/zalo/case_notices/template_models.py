"""Templates as Zalo describes them, and their kinds of notices; stored as one value."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from channels.case_notice_texts import APOLOGY, NOTICE_KINDS
from channels.zalo.client.response import first_text, json_object, known_fields, whole_number
from contracts.case import STATUS_NAMES

ENABLE, DELETE = "ENABLE", "DELETE"
_ANY_HOUR_TAGS = frozenset(("1", "TRANSACTION", "IN_TRANSACTION", "OTP"))
"""Tags of messages about a person's own affairs, under their old and new names."""


@dataclass(frozen=True, slots=True)
class TemplateParam:
    """One parameter. Lengths in characters; `max_length` 0: Zalo names none."""

    name: str
    type: str = "STRING"
    require: bool = True
    min_length: int = 0
    max_length: int = 0

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "TemplateParam":
        """One entry of `listParams`."""
        return cls(
            first_text(data, "name"),
            first_text(data, "type") or "STRING",
            data.get("require") not in (False, "false", 0) and data.get("acceptNull") is not True,
            whole_number(data.get("minLength")) or 0,
            whole_number(data.get("maxLength")) or 0,
        )


@dataclass(frozen=True, slots=True)
class Template:
    """Zalo's latest description of one template. Prices in đồng, None where Zalo names none."""

    id: str
    name: str = ""
    state: str = ""
    tag: str = ""
    quality: str = ""
    price_sdt: int | None = None
    price_uid: int | None = None
    timeout_ms: int = 0
    blanks: tuple[TemplateParam, ...] = ()

    @classmethod
    def parse(cls, id: str, data: Mapping[str, Any]) -> "Template":
        """The `data` of `/template/info/v2`."""
        params = data.get("listParams")
        entries = [param for param in params if isinstance(param, dict)] if params else []
        return cls(
            id,
            first_text(data, "templateName"),
            first_text(data, "status"),
            first_text(data, "templateTag"),
            first_text(data, "templateQuality"),
            parse_price(data.get("price_sdt"), data.get("price")),
            parse_price(data.get("price_uid")),
            whole_number(data.get("timeout")) or 0,
            tuple(map(TemplateParam.parse, entries)),
        )

    @classmethod
    def decode(cls, data: Mapping[str, Any]) -> "Template":
        blanks = tuple(TemplateParam(**param) for param in data.get("blanks", ()))
        return cls(**{**known_fields(cls, data), "blanks": blanks})

    @property
    def is_any_hour(self) -> bool:
        return self.tag.upper() in _ANY_HOUR_TAGS

    @property
    def is_usable(self) -> bool:
        return self.state == ENABLE

    def price_for(self, by_user_id: bool) -> int | None:
        """The highest price that Zalo may charge; None where it is unknown."""
        return self.price_sdt if not by_user_id or self.price_uid is None else self.price_uid


@dataclass(frozen=True, slots=True)
class RegisteredTemplates:
    """Templates and their routes. `routes`: kind of notice to template id.

    `daily` is Zalo's daily quota, 0 for unknown; `daily_at`, the time of that value.
    """

    routes: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    daily: int = 0
    daily_at: float = 0.0
    quality: str = ""
    synced_at: float = 0.0

    @classmethod
    def decode(cls, data: bytes) -> "RegisteredTemplates":
        """Read a value that any version wrote."""
        stored = json_object(data) or {}
        templates = {id: Template.decode(data) for id, data in stored.get("templates", {}).items()}
        return cls(**{**known_fields(cls, stored), "templates": templates})

    def encode(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def template_for(self, kind: str) -> Template | None:
        return self.templates.get(self.routes.get(kind, ""))

    def kinds_of(self, template_id: str) -> list[str]:
        return [kind for kind, id in self.routes.items() if id == template_id]

    def with_templates(
        self, updated: Iterable[Template], routes: Mapping[str, str] | None = None
    ) -> "RegisteredTemplates":
        """With newer descriptions and further routes; templates without a route are dropped."""
        templates = {**self.templates, **{template.id: template for template in updated}}
        merged = {**self.routes, **(routes or {})}
        return replace(self, routes=merged, templates=_routed_templates(templates, merged))

    def without_route(self, kind: str) -> "RegisteredTemplates":
        routes = {other: id for other, id in self.routes.items() if other != kind}
        return replace(self, routes=routes, templates=_routed_templates(self.templates, routes))

    def with_daily_quota(self, daily: int | None, at: float) -> "RegisteredTemplates":
        """With Zalo's daily quota as of *at*; an older value changes nothing."""
        if daily is None or at < self.daily_at:
            return self
        return replace(self, daily=daily, daily_at=at)


def _routed_templates(
    templates: Mapping[str, Template], routes: Mapping[str, str]
) -> dict[str, Template]:
    return {id: templates[id] for id in routes.values() if id in templates}


def parse_price(*values: object) -> int | None:
    """The first valid price, rounded up; numbers may come as text."""
    for value in values:
        try:
            amount = float(str(value).strip())
        except ValueError:
            continue
        if 0 <= amount < math.inf:
            return math.ceil(amount)
    return None


@dataclass(frozen=True, slots=True)
class TemplateStatus:
    """One kind and its template; empty texts for a kind without one. Prices in đồng."""

    kind: str
    status: str
    template: str = ""
    name: str = ""
    state: str = ""
    quality: str = ""
    tag: str = ""
    price_sdt: int | None = None
    price_uid: int | None = None

    @classmethod
    def of(cls, kind: str, template: Template | None) -> "TemplateStatus":
        status = APOLOGY if kind == APOLOGY else STATUS_NAMES[int(kind)]
        described = template or Template("")
        texts = described.id, described.name, described.state, described.quality, described.tag
        return cls(kind, status, *texts, described.price_sdt, described.price_uid)

    @property
    def problem(self) -> str:
        """The reason why notices of this kind cannot be sent; empty for none."""
        if not self.template:
            return "no template"
        return "" if self.state == ENABLE else f"template {self.template} is {self.state}"

    @property
    def fix(self) -> str:
        """The place to correct it; a name in the table of codes."""
        return "template" if self.template else "route"


def template_statuses(registered: RegisteredTemplates) -> list[TemplateStatus]:
    """Every kind, in order."""
    return [TemplateStatus.of(kind, registered.template_for(kind)) for kind in NOTICE_KINDS]
