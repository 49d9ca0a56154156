"""Pictures that the portal serves for others: there for good, under a name that is their bytes."""

import asyncio
import threading
from hashlib import sha256

import httpx2
import pytest

from channels.errors import Unreachable
from channels.portal.audit import Audit
from channels.portal.lock import alone
from channels.portal.pictures import Pictures
from channels.portal.press import Press
from channels.portal.rebuild import rebuilding
from channels.portal.serve import portal_app
from channels.portal.site import Site
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, show

JPEG = b"\xff\xd8\xff\xe0 a picture"
PATH = f"anh/{sha256(JPEG).hexdigest()}.jpg"
PRESS = Press(Site(PUBLIC_URL, WORDS))


async def test_a_picture_is_served_for_ever_under_its_hash(tmp_path):
    assert await Pictures(tmp_path).keep(JPEG) == PATH
    transport = httpx2.ASGITransport(portal_app(tmp_path))
    async with httpx2.AsyncClient(transport=transport, base_url="http://portal") as client:
        answer = await client.get(f"/{PATH}")
        assert (await client.get("/anh/../state/index.sqlite")).status_code == 404
        assert (await client.get("/anh/")).status_code == 404
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_same_picture_again_leaves_the_file_alone(tmp_path):
    pictures = Pictures(tmp_path)
    await pictures.keep(JPEG)
    file = tmp_path / "public" / PATH
    before = file.stat()
    await Pictures(tmp_path).keep(JPEG)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


async def test_a_damaged_file_is_mended(tmp_path):
    await Pictures(tmp_path).keep(JPEG)
    (tmp_path / "public" / PATH).write_bytes(JPEG[:5])
    await Pictures(tmp_path).keep(JPEG)
    assert (tmp_path / "public" / PATH).read_bytes() == JPEG


async def test_whoever_asks_is_told_whether_it_still_stands(tmp_path):
    pictures = Pictures(tmp_path)
    assert not await pictures.stands(PATH)
    await pictures.keep(JPEG)
    assert await pictures.stands(PATH)


async def test_many_at_once_are_all_there(tmp_path):
    bodies = [JPEG + bytes([n % 7]) for n in range(30)]
    writers = [Pictures(tmp_path) for _ in range(3)]
    kept = await asyncio.gather(*(writers[n % 3].keep(body) for n, body in enumerate(bodies)))
    assert len(set(kept)) == 7
    for path, body in zip(kept, bodies, strict=True):
        assert (tmp_path / "public" / path).read_bytes() == body
    assert list((tmp_path / "pictures" / "aside").iterdir()) == []


async def test_what_a_killed_writer_left_is_thrown_away(tmp_path):
    await Pictures(tmp_path).keep(JPEG)
    left = tmp_path / "pictures" / "aside" / "0.tmp"
    left.write_bytes(JPEG[:5])
    await Pictures(tmp_path).keep(JPEG + b"2")
    assert not left.exists()


async def test_a_disk_that_takes_nothing_is_said(tmp_path):
    (tmp_path / "public").write_bytes(b"no folder")
    with pytest.raises(Unreachable):
        await Pictures(tmp_path).keep(JPEG)


async def test_another_writer_that_never_ends_is_not_waited_for(tmp_path):
    await Pictures(tmp_path).keep(JPEG)
    holding, done = threading.Event(), threading.Event()

    def hold():
        with alone(tmp_path / "pictures" / "lock", 1.0):
            holding.set()
            done.wait()

    writer = threading.Thread(target=hold)
    writer.start()
    try:
        await asyncio.to_thread(holding.wait)
        with pytest.raises(Unreachable, match="folder_busy"):
            await Pictures(tmp_path, patience_s=0.0).keep(JPEG + b"2")
    finally:
        done.set()
        writer.join()


async def test_a_portal_is_laid_out_beside_pictures_that_were_first(tmp_path):
    await Pictures(tmp_path).keep(JPEG)
    audit = Audit(tmp_path, PRESS)
    assert not audit.stands
    assert not audit.worked_in
    show(tmp_path, a_publication())
    assert audit.stands


async def test_a_rebuild_and_a_check_leave_pictures_alone(tmp_path):
    show(tmp_path, a_publication())
    await Pictures(tmp_path).keep(JPEG)
    audit = Audit(tmp_path, PRESS)
    glance = audit.glance()
    assert list(audit.faults(glance)) == []
    glance.close()
    with rebuilding(tmp_path, PRESS, 5.0) as rebuild:
        rebuild.take([a_publication()])
        assert rebuild.finish().removed == 0
    assert (tmp_path / "public" / PATH).read_bytes() == JPEG
