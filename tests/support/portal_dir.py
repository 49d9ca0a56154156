"""A portal in a folder: deliver to it, and read its public files."""

import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from lxml import etree, html
from starlette.types import ASGIApp

from channels.base import Outcome, Recipient, Verdict
from channels.portal.channel import PortalChannel
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.rebuild import RebuildResult, open_rebuild
from channels.portal.writer.writer import PortalWriter
from contracts.base.times import Clock
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT, Vocabulary
from tests.support.publications import RELEASED_AT, a_publication

PUBLIC_URL = "https://loa.example.vn"
WORDS = DEFAULT.model_copy(
    update={
        "units": {name: DEFAULT.units[name] for name in ("van-phong-bo", "cuc-viec-lam")},
        "topics": {name: DEFAULT.topics[name] for name in ("lich-nghi-le", "viec-lam")},
    }
)
"""A small vocabulary, so that a new portal has few files and tests are fast."""
PORTAL_SITE = Site(PUBLIC_URL, WORDS)


def words_with(*topics: str) -> Vocabulary:
    """The small vocabulary with these topics of the ministry's."""
    return WORDS.model_copy(update={"topics": {name: DEFAULT.topics[name] for name in topics}})


ROW = Recipient(id="portal", delivery_key="k" * 52)
FIRST = a_publication()
CORRECTED = a_publication(
    action="corrected",
    revision=2,
    title="Lịch nghỉ Tết Nguyên đán năm 2027 (đã sửa)",
    reason="Ngày bắt đầu nghỉ là 04/02/2027.",
    released_at=RELEASED_AT + timedelta(days=1),
)
_SITES: dict[tuple[str, str], SiteFiles] = {}


def never_expired() -> bool:
    return False


def site_files(url: str = PUBLIC_URL, words: Vocabulary = WORDS) -> SiteFiles:
    """The files of a site, shared by tests because its templates are compiled only once."""
    key = url, words.model_dump_json()
    if key not in _SITES:
        _SITES[key] = SiteFiles(Site(url, words))
    return _SITES[key]


def new_writer(
    folder: Path, url: str = PUBLIC_URL, words: Vocabulary = WORDS, clock: Clock = time.time
) -> PortalWriter:
    """A writer whose folder is ready, as in a process that has just started."""
    writer = PortalWriter(folder, site_files(url, words), lock_timeout_s=5.0, clock=clock)
    try:
        writer.prepare()
    except BaseException:
        writer.close()
        raise
    return writer


def publish(folder: Path, *publications: Publication, **given: Any) -> list[Outcome]:
    """Make publications visible, one after the other; *given* is for `new_writer`."""
    return show_all(new_writer(folder, **given), publications)


def show_all(writer: PortalWriter, publications: Iterable[Publication]) -> list[Outcome]:
    """Make publications visible, one after the other, and close *writer*."""
    try:
        return [writer.show(publication, never_expired) for publication in publications]
    finally:
        writer.close()


def http_client(app: ASGIApp) -> httpx2.AsyncClient:
    """A client of *app*, to be used as a context manager."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://portal")


def rebuild(
    folder: Path,
    publications: Iterable[Publication],
    words: Vocabulary = WORDS,
    url: str = PUBLIC_URL,
    clock: Clock = time.time,
) -> RebuildResult:
    """Make the portal anew of these publications, in any order, as one change."""
    with open_rebuild(folder, site_files(url, words), 5.0, clock=clock) as portal:
        portal.add_publications(publications)
        return portal.finish()


@asynccontextmanager
async def open_portal(
    folder: Path, site: Site = PORTAL_SITE, **options: Any
) -> AsyncIterator[PortalChannel]:
    channel = PortalChannel(folder, site, **options)
    try:
        yield channel
    finally:
        await channel.close()


async def send_to(channel: PortalChannel, *publications: Publication) -> list[Outcome]:
    async with channel.session() as session:
        return [
            (await session.send(channel.render(p), [ROW], never_expired))[0] for p in publications
        ]


def verdicts(outcomes: Iterable[Outcome]) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes]


def public_files(folder: Path) -> dict[str, bytes]:
    """All public files by path."""
    public = folder / "public"
    return {
        path.relative_to(public).as_posix(): path.read_bytes()
        for path in sorted(public.rglob("*"))
        if path.is_file()
    }


def page(folder: Path, path: str) -> html.HtmlElement:
    """One page, parsed: `page(folder, "tin/lich-nghi-tet-2027")`."""
    return html.document_fromstring((folder / "public" / path / "index.html").read_bytes())


def text_of(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def feed(folder: Path, name: str) -> bytes:
    return (folder / "public" / "nguon-tin" / name).read_bytes()


def guids(rss: bytes) -> list[str]:
    return [str(guid.text) for guid in etree.fromstring(rss).iter("guid")]


def check_complete(path: str, body: bytes) -> None:
    """Fail for an incomplete file."""
    if path.endswith((".rss", ".atom")):
        found = guids(body)
        assert len(found) == len(set(found)), path
    elif path.endswith(".json"):
        assert json.loads(body)["items"] is not None, path
    elif path.endswith(".html"):
        assert body.endswith(b"</html>\n"), path
