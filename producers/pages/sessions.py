"""Sessions: one cookie for an hour, and a seal in every form that changes something.

A second cookie identifies the browser, so an access link works in one browser only.
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

_SESSION_LIFETIME_S = 3600
_CROSS_SITE_VALUES = ("cross-site", "same-site")
_SEAL_FIELD = "seal"
_BROWSER_BYTES = 16
_BROWSER_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass
class Sessions:
    """The session cookies. Over https, other sites of the domain cannot set or read them."""

    service: PreferencesService
    is_https: bool

    @property
    def session_cookie(self) -> str:
        return self.cookie_name("loa-dang-ky")

    @property
    def browser_cookie(self) -> str:
        """The cookie that identifies the browser; it grants no access."""
        return self.cookie_name("loa-trinh-duyet")

    def cookie_name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_https else name

    @property
    def cookie_attributes(self) -> dict[str, Any]:
        return {"path": "/", "secure": self.is_https, "httponly": True, "samesite": "strict"}

    def session_token(self, request: Request) -> str:
        return request.cookies.get(self.session_cookie, "")

    async def find_subscriber(self, request: Request) -> Subscriber | None:
        """The subscriber whose session *request* carries."""
        token = self.session_token(request)
        return await self.service.find_by_session(token) if token else None

    def is_cross_site(self, request: Request) -> bool:
        """Whether another site's page sent the request (login CSRF), by the browser's headers."""
        return request.headers.get("sec-fetch-site") in _CROSS_SITE_VALUES

    def start(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.session_cookie, token, max_age=_SESSION_LIFETIME_S, **self.cookie_attributes
        )

    def browser_id(self, request: Request) -> str:
        """The browser's id; a new one without a valid cookie."""
        cookie = request.cookies.get(self.browser_cookie, "")
        is_valid = _BROWSER_ID_PATTERN.fullmatch(cookie)
        return cookie if is_valid else secrets.token_urlsafe(_BROWSER_BYTES)

    def remember_browser(self, response: Response, browser: str) -> None:
        """Set the browser cookie; `lax`, because links are opened from web mailboxes."""
        traits = self.cookie_attributes | {"samesite": "lax"}
        response.set_cookie(self.browser_cookie, browser, max_age=_SESSION_LIFETIME_S, **traits)

    def end(self, response: Response) -> None:
        """Delete both cookies, so the access link stops working here, too, and cached pages."""
        response.headers["Clear-Site-Data"] = '"cache"'
        response.delete_cookie(self.session_cookie, **self.cookie_attributes)
        response.delete_cookie(self.browser_cookie, **self.cookie_attributes)

    def form_seal(self, request: Request) -> str:
        """The form seal: derived from the session cookie, so other sites cannot know it."""
        return sha256(b"loa form\x00" + self.session_token(request).encode()).hexdigest()

    def has_valid_seal(self, request: Request, form: Form) -> bool:
        seal = single_value(form, _SEAL_FIELD)
        return hmac.compare_digest(seal.encode(), self.form_seal(request).encode())
