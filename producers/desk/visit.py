"""One request of a browser: its session, its person and its form."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from contracts.base.times import utc_now
from contracts.desk.editorial import PersonAtDesk
from contracts.desk.uploads import FOLDER
from contracts.errors import ContractError
from contracts.staff.sign_in import local_path
from producers.desk import rendering
from producers.desk.errors import NotSignedIn
from producers.desk.event_stream import OpenStreams
from producers.desk.services import DeskServices, Visitor
from producers.desk.web_session import ProviderCookie, SessionCookie, form_seal
from producers.pages.file_forms import UploadedFile
from producers.pages.file_slots import FileSlots
from producers.pages.forms import FORM_BYTES, Form, read_form, single_value
from producers.pages.mail_limits import client_address
from producers.token_buckets import TokenBuckets

_ARRIVALS_PER_MINUTE, _ARRIVALS_BURST = 60.0, 120.0
"""Limit, per network, of browsers that come back from the identity provider: each one makes Loa
ask it. Many people of an office behind one address sign in at the same time.
"""
_JSON = "application/json"
SEAL_FIELD, CODE_FIELD = "seal", "code"
OWN_FIELDS = (SEAL_FIELD, CODE_FIELD)
"""Fields of a form that count once, and are never kept."""
PUBLIC, OWN = "public", "own"
"""Access for all; access for whoever is signed in, to what is their own."""
_TRIALS_PER_MINUTE, _TRIALS_BURST = 0.5, 10.0
"""Limit, per account, of trials of mails that are sent to the person."""
_CONVERSIONS_PER_MINUTE, _CONVERSIONS_BURST = 120.0, 120.0
"""Limit, per account, of what the visual editor asks: to convert a long text takes a second."""
_UPLOAD_MB_PER_HOUR = 500.0
"""Limit, per account, of what it uploads, so that one fills the store for all in days at least."""


def _limit_of_uploads() -> TokenBuckets:
    """A token is a megabyte."""
    return TokenBuckets(_UPLOAD_MB_PER_HOUR / 60, _UPLOAD_MB_PER_HOUR, time.monotonic)


_LATE_FORMS_PER_MINUTE, _LATE_FORMS_BURST = 30.0, 60.0
"""Limit, per network, of long forms that are read although their session has ended."""


def _limit_of_late_forms() -> TokenBuckets:
    return TokenBuckets(_LATE_FORMS_PER_MINUTE, _LATE_FORMS_BURST, time.monotonic)


def _limit_of_conversions() -> TokenBuckets:
    return TokenBuckets(_CONVERSIONS_PER_MINUTE, _CONVERSIONS_BURST, time.monotonic)


def _limit_of_trials() -> TokenBuckets:
    return TokenBuckets(_TRIALS_PER_MINUTE, _TRIALS_BURST, time.monotonic)


def _limit_of_arrivals() -> TokenBuckets:
    return TokenBuckets(_ARRIVALS_PER_MINUTE, _ARRIVALS_BURST, time.monotonic)


@dataclass(frozen=True)
class DeskParts:
    """The parts that handlers use."""

    services: DeskServices
    url: str
    arrivals: TokenBuckets = field(default_factory=_limit_of_arrivals)
    conversions: TokenBuckets = field(default_factory=_limit_of_conversions)
    trials: TokenBuckets = field(default_factory=_limit_of_trials)
    late_forms: TokenBuckets = field(default_factory=_limit_of_late_forms)
    uploads: TokenBuckets = field(default_factory=_limit_of_uploads)
    file_slots: FileSlots = field(default_factory=FileSlots)

    @cached_property
    def streams(self) -> OpenStreams:
        return OpenStreams(self.services.sessions, self.services.live)

    @property
    def is_https(self) -> bool:
        return self.url.startswith("https:")

    @property
    def cookie(self) -> SessionCookie:
        return SessionCookie(self.is_https)

    @property
    def provider_cookie(self) -> ProviderCookie:
        return ProviderCookie(self.is_https)


class MenuSection(NamedTuple):
    """A section of the menu with its pages by address and name. *here*: the page's own address."""

    text: str
    pages: Sequence[tuple[str, str]]
    is_current: bool
    here: str


