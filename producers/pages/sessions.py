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

from contracts.subscriptions.subscriber import Subscriber
from producers.pages.forms import Form, single_value
from producers.pages.services import PreferencesService

SESSION_LIFETIME_S = 3600
CROSS_SITE_VALUES = ("cross-site", "same-site")
SEAL_FIELD = "seal"
BROWSER_BYTES = 16
BROWSER_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass
class Sessions:
    """Who is in. Over https no other site of the domain can set or read the cookie."""

    service: PreferencesService
    is_https: bool

    @property
    def session_cookie(self) -> str:
        return self.cookie_name("loa-dang-ky")

    @property
    def browser_cookie(self) -> str:
        """The cookie that tells browsers apart. It lets nobody in."""
        return self.cookie_name("loa-trinh-duyet")

    def cookie_name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_https else name

    @property
    def cookie_attributes(self) -> dict[str, Any]:
        return {"path": "/", "secure": self.is_https, "httponly": True, "samesite": "strict"}

    def session_token(self, request: Request) -> str:
        return request.cookies.get(self.session_cookie, "")

    async def find_subscriber(self, request: Request) -> Subscriber | None:
        """Whose session *request* carries."""
        token = self.session_token(request)
        return await self.service.find_by_session(token) if token else None

    def is_cross_site(self, request: Request) -> bool:
        """Whether another site's page sent this, as browsers say: it could let somebody in as
        whoever it likes."""
        return request.headers.get("sec-fetch-site") in CROSS_SITE_VALUES

    def start(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.session_cookie, token, max_age=SESSION_LIFETIME_S, **self.cookie_attributes
        )

    def browser_id(self, request: Request) -> str:
        """What tells this browser from others, new where it has nothing (of ours) yet."""
        found = request.cookies.get(self.browser_cookie, "")
        return (
            found if BROWSER_ID_PATTERN.fullmatch(found) else secrets.token_urlsafe(BROWSER_BYTES)
        )

    def remember_browser(self, response: Response, browser: str) -> None:
        """Know this browser again, when it comes from a web mailbox too (hence `lax`)."""
        traits = self.cookie_attributes | {"samesite": "lax"}
        response.set_cookie(self.browser_cookie, browser, max_age=SESSION_LIFETIME_S, **traits)

    def end(self, response: Response) -> None:
        """Nobody gets in again from this browser, by the link that opened it neither."""
        response.delete_cookie(self.session_cookie, **self.cookie_attributes)
        response.delete_cookie(self.browser_cookie, **self.cookie_attributes)

    def form_seal(self, request: Request) -> str:
        """What only a page of ours, shown under the request's cookie, can send back."""
        return sha256(b"loa form\x00" + self.session_token(request).encode()).hexdigest()

    def has_valid_seal(self, request: Request, form: Form) -> bool:
        return hmac.compare_digest(
            single_value(form, SEAL_FIELD).encode(), self.form_seal(request).encode()
        )
