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

from contracts.base.times import VIETNAM
from contracts.errors import FieldError
from contracts.subscriptions.subscriber import UNTIL_RESUMED
from contracts.vocabulary import Vocabulary

FOLDER = Path(__file__).parent
STATIC_FILES = {"pages.css": "text/css; charset=utf-8", "pages.svg": "image/svg+xml"}
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex",
}
"""Stands on every answer."""
HSTS_HEADER = {"Strict-Transport-Security": "max-age=31536000"}
Choice = tuple[str, str]


@cache
def page_texts() -> Mapping[str, Any]:
    return tomllib.loads((FOLDER / "texts.toml").read_text("utf-8"))


@cache
def file_version(name: str) -> str:
    """A static file's name in pages: it changes with what is in it."""
    return sha256((FOLDER / "static" / name).read_bytes()).hexdigest()[:10]


def format_moment(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"


def format_day(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%d/%m/%Y}"


@dataclass
class Renderer:
    """Draws pages for one public address and one vocabulary."""

    public_url: str
    vocabulary: Vocabulary
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {"moment": format_moment, "day": format_day}
        self.environment.globals |= {
            "base": self.base_path,
            "texts": page_texts(),
            "stamp": file_version,
            "choices": self.choices(),
            "until_resumed": UNTIL_RESUMED,
        }

    @property
    def base_path(self) -> str:
        """What stands before every path of ours."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def is_https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def security_headers(self) -> dict[str, str]:
        return SECURITY_HEADERS | (HSTS_HEADER if self.is_https else {})

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        body = self.environment.get_template(template).render(values)
        return HTMLResponse(body, status)

    def message_page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page that only says something, out of the catalogue, perhaps with one button."""
        return self.render("message.html", status, said=page_texts()["page"][name], **values)

    def choices(self) -> Mapping[str, Sequence[Choice]]:
        """What can be chosen, by field: id and name, in the order of the vocabulary."""
        words = self.vocabulary
        topics = [(id, one.name) for id, one in words.topics.items() if one.is_subscribable]
        units = [(id, one.name) for id, one in words.units.items() if words.knows("unit", id)]
        audiences = [(id, one.name) for id, one in words.audiences.items()]
        return {"topics": topics, "audiences": audiences, "units": units}

    def choice_names(self, field: str, ids: Sequence[str]) -> list[str]:
        """What a page calls the chosen ones; an id that is known no more speaks for itself."""
        known = dict(self.choices()[field])
        return [known.get(id, id) for id in ids]


def errors_by_field(field_errors: Sequence[FieldError]) -> dict[str, str]:
    """What is wrong, by field, as a citizen reads it: the first thing of each."""
    ours: Mapping[str, str] = page_texts()["wrong"]
    found: dict[str, str] = {}
    for one in field_errors:
        found.setdefault(one.field, ours.get(one.field) or describe_error(one))
    return found


def describe_error(error: FieldError) -> str:
    """A rule's own words, which tell nobody what they are about without the field's name."""
    name = page_texts()["field"].get(error.field)
    return f"{name}: {error.message_vi}" if name else error.message_vi
