"""The portal's folder over HTTP: media types, caching, methods, and only public files."""

import asyncio
import os
import re
import shutil
import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from channels.portal.http import file_app, file_cache
from channels.portal.http.file_app import _PortalApp, portal_app
from channels.portal.http.file_cache import FileCache, load_file
from channels.portal.model.site import DEFAULT_COVER_PATH
from design.frame import URGENT_SHEET
from tests.support.portal_dir import http_client, publish
from tests.support.publications import a_publication

FEED = "/nguon-tin/tat-ca.rss"
ITEM = "/tin/lich-nghi-tet-2027"
OLD = "Fri, 01 Jan 2021 00:00:00 GMT"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    withdrawn = a_publication(content_id="rut", action="withdrawn", revision=2, reason="Nhầm")
    publish(folder, a_publication(), withdrawn)
    return folder


@pytest.fixture
async def client(folder):
    async with http_client(portal_app(folder)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type", "lifetime"),
    [
        ("/", "text/html; charset=utf-8", "public, max-age=60"),
        (ITEM, "text/html; charset=utf-8", "public, max-age=60"),
        (ITEM + "/", "text/html; charset=utf-8", "public, max-age=60"),
        ("/nguon-tin/", "text/html; charset=utf-8", "public, max-age=60"),
        (FEED, "application/rss+xml; charset=utf-8", "public, max-age=300"),
        ("/nguon-tin/tat-ca.atom", "application/atom+xml", "public, max-age=300"),
        ("/nguon-tin/van-phong-bo.json", "application/feed+json", "public, max-age=300"),
        ("/nguon-tin/nguon-tin.opml", "text/x-opml; charset=utf-8", "public, max-age=300"),
        ("/muc/lich-nghi-le/2026/11/", "text/html; charset=utf-8", "public, max-age=60"),
        ("/sitemap.xml", "application/xml", "public, max-age=300"),
        ("/so-do/2026-11.xml", "application/xml", "public, max-age=300"),
        ("/robots.txt", "text/plain; charset=utf-8", "public, max-age=300"),
    ],
)
async def test_every_file_has_its_type_and_lifetime(client, folder, path, media_type, lifetime):
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == lifetime
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"].startswith('W/"')
    assert int(answer.headers["content-length"]) == len(answer.content) > 0


async def test_the_sheet_of_urgent_items_is_asked_for_anew_as_the_home_page_is(client):
    answer, home = await client.get(URGENT_SHEET), await client.get("/")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == home.headers["cache-control"]


