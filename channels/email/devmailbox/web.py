"""/hop-thu-thu: web pages of the development mailbox."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from channels.email import parsing
from channels.email.devmailbox.mail_folder import MailFolder, StoredMail
from contracts.base.fetch_metadata import is_cross_site_request
from contracts.base.security_headers import SECURITY_HEADERS, content_policy
from contracts.text.moments import format_moment_in_sentence
from design.frame import Frame, page_environment
from design.routes import asset_routes

_TEMPLATES = Path(__file__).parent / "templates"
PAGE_SIZE = 50
_PAGES_MAX = 10_000
_SHOWN_FIELDS = (
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "List-Id", "List-Unsubscribe"
)  # fmt: skip
_FORBIDDEN = 403
_HEADERS = {
    **SECURITY_HEADERS,
    **content_policy(style_src="'self'", img_src="'self'", frame_src="'self'"),
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SANDBOX_HEADERS = _HEADERS | content_policy(
    sandbox="", style_src="'unsafe-inline'", img_src="data:", frame_ancestors="'self'"
)
_PATH = "/hop-thu-thu"
_FRAME = Frame(
    lambda asset: f"{_PATH}/tep/{asset.name}", home=_PATH, styles=(_TEMPLATES / "mailbox.css",)
)
_JINJA = page_environment(_TEMPLATES, _FRAME)


class _MailboxPages:
    def __init__(self, mail_folder: MailFolder) -> None:
        self.mail_folder = mail_folder

    def index(self, request: Request) -> Response:
        asked = request.query_params.get("trang", "1")
        number = int(asked) if asked.isdecimal() and len(asked) < 9 else 1
        number = max(1, min(number, _PAGES_MAX))
        start = (number - 1) * PAGE_SIZE
        stored = list(islice(self.mail_folder.newest_first(), start, start + PAGE_SIZE + 1))
        mails, more = [_summary(mail) for mail in stored[:PAGE_SIZE]], len(stored) > PAGE_SIZE
        return _render_page("list.html", mails=mails, number=number, more=more)

    def show(self, request: Request) -> Response:
        stored = self.find_mail(request)
        raw = stored.raw()
        shown = [(field, parsing.header_text(raw, field)) for field in _SHOWN_FIELDS]
        fields = [(field, value) for field, value in shown if value]
        text = parsing.body_text(raw, "plain")
        return _render_page("mail.html", mail=_summary(stored), fields=fields, text=text)

    def html(self, request: Request) -> Response:
        """The HTML part alone, sandboxed for the frame."""
        page = parsing.body_text(self.find_mail(request).raw(), "html")
        return HTMLResponse(page, headers=_SANDBOX_HEADERS)

    def raw(self, request: Request) -> Response:
        mail, kind = self.find_mail(request).raw(), "text/plain; charset=utf-8"
        return Response(mail, media_type=kind, headers=_SANDBOX_HEADERS)

    def find_mail(self, request: Request) -> StoredMail:
        mail = self.mail_folder.find(request.path_params["name"])
        if mail is None:
            raise HTTPException(404)
        return mail


class _SiteGuard:
    """Refuses requests that a page of another site makes a browser send, so also its frames."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and is_cross_site_request(Headers(scope=scope)):
            text = "a page of another site asked for this"
            app = PlainTextResponse(text, _FORBIDDEN, headers=_HEADERS)
        await app(scope, receive, send)


def mailbox_app(mail_folder: MailFolder) -> Starlette:
    """Web app whose paths all start with `/hop-thu-thu`."""
    pages = _MailboxPages(mail_folder)
    routes = [
        *asset_routes(f"{_PATH}/tep", _FRAME.files, _HEADERS),
        Route(_PATH, pages.index),
        Route(f"{_PATH}/{{name}}", pages.show),
        Route(f"{_PATH}/{{name}}/html", pages.html),
        Route(f"{_PATH}/{{name}}/raw", pages.raw),
    ]
    guard = [Middleware(_SiteGuard)]
    app = Starlette(routes=routes, middleware=guard, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return app


def _not_found(_request: Request, _error: Exception) -> Response:
    return _render_page("missing.html", status=404)


def _render_page(template: str, status: int = 200, **values: Any) -> Response:
    page = _JINJA.get_template(template).render(values)
    return HTMLResponse(page, status, headers=_HEADERS)


def _summary(stored: StoredMail) -> Mapping[str, str]:
    """Fields of a mail in the list."""
    raw = stored.raw()
    return {
        "name": stored.name,
        "at": format_moment_in_sentence(stored.received_at),
        "sender": parsing.header_text(raw, "From"),
        "recipient": parsing.header_text(raw, "To"),
        "subject": parsing.header_text(raw, "Subject"),
    }
