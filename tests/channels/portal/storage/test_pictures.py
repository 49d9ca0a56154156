"""Pictures for other services: named by their bytes, kept until removed as unused."""

import asyncio
import os
from hashlib import sha256

import pytest

from channels.errors import Unreachable
from channels.portal.http.file_app import portal_app
from channels.portal.storage.lock import folder_lock
from channels.portal.storage.pictures import PictureStore
from channels.portal.writer.audit import FolderAudit
from tests.support.portal_dir import http_client, publish, rebuild, site_files
from tests.support.publications import a_publication

JPEG = b"\xff\xd8\xff\xe0 a picture"
PATH = f"anh/{sha256(JPEG).hexdigest()}.jpg"
PRESS = site_files()


async def test_a_picture_is_served_under_its_hash_and_kept_by_others_for_a_day(tmp_path):
    assert await PictureStore(tmp_path).save(JPEG) == PATH
    (tmp_path / "public" / "index.html").write_text("Trang chủ")
    async with http_client(portal_app(tmp_path)) as client:
        answer = await client.get(f"/{PATH}")
        assert (await client.get("/anh/../state/index.sqlite")).status_code == 404
        assert (await client.get("/anh/")).status_code == 404
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_same_picture_again_is_the_same_file_and_young_again(tmp_path):
    pictures = PictureStore(tmp_path)
    await pictures.save(JPEG)
    file = tmp_path / "public" / PATH
    os.utime(file, (1, 1))
    inode = file.stat().st_ino
    await PictureStore(tmp_path).save(JPEG)
    assert (file.stat().st_ino, file.read_bytes()) == (inode, JPEG)
    assert file.stat().st_mtime > 1


async def test_what_is_not_shown_goes_once_it_is_old_and_is_a_404_then(tmp_path):
    pictures = PictureStore(tmp_path)
    kept = [await pictures.save(JPEG + bytes([n])) for n in range(3)]
    for path in kept[:2]:
        os.utime(tmp_path / "public" / path, (1, 1))
    async with http_client(portal_app(tmp_path)) as client:
        assert (await client.get(f"/{kept[0]}")).status_code == 200
        assert await pictures.remove_unused({kept[1]}, before=2) == 1
        assert [(await client.get(f"/{path}")).status_code for path in kept] == [404, 200, 200]
    assert await PictureStore(tmp_path).remove_unused({kept[1]}, before=2) == 0
    assert await pictures.save(JPEG + bytes([0])) == kept[0]
    assert await pictures.exists(kept[0]), "who shows it again has it made again"
    assert not await pictures.exists(PATH)


async def test_files_of_others_beside_them_stay(tmp_path):
    pictures = PictureStore(tmp_path)
    await pictures.save(JPEG)
    (tmp_path / "public" / "anh" / "logo.png").write_bytes(b"somebody's")
    assert await pictures.remove_unused((), before=float("inf")) == 1
    assert [file.name for file in (tmp_path / "public" / "anh").iterdir()] == ["logo.png"]


async def test_clearing_where_there_is_nothing_makes_nothing(tmp_path):
    assert await PictureStore(tmp_path).paths() == []
    assert list(tmp_path.iterdir()) == []


async def test_many_at_once_are_all_there(tmp_path):
    bodies = [JPEG + bytes([n % 7]) for n in range(30)]
    writers = [PictureStore(tmp_path) for _ in range(3)]
    kept = await asyncio.gather(*(writers[n % 3].save(body) for n, body in enumerate(bodies)))
    assert len(set(kept)) == 7
    for path, body in zip(kept, bodies, strict=True):
        assert (tmp_path / "public" / path).read_bytes() == body
    assert list((tmp_path / "pictures" / "aside").iterdir()) == []


async def test_what_a_killed_writer_left_is_thrown_away_and_a_damaged_file_is_mended(tmp_path):
    await PictureStore(tmp_path).save(JPEG)
    left = tmp_path / "pictures" / "aside" / "0.tmp"
    for file in (left, tmp_path / "public" / PATH):
        file.write_bytes(JPEG[:5])
    await PictureStore(tmp_path).save(JPEG)
    assert not left.exists()
    assert (tmp_path / "public" / PATH).read_bytes() == JPEG


async def test_a_disk_that_takes_nothing_is_said(tmp_path):
    (tmp_path / "public").write_bytes(b"no folder")
    with pytest.raises(Unreachable):
        await PictureStore(tmp_path).save(JPEG)


async def test_another_writer_that_never_ends_is_not_waited_for(tmp_path):
    await PictureStore(tmp_path).save(JPEG)
    with (
        folder_lock(tmp_path / "pictures" / "lock", 1.0),
        pytest.raises(Unreachable, match="folder_busy"),
    ):
        await PictureStore(tmp_path, lock_timeout_s=0.0).save(JPEG + b"2")


async def test_a_portal_is_laid_out_beside_pictures_that_were_first(tmp_path):
    await PictureStore(tmp_path).save(JPEG)
    audit = FolderAudit(tmp_path, PRESS)
    assert not audit.has_pages
    assert not audit.has_state
    publish(tmp_path, a_publication())
    assert audit.has_pages


async def test_a_rebuild_and_a_check_leave_pictures_alone(tmp_path):
    publish(tmp_path, a_publication())
    await PictureStore(tmp_path).save(JPEG)
    audit = FolderAudit(tmp_path, PRESS)
    glance = audit.open_snapshot()
    assert list(audit.find_problems(glance)) == []
    glance.close()
    assert rebuild(tmp_path, [a_publication()]).removed == 0
    assert (tmp_path / "public" / PATH).read_bytes() == JPEG
