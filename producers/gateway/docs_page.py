"""The documentation page of the door, made from its OpenAPI document."""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from contracts.base.security_headers import content_policy

_FOLDER = Path(__file__).parent
_JINJA = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
_ADDRESS = "{{address}}"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class DocsPage:
    """The page; each answer names the address at which it was asked for."""

    def __init__(self, document: dict[str, Any]) -> None:
        style = (_FOLDER / "docs.css").read_text("utf-8")
        example = (_FOLDER / "example.json").read_text("utf-8")
        self.html = _JINJA.get_template("docs.html.j2").render(
            document=document, style=style, example=example, address=_ADDRESS
        )
        digest = b64encode(sha256(style.encode()).digest()).decode()
        policy = content_policy(style_src=f"'sha256-{digest}'")
        self.headers = {**policy, "Cache-Control": "no-store"}

    async def answer(self, request: Request) -> Response:
        return HTMLResponse(self.html.replace(_ADDRESS, _address_of(request)), headers=self.headers)


def _address_of(request: Request) -> str:
    """Where the sender has reached this door, as text of a page; a strange host is left out."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "127.0.0.1:8080"
    return escape(f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}")
