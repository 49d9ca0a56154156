"""The page that shows what a follower of the Official Account would see."""

import re
from html import unescape
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from channels.zalo.hours import local
from channels.zalo.sandbox.admin import summary
from channels.zalo.sandbox.wire import WORLD

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
TAG = re.compile("<[^>]*>")
LINE_BREAK = re.compile("<br ?/?>")


async def page(request: web.Request) -> web.Response:
    seen = summary(request.app[WORLD])
    titles = {article["id"]: article["title"] for article in seen["articles"]}
    html = TEMPLATES.get_template("page.html").render(**seen, titles=titles)
    return web.Response(text=html, content_type="text/html")


def text(content: str) -> str:
    """A text part without its tags."""
    return unescape(TAG.sub("", LINE_BREAK.sub("\n", content)))


def moment(at: float) -> str:
    return f"{local(at):%H:%M %d/%m/%Y}"


TEMPLATES.filters.update(text=text, moment=moment)
