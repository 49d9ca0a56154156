"""Covers become pictures in several widths, which the portal itself serves, on its pages."""

import sqlite3
from contextlib import closing
from io import BytesIO

import pytest
from PIL import Image

from channels import pictures
from channels.fetch.fetcher import Fetcher
from channels.portal import covers
from channels.portal.http.file_app import portal_app
from channels.portal.render import cover_drawing
from channels.portal.storage.atomic_files import StagedFiles
from channels.portal.storage.index_swap import INDEX_FILE
from channels.portal.writer.audit import FolderAudit
from tests.support.images import image_bytes, stripes
from tests.support.picture_server import open_picture_server
from tests.support.portal_dir import (
    PUBLIC_URL,
    http_client,
    open_portal,
    page,
    public_files,
    rebuild,
    send_to,
    site_files,
)
from tests.support.publications import a_publication

PHOTO = image_bytes(stripes(800, 450), "PNG")
ITEM = "tin/lich-nghi-tet-2027"
LISTS = ("", "muc/tat-ca", "muc/lich-nghi-le")


@pytest.fixture
async def server():
    async with open_picture_server() as server:
        server.serve("/bia.png", PHOTO)
        yield server


def item(url, **changes):
    return a_publication(cover={"url": url, "alt": "Phố ngày Tết"}, **changes)


async def show(folder, server, *publications):
    async with open_portal(folder) as channel:
        await send_to(channel, *publications)
        await channel.draw_covers(Fetcher(server.gate()))


def drawn(folder):
    return {path for path in public_files(folder) if path.startswith("anh/")}


def feeds(folder):
    return {path: body for path, body in public_files(folder).items() if "nguon-tin/" in path}


async def test_pages_show_a_cover_from_elsewhere_in_several_widths_of_their_own(tmp_path, server):
    await show(tmp_path, server, item(server.url("/bia.png")))
    assert len(drawn(tmp_path)) == 4
    [image] = page(tmp_path, ITEM).xpath("//figure//img")
    assert (image.get("width"), image.get("height")) == ("640", "360")
    assert (image.get("alt"), image.get("loading")) == ("Phố ngày Tết", None)
    async with http_client(portal_app(tmp_path)) as client:
        for path in LISTS:
            document = page(tmp_path, path)
            [image], [source] = document.xpath("//li//img"), document.xpath("//li//source")
            assert (image.get("alt"), image.get("loading")) == ("", None), (
                "the first is seen at once"
            )
            offered = f"{image.get('srcset')}, {source.get('srcset')}".split(", ")
            for candidate in [f"{image.get('src')} 640w", *offered]:
                address, width = candidate.split()
                answer = await client.get(address)
                assert answer.headers["content-type"] in ("image/webp", "image/jpeg")
                assert Image.open(BytesIO(answer.content)).width == int(width[:-1])
    assert server.request_counts == {"/bia.png": 1}


async def test_only_the_first_picture_of_a_list_loads_at_once(tmp_path, server):
    url = server.url("/bia.png")
    await show(tmp_path, server, item(url), item(url, content_id="hai"), item(url, content_id="ba"))
    loading = [image.get("loading") for image in page(tmp_path, "").xpath("//li//img")]
    assert loading == [None, "lazy", "lazy"]


async def test_a_cover_beside_the_pages_is_read_from_the_folder(tmp_path, server):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "bia.png").write_bytes(PHOTO)
    await show(tmp_path, server, item(f"{PUBLIC_URL}/bia.png"))
    assert page(tmp_path, "").xpath("//li//img") and server.request_counts == {}


async def test_an_address_of_the_portal_reads_nothing_outside_its_folder(tmp_path, server):
    (tmp_path / "khoa.png").write_bytes(PHOTO)
    await show(tmp_path, server, item(f"{PUBLIC_URL}/%2e%2e/khoa.png"))
    assert drawn(tmp_path) == set()


async def test_the_page_is_there_before_its_picture_and_feeds_stay(tmp_path, server):
    publication = item(server.url("/bia.png"))
    async with open_portal(tmp_path) as channel:
        await send_to(channel, publication)
        before = feeds(tmp_path)
        assert not page(tmp_path, ITEM).xpath("//figure")
        await channel.draw_covers(Fetcher(server.gate()))
    assert page(tmp_path, ITEM).xpath("//figure")
    assert feeds(tmp_path) == before


@pytest.mark.parametrize("path", ["/khong-co.png", "/chu.png"])
async def test_a_cover_that_cannot_be_had_leaves_nothing(tmp_path, server, path):
    server.serve("/chu.png", b"no picture")
    await show(tmp_path, server, item(server.url(path)))
    for where in (ITEM, *LISTS):
        assert not page(tmp_path, where).xpath("//main//img | //*[@class='thumb'] | //figure")
    await show(tmp_path, server)
    assert server.request_counts == {path: 1}, "it is not tried for ever"