@dataclass
class Visit:
    """One request. *token* is that of the session, or seals the forms of a visitor without one."""

    desk: DeskParts
    request: Request
    token: str
    person: Visitor | None = None
    form: Form = field(default_factory=dict)
    form_bytes: int = FORM_BYTES
    is_form_read: bool = False
    """Its form was read, or can't be read any more."""
    file: UploadedFile | None = None
    """The file that came with the form; it is removed after the answer."""
    is_file_too_large: bool = False
    """A file above the limit came, of which nothing is kept."""
    new_token: str = ""
    """The token that the answer's cookie has to carry."""

    @property
    def network(self) -> str:
        """The client's address, as reported by the trusted proxy."""
        return client_address(self.request)

    @property
    def visitor(self) -> Visitor:
        """The person who is signed in. Raises NotSignedIn."""
        if self.person is None:
            raise NotSignedIn
        return self.person

    @property
    def now(self) -> datetime:
        return utc_now(self.desk.services.clock)

    @property
    def editorial(self) -> PersonAtDesk:
        """The items of the desk, as the person who is signed in sees them."""
        return self.desk.services.editorial.of(self.visitor)

    def value(self, name: str) -> str:
        """The last value of a field; empty for none."""
        return single_value(self.form, name)

    @property
    def kept_fields(self) -> list[tuple[str, str]]:
        """The fields of the form for another form that sends them again with its own seal."""
        return [(n, v) for n, vs in self.form.items() for v in vs if n not in OWN_FIELDS]

    async def read_form(self) -> None:
        """Read the form. Raises HTTPException for what no form of ours sends."""
        self.is_form_read = True
        self.form = await read_form(self.request, self.form_bytes)

    def seal(self, path: str) -> str:
        """The seal of a form of this page that goes to *path*."""
        if not self.desk.cookie.read(self.request):
            self.new_token = self.new_token or self.token
        return form_seal(self.desk.services.seal_key, self.token, path)

    def open(self, token: str) -> None:
        """Give the browser the token of a new session."""
        self.token = self.new_token = token

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page for this visit; *values* may hold `wrong`: an error for each field."""
        return self.desk.services.pages.render(
            template, status, visit=self, **{"wrong": {}, **values}
        )

    def menu(self, nav: Sequence[Mapping[str, Any]]) -> list[MenuSection]:
        """The sections of *nav* with the pages that the person may see."""
        here = self._place_in(nav)
        sections = [self._section(one, here) for one in nav]
        return [one for one in sections if one.pages]

    def _place_in(self, nav: Sequence[Mapping[str, Any]]) -> str:
        """The address in *nav* that is that of this page, or of the pages above it."""
        path = self.request.url.path
        pages = [page for section in nav for page in section["pages"]]
        known: dict[str, str] = {page["also"]: page["path"] for page in pages if "also" in page}
        known |= {page["path"]: page["path"] for page in pages}
        last = max((one for one in known if _is_at_or_below(path, one)), key=len, default="")
        return known.get(last, "")

    def _section(self, section: Mapping[str, Any], here: str) -> MenuSection:
        pages = [
            (page["path"], page["text"])
            for page in section["pages"]
            if self.may_follow(page.get("action", ""))
        ]
        return MenuSection(section["text"], pages, any(path == here for path, _ in pages), here)

    def may_follow(self, action: str) -> bool:
        """Whether one of the *action*s, which commas separate, is enough for the person."""
        actions = action.replace(",", " ").split()
        return not action or (self.person is not None and any(map(self.person.may, actions)))

    def unit_name(self, unit: str) -> str:
        """The name of a unit; its id where the vocabulary has it no longer."""
        return self.desk.services.unit_names.get(unit, unit)

    @cached_property
    def topics(self) -> Mapping[str, str]:
        """The names of the topics that a text may have, by id."""
        words = self.desk.services.vocabulary
        return {id: one.name for id, one in words.topics.items() if not words.is_reserved(id)}

    @cached_property
    def audiences(self) -> Mapping[str, str]:
        """The names of the audiences, by id."""
        return {id: one.name for id, one in self.desk.services.vocabulary.audiences.items()}

    @property
    def upload_folder(self) -> str:
        """Where the portal has uploads."""
        return f"{self.desk.services.public_url}/{FOLDER}/"

    def own_address(self, text: str) -> str:
        """*text* with uploads at the desk's own address: the portal may not have them yet."""
        return text.replace(self.upload_folder, f"/{FOLDER}/")

    def topic_name(self, topic: str) -> str:
        return self.topics.get(topic, topic)

    def audience_name(self, audience: str) -> str:
        return self.audiences.get(audience, audience)

    def role_name(self, role: str) -> str:
        """The name of a role; its id where the roles file has it no longer."""
        return self.desk.services.staff.role_names().get(role, role)

    @property
    def page_before(self) -> str:
        """The page of the desk from which the person came; the start page where none is known."""
        before = urlsplit(self.request.headers.get("referer", ""))
        is_ours = f"{before.scheme}://{before.netloc}" == self.desk.url
        path = f"{before.path}?{before.query}" if before.query else before.path
        return local_path(path) if is_ours else "/"

    def back(self) -> list[tuple[str, str]]:
        """A link to the page of the desk from which the person came, if the browser says so."""
        before, name = self.page_before, rendering.desk_texts()["link"]["back_page"]
        is_another = before.partition("?")[0] not in ("/", self.request.url.path)
        return [(before, name)] if is_another else []

    async def find_person(self) -> None:
        """Find who is signed in, for a page that anyone may see."""
        if self.person is None and (token := self.desk.cookie.read(self.request)):
            self.person = await self.desk.services.staff.find(token)

    def refused_page(self, template: str, refused: ContractError, **values: Any) -> HTMLResponse:
        """The page of a form again, with what was wrong."""
        wrong = rendering.errors_by_field(refused)
        status = rendering.refusal_status(refused)
        page = self.page(template, status, **values, wrong=wrong)
        page.headers.update(retry_headers(refused))
        return page


