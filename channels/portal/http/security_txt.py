"""/.well-known/security.txt: whom to tell of a weakness (RFC 9116)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from contracts.base.times import Clock, utc_now

PATH_HEAD = ".well-known"
_PATH = f"/{PATH_HEAD}/security.txt"


@dataclass(frozen=True)
class SecurityContact:
    """The contacts as URIs, best first, and the day until which they hold."""

    contacts: Sequence[str]
    expires: date

    def is_expired(self, now: datetime) -> bool:
        return now >= self._end

    @property
    def _end(self) -> datetime:
        return datetime.combine(self.expires, time(), UTC)

    def to_text(self, public_url: str) -> str:
        lines = [f"Contact: {contact}" for contact in self.contacts]
        lines += [f"Expires: {self._end:%Y-%m-%dT%H:%M:%SZ}", "Preferred-Languages: vi, en"]
        if public_url.startswith("https:"):
            lines.append(f"Canonical: {public_url.rstrip('/')}{_PATH}")
        return "\n".join(lines) + "\n"


def security_txt_app(contact: SecurityContact, public_url: str, clock: Clock) -> Starlette:
    """The file as an app of its own; 404 once it has expired."""

    async def show(_: Request) -> Response:
        if contact.is_expired(utc_now(clock)):
            raise HTTPException(404)
        return PlainTextResponse(contact.to_text(public_url))

    app = Starlette(routes=[Route(_PATH, show)])
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return app
