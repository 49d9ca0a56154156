"""A portal with something on it: what a ministry publishes in a few weeks, and a server for it."""

import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from channels.portal.http.file_app import portal_app
from channels.portal.http.search_app import SEARCH_SEGMENT, search_app
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.writer import PortalWriter
from consumers.app.web.server import AppRouter, bind_socket
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, Fact
from contracts.facts.kinds import day_of
from contracts.facts.public_figures import PublicFigures, public_figures
from contracts.facts.totals import FactSet
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from tests.support.portal_dir import show_all
from tests.support.publications import a_publication

NOW = datetime(2026, 11, 26, 2, 15, tzinfo=UTC)
SCENE = tomllib.loads(Path(__file__).with_name("sample_portal.toml").read_text("utf-8"))
ISSUES: list[str] = SCENE["issues"]
STORIES: list[dict[str, Any]] = SCENE["stories"]
IDENTITY = SiteIdentity(
    postal_address="8 Tôn Thất Thuyết, Hà Nội",
    phone="024 0000 0000",
    email="tin@moha.example",
    press="Văn phòng Bộ, 024 0000 0001",
)


def sample_items(url: str = "https://loa.example.vn") -> list[Publication]:
    """Newest last: October and November, a campaign, one corrected, one withdrawn and replaced."""
    found = [_story(number) for number in range(len(STORIES))]
    older = [_older(number) for number in range(26)]
    campaign = _released(NOW - timedelta(days=40), **SCENE["campaign"])
    return [campaign, *older, *reversed(found), corrected(), withdrawn(url)]


def _story(number: int) -> Publication:
    facts, at = STORIES[number], NOW - number * timedelta(hours=23, minutes=43)
    more: dict[str, Any] = {"body": SCENE["pay"], "audiences": ["can-bo", "cong-chuc", "vien-chuc"]}
    rich = more | {"attachments": [PDF], "links": [LAW], "author": "Phòng Chính sách tiền lương"}
    return _released(at, **facts, **(rich if number == 1 else {}))


def _older(number: int) -> Publication:
    at = NOW - timedelta(days=10 + 2 * number)
    title = f"Bản tin cải cách hành chính, kỳ {46 - number}"
    topic, unit = "ban-tin-cai-cach-hanh-chinh", "vu-cai-cach-hanh-chinh"
    name = f"ban-tin-{46 - number}"
    return _released(
        at, name=name, unit=unit, topic=topic, title=title, summary=ISSUES[number % len(ISSUES)]
    )


def _released(at: datetime, *, name: str, **fields: Any) -> Publication:
    text = fields.get("summary") or fields["title"]
    body = f"{text}\n\nToàn văn được đăng trên Cổng Thông tin điện tử Bộ Nội vụ."
    given = {"body": body, "content_id": name, "first_released_at": at, "released_at": at}
    return a_publication(**given | fields)


PDF = {
    "url": "https://moha.gov.vn/mau/bang-luong.pdf",
    "title": "Mẫu bảng lương kèm theo hướng dẫn",
    "media_type": "application/pdf",
    "size": 412_300,
}
LAW = {"url": "https://moha.gov.vn/van-ban/161-2026", "title": "Nghị định số 161/2026/NĐ-CP"}


def _again(name: str, action: str, hours: int, reason: str) -> Publication:
    first = next(one for one in map(_story, range(len(STORIES))) if one.content_id == name)
    changes = {"action": action, "revision": 2, "reason": reason}
    return first.model_copy(update=changes | {"released_at": NOW + timedelta(hours=hours)})


def corrected() -> Publication:
    reason = "Bản trước ghi: “thời hạn nộp lưu là 60 ngày”; đúng là: “thời hạn nộp lưu là 30 ngày”."
    return _again("luu-tru-so", "corrected", 2, reason)


def withdrawn(url: str) -> Publication:
    reason = f"Hướng dẫn này hết hiệu lực, được thay bằng {url}/tin/khen-thuong-dot-xuat."
    return _again("thi-dua", "withdrawn", 1, reason)


def delivery_figures() -> PublicFigures:
    """A month with each kind of answer: shares, nothing sent, too few readers, days without."""
    last = day_of(NOW) - timedelta(days=1)
    days = [DayFact(on=last - timedelta(days=n), counted=("delivery",)) for n in range(27)]
    found: list[Fact] = [*days]
    for number in range(40):
        for channel, rows in ((ChannelName.EMAIL, 90_000), (ChannelName.PORTAL, 1)):
            found.append(_delivery(number, channel, rows if number % 7 else min(rows, 3)))
    return public_figures(FactSet.of(found), last)


def _delivery(number: int, channel: ChannelName, rows: int) -> DeliveryFact:
    lanes = Lane.NORMAL, Lane.NORMAL, Lane.BULK, Lane.URGENT
    at, name = NOW - timedelta(hours=15 * number), f"tin-{number}"
    return DeliveryFact(
        channel=channel, content_id=name, revision=1, lane=lanes[number % 4], began_at=at,
        ended_at=at, counts={Status.DELIVERED: rows}, within_10_s=rows - rows * number // 1000,
    )  # fmt: skip


@contextmanager
def open_sample_portal(
    folder: Path, publications: list[Publication] | None = None
) -> Iterator[str]:
    """The portal of these items on a port of this machine; its address."""
    with bind_socket("127.0.0.1", 0) as bound:
        site = _site(address_of(bound))
        writer = PortalWriter(folder, SiteFiles(site), lock_timeout_s=5.0)
        writer.prepare()
        writer.show_figures(delivery_figures())
        show_all(writer, publications or sample_items(site.public_url))
        with serve_with_search(folder, bound) as address:
            yield address


@contextmanager
def serve_portal(folder: Path) -> Iterator[str]:
    """A folder that is laid out already, on a port of this machine; its address."""
    with bind_socket("127.0.0.1", 0) as bound, serve_with_search(folder, bound) as address:
        yield address


def _site(address: str) -> Site:
    """The site with all that an operator may say of it."""
    return Site(address, DEFAULT, identity=IDENTITY, mail_sender="Bộ Nội vụ <tin@moha.example>")


def address_of(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def serve_with_search(folder: Path, bound: socket.socket) -> Iterator[str]:
    """A server for the folder and its search on a socket; its address."""
    address, faces = address_of(bound), AppRouter()
    faces.add(portal_app(folder))
    faces.add(search_app(folder, _site(address)), SEARCH_SEGMENT)
    server = uvicorn.Server(uvicorn.Config(faces, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()
