"""How a page is drawn and sent: templates, words, and the headers that guard it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from contracts.errors import FieldError
from contracts.subscriber import UNTIL_RESUMED
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

HERE = Path(__file__).parent
STATIC = {"pages.css": "text/css; charset=utf-8", "pages.svg": "image/svg+xml"}
GUARDS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
}
"""Stands on every answer."""
HSTS = {"Strict-Transport-Security": "max-age=31536000"}
Option = tuple[str, str]


@cache
def texts() -> Mapping[str, Any]:
    return tomllib.loads((HERE / "texts.toml").read_text("utf-8"))


@cache
def stamp(name: str) -> str:
    """A static file's name in pages: it changes with what is in it."""
    return sha256((HERE / "static" / name).read_bytes()).hexdigest()[:10]


def moment(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def day(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%d/%m/%Y}"


@dataclass
class Look:
    """Draws pages for one public address and one vocabulary."""

    public_url: str
    words: Vocabulary
    jinja: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.jinja.filters |= {"moment": moment, "day": day}
        self.jinja.globals |= {
            "base": self.base,
            "texts": texts(),
            "stamp": stamp,
            "choices": self.choices(),
            "until_resumed": UNTIL_RESUMED,
        }

    @property
    def base(self) -> str:
        """What stands before every path of ours."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def guards(self) -> dict[str, str]:
        return GUARDS | (HSTS if self.https else {})

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        body = self.jinja.get_template(template).render(values)
        return HTMLResponse(body, status)

    def say(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page that only says something, out of the catalogue, perhaps with one button."""
        return self.page("message.html", status, said=texts()["page"][name], **values)

    def choices(self) -> Mapping[str, Sequence[Option]]:
        """What can be chosen, by field: id and name, in the order of the vocabulary."""
        words = self.words
        topics = [(id, one.name) for id, one in words.topics.items() if one.subscribable]
        units = [(id, one.name) for id, one in words.units.items() if words.knows("unit", id)]
        audiences = [(id, one.name) for id, one in words.audiences.items()]
        return {"topics": topics, "audiences": audiences, "units": units}

    def names(self, field: str, ids: Sequence[str]) -> list[str]:
        """What a page calls the chosen ones; an id that is known no more speaks for itself."""
        known = dict(self.choices()[field])
        return [known.get(id, id) for id in ids]


def errors(faults: Sequence[FieldError]) -> dict[str, str]:
    """What is wrong, by field, as a citizen reads it: the first thing of each."""
    ours: Mapping[str, str] = texts()["wrong"]
    found: dict[str, str] = {}
    for one in faults:
        found.setdefault(one.field, ours.get(one.field) or named(one))
    return found


def named(fault: FieldError) -> str:
    """A rule's own words, which tell nobody what they are about without the field's name."""
    name = texts()["field"].get(fault.field)
    return f"{name}: {fault.message_vi}" if name else fault.message_vi
