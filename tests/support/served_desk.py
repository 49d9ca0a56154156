"""Browsers that are signed in at a desk on a real port."""

from typing import Any

from producers.desk.web_session import SessionCookie
from tests.support.desk_app import DeskApp

PLAIN_COOKIE = SessionCookie(is_https=False).name


async def enter(page: Any, desk: DeskApp, token: str) -> None:
    """Give the browser of *page* the cookie of a session."""
    cookie = {"name": PLAIN_COOKIE, "value": token, "url": desk.url}
    await page.context.add_cookies([cookie])