async def test_a_server_in_trouble_is_asked_again_and_then_no_more(tmp_path, server, monkeypatch):
    server.serve("/bia.png", status=503)
    await show(tmp_path, server, item(server.url("/bia.png")))
    await show(tmp_path, server)
    assert server.request_counts["/bia.png"] == 1, "a minute has not passed"
    monkeypatch.setattr(covers, "RETRY_DELAYS_S", (0.0, 0.0))
    await show(tmp_path, server, item(server.url("/bia.png"), revision=2))
    assert server.request_counts["/bia.png"] == 4
    server.serve("/bia.png", PHOTO)
    await show(tmp_path, server)
    assert drawn(tmp_path) == set()


@pytest.mark.parametrize("change", [{"action": "withdrawn", "reason": "Nhầm"}, {"cover": None}])
async def test_pictures_go_with_the_item_or_its_cover(tmp_path, server, change):
    first = item(server.url("/bia.png"))
    await show(tmp_path, server, first)
    assert drawn(tmp_path)
    await show(tmp_path, server, first.model_copy(update={"revision": 2, **change}))
    assert drawn(tmp_path) == set()
    assert not page(tmp_path, "").xpath("//li//img")


async def test_a_rebuild_draws_nothing_again_and_makes_the_same_pages(
    tmp_path, server, monkeypatch
):
    publication = item(server.url("/bia.png"))
    await show(tmp_path, server, publication)
    before, opened = public_files(tmp_path), []
    monkeypatch.setattr(pictures, "_open_image", opened.append)
    rebuild(tmp_path, [publication])
    await show(tmp_path, server, publication)
    assert public_files(tmp_path) == before
    assert opened == [] and server.request_counts == {"/bia.png": 1}


async def test_the_audit_knows_pictures_and_a_rebuild_removes_strays(tmp_path, server):
    publication = item(server.url("/bia.png"))
    await show(tmp_path, server, publication)
    stray = tmp_path / "public/anh/khong-co/0123456789abcdef-320x180.jpg"
    stray.parent.mkdir()
    stray.write_bytes(PHOTO)
    (tmp_path / "public/anh/0a.jpg").write_bytes(PHOTO)  # Zalo's
    audit = FolderAudit(tmp_path, site_files())
    with closing(audit.open_snapshot()) as snapshot:
        [problem] = audit.find_problems(snapshot)
    assert (tmp_path / "public" / problem.path) == stray
    rebuild(tmp_path, [publication])
    assert not stray.exists() and (tmp_path / "public/anh/0a.jpg").exists()


async def test_a_kill_between_pictures_and_pages_is_made_good(tmp_path, server, monkeypatch):
    publication, commit = item(server.url("/bia.png")), StagedFiles.commit

    def killed(staged):
        commit(staged)
        if drawn(tmp_path):
            raise SystemExit

    with monkeypatch.context() as dying, pytest.raises(SystemExit):
        dying.setattr(StagedFiles, "commit", killed)
        await show(tmp_path, server, publication)
    assert drawn(tmp_path) and not page(tmp_path, ITEM).xpath("//figure")
    await show(tmp_path, server)
    assert page(tmp_path, ITEM).xpath("//figure") and page(tmp_path, "").xpath("//li//img")
    assert server.request_counts == {"/bia.png": 1}, "what is drawn is not drawn again"


async def test_an_index_of_an_earlier_version_gets_its_pictures(tmp_path, server):
    async with open_portal(tmp_path) as channel:
        await send_to(channel, item(server.url("/bia.png")))
    with closing(sqlite3.connect(tmp_path / "state" / INDEX_FILE)) as index:
        index.execute("DROP TABLE cover")
    async with open_portal(tmp_path) as channel, channel.session():
        await channel.draw_covers(Fetcher(server.gate()))
    assert page(tmp_path, ITEM).xpath("//figure")


async def test_a_picture_whose_files_are_not_all_there_is_not_shown(tmp_path, server):
    await show(tmp_path, server, item(server.url("/bia.png")))
    [smallest] = [path for path in drawn(tmp_path) if "-320x" in path and ".jpg" in path]
    (tmp_path / "public" / smallest).unlink()
    rebuild(tmp_path, [item(server.url("/bia.png"))])
    assert not page(tmp_path, ITEM).xpath("//figure")
    await show(tmp_path, server)
    assert (tmp_path / "public" / smallest).exists() and page(tmp_path, ITEM).xpath("//figure")


def test_a_small_picture_is_not_made_larger_and_keeps_no_metadata():
    exif = Image.Exif()
    exif[0x010E] = "Nhà riêng"
    files = cover_drawing.draw_derivatives(image_bytes(stripes(200, 300), "JPEG", exif=exif), "a")
    assert [path for path, _ in files] == ["a-200x300.webp", "a-200x300.jpg"]
    assert not any("Nhà".encode() in body or b"Exif" in body for _, body in files)
