"""A site with feeds: RSS made of plain facts, and a web server that answers as good servers do."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from contracts.text.moments import VIETNAM
from producers.imports.parse.feed_entry import Enclosure, Entry
from tests.support.picture_server import PictureServer

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)  # what the fixture `clock` says
SITE = "https://tcnn.example.vn"


@dataclass(frozen=True)
class Article:
    """An article of the site. `ago` is how many minutes before NOW it came out; negative: ahead."""

    number: int
    title: str = ""
    lead: str = "<p>Bộ Nội vụ <b>hướng dẫn</b> thực hiện.</p>"
    full: str = ""
    path: str = ""
    guid: str = ""
    ago: int = 60
    author: str = ""
    files: tuple[Enclosure, ...] = ()

    @property
    def headline(self) -> str:
        return self.title or f"Hướng dẫn số {self.number} về cải cách hành chính"

    @property
    def url(self) -> str:
        return f"{SITE}{self.path or f'/tin/{self.number}.html'}"

    def item(self) -> str:
        at = format_datetime(NOW - timedelta(minutes=self.ago))
        full = f"<content:encoded>{escape(self.full)}</content:encoded>" if self.full else ""
        author = f"<dc:creator>{escape(self.author)}</dc:creator>" if self.author else ""
        guid = self.guid or f"tcnn-{self.number}"
        return (
            f"<item><title>{escape(self.headline)}</title><link>{escape(self.url)}</link>"
            f"<guid isPermaLink='false'>{escape(guid)}</guid><pubDate>{at}</pubDate>"
            f"<description>{escape(self.lead)}</description>{full}{author}</item>"
        )

    def entry(self) -> Entry:
        """As it is read, without the way through a document."""
        at = NOW - timedelta(minutes=self.ago)
        guid = self.guid or f"tcnn-{self.number}"
        days = frozenset({f"{at.astimezone(VIETNAM):%Y-%m-%d}"})
        said = (self.headline, self.url, guid, self.lead, self.full, self.author)
        return Entry(*said, min(at, NOW), days, self.files, at if at > NOW else None)


def changed_article(article: Article, **changes: Any) -> Article:
    return replace(article, **changes)


def undated_rss(*articles: Article) -> bytes:
    return re.sub("<pubDate>.*?</pubDate>", "", rss(*articles).decode()).encode()


def rss(*articles: Article, ttl: int = 0) -> bytes:
    items = "\n".join(one.item() for one in articles)
    wish = f"<ttl>{ttl}</ttl>" if ttl else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Tạp chí</title>'
        f"<link>{SITE}/</link><description>Tin</description>{wish}{items}</channel></rss>"
    ).encode()


@dataclass
class FeedSite:
    """Lays feeds on a server; one that is asked for again unchanged answers 304."""

    server: PictureServer
    bodies: dict[str, bytes] = field(default_factory=dict)
    unchanged: int = 0

    def url(self, path: str = "/rss") -> str:
        return self.server.url(path)

    def publish(self, body: bytes, path: str = "/rss", **headers: str) -> None:
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        said = {"Content-Type": "application/rss+xml", "ETag": tag, **headers}

        async def answer(request: web.Request) -> web.Response:
            if request.headers.get("If-None-Match") == tag:
                self.unchanged += 1
                return web.Response(status=304, headers={"ETag": tag})
            return web.Response(body=body, headers=said)

        self.server.answers[path] = answer
