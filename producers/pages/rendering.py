"""Page rendering: templates, texts, security headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse

from contracts.base.security_headers import SECURITY_HEADERS, content_policy
from contracts.base.times import format_date
from contracts.catalog import load_texts
from contracts.errors import FieldError
from contracts.subscriptions.subscriber import UNTIL_RESUMED
from contracts.text.moments import format_moment_in_sentence
from contracts.vocabulary import CORRECTIONS_TOPIC, Vocabulary
from design.frame import URGENT_SHEET, Frame, page_environment
from design.settings import SiteIdentity
from producers.pages.services import PageFacts

_FOLDER = Path(__file__).parent
PAGE_HEADERS = {
    **SECURITY_HEADERS,
    **content_policy(style_src="'self'", img_src="'self'", form_action="'self'"),
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
"""Headers of every response."""
ASSETS_PATH = "/dang-ky"
"""Where the style sheet, the emblem and the icon are served."""
_DAYS_PER_YEAR = 365
Choice = tuple[str, str]


def page_texts() -> Mapping[str, Any]:
    return load_texts(_FOLDER / "texts.toml")


@dataclass
class Renderer:
    """Renders pages for one public address and one vocabulary."""

    public_url: str
    vocabulary: Vocabulary
    identity: SiteIdentity = field(default_factory=SiteIdentity)
    facts: PageFacts = field(default_factory=PageFacts)
    frame: Frame = field(init=False)
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        head = f"{self.base_path}{ASSETS_PATH}"
        self.frame = Frame(
            lambda asset: f"{head}/{asset.name}",
            home=f"{self.base_path}/",
            public_url=self.public_url,
            site=self.identity,
            urgent_css=self.base_path + URGENT_SHEET,
            corrections=self._corrections_path(),
        )
        self.environment = page_environment(_FOLDER / "templates", self.frame)
        self.environment.filters |= {"moment": format_moment_in_sentence, "day": format_date}
        self.environment.globals |= {
            "base": self.base_path,
            "texts": page_texts(),
            "offered": self.choices(),
            "until_resumed": UNTIL_RESUMED,
            "told": self.facts,
            "kept_for": _format_span(self.facts.kept_days),
            "returned_for": _format_span(self.facts.returned_days),
        }

    @property
    def base_path(self) -> str:
        """The path part of the public address."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def is_https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self.environment.get_template(template).render(values), status)

    def message_page(
        self, name: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> HTMLResponse:
        """A message page from the text catalog, with an optional button."""
        page = self.render("message.html", status, said=page_texts()["page"][name], **values)
        page.headers.update(headers or {})
        return page

    def redirect(self, path: str, status: int = HTTPStatus.SEE_OTHER) -> RedirectResponse:
        """Redirect to *path* below the public address."""
        return RedirectResponse(self.base_path + path, status)

    def _corrections_path(self) -> str:
        """Path of the portal's list of corrections; empty where the vocabulary has none."""
        has_list = CORRECTIONS_TOPIC in self.vocabulary.topics
        return f"{self.base_path}/muc/{CORRECTIONS_TOPIC}/" if has_list else ""

    def choices(self) -> Mapping[str, Sequence[Choice]]:
        """Choices by field: ids and names, in the order of the vocabulary."""
        words = self.vocabulary
        topics = [(id, word.name) for id, word in words.topics.items() if word.is_subscribable]
        units = [(id, word.name) for id, word in words.units.items() if words.knows("unit", id)]
        audiences = [(id, word.name) for id, word in words.audiences.items()]
        return {"topics": topics, "audiences": audiences, "units": units}

    def choice_names(self, field: str, ids: Sequence[str]) -> list[str]:
        """Names of chosen ids; an unknown id is its own name."""
        name_by_id = dict(self.choices()[field])
        return [name_by_id.get(id, id) for id in ids]


def _format_span(days: int) -> str:
    """A span in words that no line splits: years where they come out even."""
    years, rest = divmod(days, _DAYS_PER_YEAR)
    return f"{days}\N{NO-BREAK SPACE}ngày" if rest or not years else f"{years}\N{NO-BREAK SPACE}năm"


def errors_by_field(field_errors: Sequence[FieldError]) -> dict[str, str]:
    """The first error of each field, worded for citizens."""
    ours: Mapping[str, str] = page_texts()["wrong"]
    errors: dict[str, str] = {}
    for error in field_errors:
        name = page_texts()["field"].get(error.field)
        described = f"{name}: {error.message_vi}" if name else error.message_vi
        errors.setdefault(error.field, ours.get(error.field) or described)
    return errors
