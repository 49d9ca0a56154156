"""/hop-thu-thu: what the catch-all mailbox has received, for looking at in a browser."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from channels.email import maildrop
from channels.email.maildrop import Maildrop, Stored
from contracts.vietnam import VIETNAM

TEMPLATES = Path(__file__).parent / "templates"
PAGE = 50
PAGES_MAX = 10_000
FIELDS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "List-Id",
    "List-Unsubscribe",
)
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}
CAGED = SAFE | {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    )
}
_JINJA = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Mailbox:
    """The pages over one maildrop."""

    def __init__(self, drop: Maildrop) -> None:
        self.drop = drop

    def routes(self) -> list[Route]:
        """To be mounted at the root: every path starts with /hop-thu-thu."""
        return [
            Route("/hop-thu-thu", self.index),
            Route("/hop-thu-thu/mailbox.css", self.style),
            Route("/hop-thu-thu/{name}", self.show),
            Route("/hop-thu-thu/{name}/html", self.html),
            Route("/hop-thu-thu/{name}/raw", self.raw),
        ]

    def index(self, request: Request) -> Response:
        number = page_number(request)
        start = (number - 1) * PAGE
        found = list(islice(self.drop.newest_first(), start, start + PAGE + 1))
        mails = [summary(stored) for stored in found[:PAGE]]
        return page("mailbox_list.html", mails=mails, number=number, more=len(found) > PAGE)

    def style(self, _request: Request) -> Response:
        return FileResponse(TEMPLATES / "mailbox.css", media_type="text/css", headers=SAFE)

    def show(self, request: Request) -> Response:
        stored = self.stored(request)
        raw = stored.raw()
        fields = [(field, maildrop.header(raw, field)) for field in FIELDS]
        return page(
            "mailbox_mail.html",
            mail=summary(stored),
            fields=[(field, value) for field, value in fields if value],
            text=maildrop.content(raw, "plain"),
        )

    def html(self, request: Request) -> Response:
        """The HTML part alone: a document that may do nothing, for the frame."""
        return HTMLResponse(maildrop.content(self.stored(request).raw(), "html"), headers=CAGED)

    def raw(self, request: Request) -> Response:
        return Response(
            self.stored(request).raw(), media_type="text/plain; charset=utf-8", headers=CAGED
        )

    def stored(self, request: Request) -> Stored:
        found = self.drop.find(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return found


def app(drop: Maildrop) -> Starlette:
    """The pages as an application of their own."""
    return Starlette(routes=Mailbox(drop).routes(), exception_handlers={404: not_found})


def not_found(_request: Request, _error: Exception) -> Response:
    return page("mailbox_missing.html", status=404)


def page(template: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(_JINJA.get_template(template).render(values), status, headers=SAFE)


def page_number(request: Request) -> int:
    asked = request.query_params.get("trang", "1")
    return max(1, min(int(asked), PAGES_MAX)) if asked.isdecimal() and len(asked) < 9 else 1


def summary(stored: Stored) -> Mapping[str, str]:
    """What a list shows of a mail."""
    raw = stored.raw()
    return {
        "name": stored.name,
        "at": stored.at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S"),
        "sender": maildrop.header(raw, "From"),
        "recipient": maildrop.header(raw, "To"),
        "subject": maildrop.header(raw, "Subject"),
    }
