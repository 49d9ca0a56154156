"""A reader's session: one cookie for an hour, and a seal in every form that acts on it.

A second cookie tells one browser from another, so that the link of a letter opens in one alone.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from contracts.subscriber import Subscriber
from producers.pages.forms import Form, one
from producers.pages.office import Own

LIFE_S = 3600
ELSEWHERE = ("cross-site", "same-site")
SEAL = "seal"
BROWSER_BYTES = 16
OURS = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass
class Sessions:
    """Who is in. Over https no other site of the domain can set or read the cookie."""

    own: Own
    https: bool

    @property
    def name(self) -> str:
        return self.whole("loa-dang-ky")

    @property
    def browser(self) -> str:
        """The cookie that tells browsers apart. It lets nobody in."""
        return self.whole("loa-trinh-duyet")

    def whole(self, name: str) -> str:
        return f"__Host-{name}" if self.https else name

    @property
    def traits(self) -> dict[str, Any]:
        return {"path": "/", "secure": self.https, "httponly": True, "samesite": "strict"}

    def token(self, request: Request) -> str:
        return request.cookies.get(self.name, "")

    async def reader(self, request: Request) -> Subscriber | None:
        """Whose session *request* carries."""
        token = self.token(request)
        return await self.own.reader(token) if token else None

    def foreign(self, request: Request) -> bool:
        """Whether another site's page sent this, as browsers say: it could let somebody in as
        whoever it likes."""
        return request.headers.get("sec-fetch-site") in ELSEWHERE

    def begin(self, response: Response, token: str) -> None:
        response.set_cookie(self.name, token, max_age=LIFE_S, **self.traits)

    def known(self, request: Request) -> str:
        """What tells this browser from others, new where it has nothing (of ours) yet."""
        found = request.cookies.get(self.browser, "")
        return found if OURS.fullmatch(found) else secrets.token_urlsafe(BROWSER_BYTES)

    def keep(self, response: Response, browser: str) -> None:
        """Know this browser again, when it comes from a web mailbox too (hence `lax`)."""
        traits = self.traits | {"samesite": "lax"}
        response.set_cookie(self.browser, browser, max_age=LIFE_S, **traits)

    def end(self, response: Response) -> None:
        """Nobody gets in again from this browser, by the link that opened it neither."""
        response.delete_cookie(self.name, **self.traits)
        response.delete_cookie(self.browser, **self.traits)

    def seal(self, request: Request) -> str:
        """What only a page of ours, shown under the request's cookie, can send back."""
        return sha256(b"loa form\x00" + self.token(request).encode()).hexdigest()

    def sealed(self, request: Request, form: Form) -> bool:
        return hmac.compare_digest(one(form, SEAL).encode(), self.seal(request).encode())