async def test_the_default_cover_may_be_kept_for_ever_and_keeps_its_old_address(client, folder):
    [cover] = (folder / "public/tai-nguyen").glob("cover-*.png")
    answer = await client.get(f"/tai-nguyen/{cover.name}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    stable = await client.get(DEFAULT_COVER_PATH)
    assert stable.content == answer.content and stable.headers["content-type"] == "image/png"


@pytest.mark.parametrize("suffix", ["svg", "png", "webp"])
async def test_an_emblem_of_any_format_may_be_kept_for_ever(tmp_path, suffix):
    publish(tmp_path)
    name = f"tai-nguyen/emblem-0123456789abcdef.{suffix}"
    (tmp_path / "public" / name).write_bytes(b"emblem")
    async with http_client(portal_app(tmp_path)) as client:
        answer = await client.get(f"/{name}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_the_style_sheet_may_be_kept_for_ever(client, folder):
    [sheet] = (folder / "public/tai-nguyen").glob("loa-*.css")
    answer = await client.get(f"/tai-nguyen/{sheet.name}")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If-None-Match": "TAG"}, 304),
        ({"If-None-Match": 'W/"other", TAG'}, 304),
        ({"If-None-Match": "STRONG"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": 'W/"other"'}, 200),
        ({"If-None-Match": "nonsense"}, 200),
        ({"If-Modified-Since": "MODIFIED"}, 304),
        ({"If-Modified-Since": FUTURE}, 304),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-None-Match": 'W/"other"', "If-Modified-Since": FUTURE}, 200),
        ({"If-None-Match": "TAG", "If-Modified-Since": OLD}, 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_conditional_requests(client, method, headers, status):
    first = await client.get(FEED)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    known = {"TAG": tag, "STRONG": tag.removeprefix("W/"), "MODIFIED": modified}
    asked = {
        name: re.sub("[A-Z]{3,}", lambda word: known.get(word[0], word[0]), value)
        for name, value in headers.items()
    }
    answer = await client.request(method, FEED, headers=asked)
    assert answer.status_code == status
    assert answer.headers["etag"] == first.headers["etag"]
    assert answer.headers["cache-control"] == first.headers["cache-control"]
    assert (answer.content == b"") == (status == 304 or method == "HEAD")
    assert "content-length" not in answer.headers or status == 200


async def test_head_answers_as_get_without_a_body(client):
    for path in (FEED, ITEM, "/tin/rut", "/khong-co"):
        get, head = await client.get(path), await client.head(path)
        assert head.status_code == get.status_code
        assert head.headers == get.headers
        assert head.content == b""


async def test_a_withdrawn_item_is_gone_and_says_why(client):
    for path in ("/tin/rut", "/tin/rut/", "/tin/rut/index.html"):
        answer = await client.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code == 410
        assert "Nhầm" in answer.text


async def test_an_unknown_address_is_answered_in_vietnamese(client):
    answer = await client.get("/tin/khong-co")
    assert answer.status_code == 404
    assert "Không tìm thấy trang" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    assert (await client.get("/404.html")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_by_name(client, method):
    answer = await client.request(method, FEED)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", FEED, "/tin/rut", "/khong-co"])
async def test_every_answer_is_guarded(client, path):
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; ")
    assert "script-src" not in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"


OUTSIDE = r"""
/../state/index.sqlite /..%2fstate/index.sqlite /%2e%2e/state/lock /tin/../../state/lock
/tin/..%5c..%5cstate%5clock //etc/passwd /%00 /tin/lich-nghi-tet-2027%00.html /.git/config
/tin/.hidden /tin /nguon-tin/tat-ca.rss/ /nguon-tin/tat-ca.RSS /nguon-tin/khong-co
/nguon-tin/tat-ca.xml /index.html/x.html
"""


@pytest.mark.parametrize("path", [*OUTSIDE.split(), "/" + "a" * 5000, "/" + "a/" * 2000])
async def test_nothing_but_the_public_files_can_be_asked_for(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content and b"root:" not in answer.content


def test_whatever_is_asked_for_lies_below_the_root(tmp_path):
    files = FileCache(tmp_path)
    for asked in ("/", "/a/b/", "/a.html", "/a/..", "/a/../b", "//a", "/a//b", "/\u212a", "/a\n"):
        located = files.locate(asked)
        assert located is None or tmp_path in Path(located).resolve().parents


async def test_a_changed_file_is_served_at_once_with_another_tag(tmp_path):
    publish(tmp_path, a_publication())
    async with http_client(portal_app(tmp_path)) as client:
        before = await client.get(FEED)
        publish(tmp_path, a_publication(content_id="khac"))
        after = await client.get(FEED, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert after.text.count("<item>") == 2


async def test_no_look_at_the_folder_holds_up_the_event_loop(tmp_path, monkeypatch):
    publish(tmp_path, a_publication())
    real, looks = os.stat, list[threading.Thread]()

    def look(path, *more, **named):
        if str(path).startswith(str(tmp_path)):
            looks.append(threading.current_thread())
        return real(path, *more, **named)

    monkeypatch.setattr(os, "stat", look)
    app = portal_app(tmp_path)
    looks.clear()
    async with http_client(app) as client:
        for path in (FEED, "/khong-co") * 2:
            await client.get(path)
        assert app.at_once({"method": "GET", "path": FEED, "headers": []})
    assert looks and threading.main_thread() not in looks


async def test_a_file_from_the_future_is_not_newer_than_the_answer(tmp_path):
    publish(tmp_path, a_publication())
    os.utime(tmp_path / "public/nguon-tin/tat-ca.rss", (4_000_000_000, 4_000_000_000))
    now = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    async with http_client(portal_app(tmp_path, now.timestamp)) as client:
        answer = await client.get(FEED)
    assert answer.headers["last-modified"] == formatdate(now.timestamp(), usegmt=True)
    assert parsedate_to_datetime(answer.headers["last-modified"]) == now


async def test_a_lost_folder_asks_its_readers_to_come_back_and_is_said_once(tmp_path):
    publish(tmp_path, a_publication())
    async with http_client(portal_app(tmp_path)) as client:
        assert (await client.get("/khong-co")).status_code == 404
        shutil.rmtree(tmp_path / "public")
        with capture_logs() as log:
            answers = [await client.get(path) for path in ("/", ITEM, "/nguon-tin/tat-ca.rss")]
        publish(tmp_path, a_publication())
        back = [(await client.get(path)).status_code for path in ("/", ITEM, "/khong-co")]
    assert [(one.status_code, one.headers["retry-after"]) for one in answers] == [(503, "60")] * 3
    assert all("quay lại" in one.text for one in answers)
    assert [one["event"] for one in log] == ["portal_files_missing"]
    assert back == [200, 200, 404]


async def test_a_first_start_has_lost_nothing(tmp_path):
    async with http_client(portal_app(tmp_path)) as client:
        with capture_logs() as log:
            first = await client.get("/")
            publish(tmp_path, a_publication())
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/khong-co")).status_code == 404
        alarms = [one for one in log if one["log_level"] == "error"]
        assert (first.status_code, alarms) == (503, [])
        shutil.rmtree(tmp_path / "public")
        with capture_logs() as log:
            await client.get("/")
    assert [one["event"] for one in log] == ["portal_files_missing"]


def laid(folder, names="abc"):
    """Files of 600 bytes, by name."""
    for name in names:
        (folder / f"{name}.css").write_bytes(name.encode() * 600)
    return [f"{folder}/{name}.css" for name in names]


def test_memory_holds_only_so_much(tmp_path):
    paths = laid(tmp_path)
    files = FileCache(tmp_path, memory_bytes=1300)
    for path in paths:
        assert files.put(path, load_file(path), 0.0)
    assert files.find(paths[0]) is None
    assert files.find(paths[2]).body == b"c" * 600


async def test_many_readers_at_once_never_meet_a_half_changed_memory(tmp_path):
    """Ten files compete for the memory of two, loaded in threads while the loop reads the cache."""
    laid(tmp_path, "abcdefghij")
    app = _PortalApp(FileCache(tmp_path, memory_bytes=1300), time.time)
    found = await asyncio.gather(*(app._find(f"/{name}.css") for name in "abcdefghij" * 30))
    assert [one.body[:1].decode() for one in found] == list("abcdefghij" * 30)
    assert app._files._size == sum(len(one.body) for one in app._files._entries.values())


async def test_requests_of_one_moment_share_a_look_at_a_slow_disk(tmp_path, monkeypatch):
    laid(tmp_path, "a")
    app, looks, may = _PortalApp(FileCache(tmp_path), time.time), [], threading.Event()
    await app._find("/a.css")
    real = file_cache._stamp_at

    def slow(file):
        looks.append(file)
        may.wait()
        return real(file)

    monkeypatch.setattr(file_cache, "_stamp_at", slow)
    monkeypatch.setattr(file_app, "FRESH_S", 600.0)
    readers = [asyncio.create_task(app._find("/a.css")) for _ in range(50)]
    readers[0].cancel()
    await asyncio.sleep(0)
    may.set()
    _, *found = await asyncio.gather(*readers, return_exceptions=True)
    assert len(looks) == 1
    assert {one.body[:1] for one in found} == {b"a"}


async def test_a_replica_that_is_behind_sends_readers_elsewhere(folder):
    """Also those whose file was just looked at."""
    behind = False
    app = portal_app(folder, is_old=lambda: behind)
    async with http_client(app) as client:
        assert (await client.get(ITEM)).status_code == 200
        behind = True
        answer = await client.get(ITEM)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        scope = {"type": "http", "method": "GET", "path": ITEM, "headers": []}
        assert app.at_once(scope) is None
        behind = False
        assert (await client.get(ITEM)).status_code == 200
