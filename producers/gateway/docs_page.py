"""The documentation page of the door, made from its OpenAPI document."""

import re
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from contracts.base.security_headers import content_policy
from design.assets import Asset
from design.frame import Frame, page_environment
from design.routes import asset_routes
from design.settings import SiteIdentity

_FOLDER = Path(__file__).parent
_TEMPLATES = _FOLDER / "templates"
_ASSETS_PATH = "/docs"
_ADDRESS = "{{address}}"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class DocsPage:
    """The page; each answer names the address at which it was asked for."""

    def __init__(self, document: dict[str, Any], identity: SiteIdentity) -> None:
        frame = Frame(_asset_path, home="docs", site=identity, styles=(_TEMPLATES / "docs.css",))
        self.asset_routes = asset_routes(_ASSETS_PATH, frame.files)
        """Routes of the files that the page loads."""
        example = (_FOLDER / "example.json").read_text("utf-8")
        page = page_environment(_TEMPLATES, frame).get_template("docs.html")
        self.html = page.render(document=document, example=example, address=_ADDRESS)
        policy = content_policy(style_src="'self'", img_src="'self'")
        self.headers = {**policy, "Cache-Control": "no-store"}

    async def answer(self, request: Request) -> Response:
        return HTMLResponse(self.html.replace(_ADDRESS, _address_of(request)), headers=self.headers)


def _asset_path(asset: Asset) -> str:
    return f"docs/{asset.name}"


def _address_of(request: Request) -> str:
    """Where the sender has reached this door, as text of a page; a strange host is left out."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "127.0.0.1:8080"
    return escape(f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}")
