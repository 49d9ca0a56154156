"""Uploads as a browser at the desk sends them."""

import httpx2

from producers.desk.web_session import form_seal
from tests.support.desk_app import SEAL_KEY, Browser

OFFICER = "nguoi-gui-tin"
JSON = {"Accept": "application/json"}


async def send(
    browser: Browser,
    content: bytes,
    name: str = "a.pdf",
    headers: dict[str, str] | None = None,
    seal: str | None = None,
) -> httpx2.Response:
    """Send a file with the form's own seal, as a page would be sent."""
    data = {"seal": form_seal(SEAL_KEY, browser.token, "/tep") if seal is None else seal}
    given = {"tep": (name, content, "text/html")}
    own = browser.headers | (headers or {})
    return await browser.client.post("/tep", data=data, files=given, headers=own)
