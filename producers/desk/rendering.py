"""Page rendering of the desk: templates, texts, security headers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse

from contracts.base.security_headers import content_policy
from contracts.catalog import load_texts
from contracts.errors import ContractError
from contracts.text.moments import VIETNAM, format_moment_in_sentence
from design.assets import Asset, AssetFolder, read_folder
from design.frame import Frame, page_environment
from design.settings import SiteIdentity
from producers.html_to_markdown.back import editor_html
from producers.pages import rendering as pages

_FOLDER = Path(__file__).parent
_TEMPLATES = _FOLDER / "templates"
HEADERS = {
    **pages.PAGE_HEADERS,
    **content_policy(
        style_src="'self'",
        img_src="'self'",
        form_action="'self'",
        script_src="'self'",
        connect_src="'self'",
    ),
    "Referrer-Policy": "same-origin",
}
"""Headers of every response. Without a referrer, browsers would hide the `Origin` of forms."""

_OTHER_FIELD = re.compile(r"(?<![\w.`-])(?:data\.)?[a-z]+_[a-z_]+(?![\w.`-])")
"""A name of the contract, such as `not_before`."""
_MOST_WATCHED = 64
"""States of items that are kept as they were rendered last."""
ASSETS_PATH = "/tinh"
"""Where the style sheet, the emblem and the icon are served."""


def _asset_path(asset: Asset) -> str:
    return f"{ASSETS_PATH}/{asset.name}"


@cache
def desk_scripts() -> AssetFolder:
    """The desk's own scripts, and those of others in `vendor`."""
    return read_folder("lenh", _FOLDER / "static", ".js")


def desk_texts() -> Mapping[str, Any]:
    return load_texts(_FOLDER / "texts.toml")


@dataclass
class DeskPages:
    """Renders the pages of the desk of one ministry."""

    identity: SiteIdentity = field(default_factory=SiteIdentity)
    frame: Frame = field(init=False)
    environment: Environment = field(init=False)
    scripts: AssetFolder = field(init=False)
    _watched: dict[str, tuple[object, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        styles = tuple(sorted(_TEMPLATES.glob("*.css")))
        self.frame = Frame(_asset_path, site=self.identity, styles=styles)
        catalogs = {
            "texts": desk_texts(),
            "editor_texts": load_texts(_FOLDER / "editor/texts.toml"),
        }
        self.environment = page_environment(_TEMPLATES, self.frame, **catalogs)
        self.environment.filters["moment"] = format_moment_in_sentence
        self.environment.filters["grouped"] = lambda number: f"{number:,}".replace(",", ".")
        self.environment.filters |= {"clock": _clock, "span": _format_span}
        self.environment.globals["vietnam"] = VIETNAM
        self.environment.filters["editor_html"] = editor_html
        self.scripts = desk_scripts()
        self.environment.globals["script_folder"] = f"{ASSETS_PATH}/{self.scripts.name}"

    def render(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        return HTMLResponse(self.environment.get_template(template).render(values), status)

    def render_once(
        self, name: str, template: str, state: object, values: Mapping[str, object]
    ) -> str:
        """A part of a page, rendered once for the *state* that many people watch under *name*."""
        known = self._watched.pop(name, None)
        if known is None or known[0] is not state:
            known = state, self.environment.get_template(template).render(values)
        self._watched[name] = known
        if len(self._watched) > _MOST_WATCHED:
            del self._watched[next(iter(self._watched))]
        return known[1]

    def message_page(
        self, name: str, status: int, visit: object = None, typed: object = None, **values: str
    ) -> HTMLResponse:
        """A page that only says something; `name` is that of its texts, which name *values*.

        It shows what was *typed* into the form that it answers.
        """
        shown = {"visit": visit, "typed": typed, "values": values, "wrong": {}}
        return self.render("message.html", status, said=desk_texts()["page"][name], **shown)


def _clock(at: datetime) -> str:
    """The time of day in Vietnam, to the second."""
    return f"{at.astimezone(VIETNAM):%H:%M:%S}"


def _format_span(seconds: float) -> str:
    """A span in its two largest units."""
    said: Mapping[str, str] = desk_texts()["live"]
    minutes, rest = divmod(round(seconds), 60)
    hours, over = divmod(minutes, 60)
    if hours:
        return said["hours"].format(hours, over)
    return said["minutes"].format(minutes, rest) if minutes else said["seconds"].format(rest)


def redirect(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def errors_by_field(refused: ContractError) -> dict[str, str]:
    """The first error of each field, in Vietnamese, as a sentence that names its field."""
    errors: dict[str, str] = {}
    for error in refused.errors:
        errors.setdefault(error.field, sentence_about(error.field, error.message_vi))
    return errors


def sentence_about(field: str, said: str) -> str:
    """Sentence that says *said* of a field, in which fields have the names of the forms."""
    return _as_sentence(_OTHER_FIELD.sub(_named_field, _with_field(field, said)))


def _named_field(found: re.Match[str]) -> str:
    name = _field_name(found[0])
    return f"“{name}”" if name else found[0]


def _with_field(field: str, said: str) -> str:
    """*said* behind the name that people have for the field, unless it is a whole sentence."""
    name, words = _field_name(field), desk_texts()["wrong"]
    if not name or name.lower() in said.lower() or said.startswith(tuple(words["sentences"])):
        return said
    is_predicate = said.partition(" ")[0] in words["predicates"]
    return f"{name} {said}" if is_predicate else f"{name}: {said}"


def _field_name(field: str) -> str:
    """The name of a field of a form or an event, also of an entry in a list; empty for none."""
    texts, own = desk_texts(), field.removeprefix("data.")
    known = texts["field"] | texts["event_field"] | texts["item"]["field"]
    if found := known.get(own) or known.get(field):
        return str(found)
    head, _, rest = own.partition(".")
    number, _, part = rest.partition(".")
    if head not in known or not number.isdecimal():
        return ""
    place, parts = int(number) + 1, texts["item"]["entry"]
    if part not in parts:
        return f"{known[head]} {place}"
    entry = known[head][:1].lower() + known[head][1:]
    return str(parts["field"].format(field=parts[part], entry=entry, number=place))


def _as_sentence(text: str) -> str:
    """*text* with a capital letter, unless it begins with a value, such as an id."""
    first, _, _ = text.partition(" ")
    return text[:1].upper() + text[1:] if first.isalpha() else text


def refusal_status(refused: ContractError) -> int:
    """The status of a page with errors: 401 would ask for a scheme that the desk has not."""
    is_unauthorized = refused.status == HTTPStatus.UNAUTHORIZED
    return HTTPStatus.FORBIDDEN if is_unauthorized else refused.status