def retry_headers(refused: ContractError) -> Mapping[str, str]:
    after_s = refused.retry_after_s
    return {} if after_s is None else {"Retry-After": str(math.ceil(after_s))}


def wants_json(request: Request) -> bool:
    """Whether a script asked, which reads JSON in place of a page."""
    return _JSON in request.headers.get("accept", "")


@dataclass(frozen=True)
class DeskRoute:
    """A route and who may use it: PUBLIC, OWN, or an action of `roles.toml`.

    Of several actions one is enough, where nothing is changed: there no code is asked for.
    `from_server`: another server sends it, without cookie, and proves itself in the handler.
    `takes_file`: its form comes with a file, which is read only from a person who may send one.
    `signs_in`: it begins another session, which takes a second factor anew if this one had one.
    `form_bytes`: limit of its form; a larger one than usual is read of signed-in people alone.
    """

    method: str
    path: str
    access: str | tuple[str, ...]
    handler: Callable[[Visit], Awaitable[Response]]
    from_server: bool = False
    signs_in: bool = False
    form_bytes: int = FORM_BYTES
    takes_file: bool = False

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions of which one is enough; none for PUBLIC and OWN."""
        if self.access in (PUBLIC, OWN):
            return ()
        return (self.access,) if isinstance(self.access, str) else self.access


def _is_at_or_below(path: str, place: str) -> bool:
    """Whether *path* is *place*, in which `*` is any segment, or below it; nothing is below `/`."""
    found, wanted = path.strip("/").split("/"), place.strip("/").split("/")
    pairs = zip(found, wanted, strict=False)
    return len(found) >= len(wanted) and all(one in (name, "*") for name, one in pairs)
