"""Uploaded files on the portal: there before the page, whole, and gone with the last item."""

import hashlib
import shutil
from contextlib import closing

import pytest

from channels.base import Verdict
from channels.portal.http.file_app import portal_app
from channels.portal.render.site_files import SiteFiles
from channels.portal.storage.uploads import UploadFiles
from channels.portal.writer.audit import FolderAudit
from channels.portal.writer.rebuild import open_rebuild
from channels.portal.writer.writer import PortalWriter
from contracts.content import Attachment, Cover
from contracts.desk.uploads import UploadAddress
from tests.support.portal_dir import PORTAL_SITE, PUBLIC_URL, http_client, open_portal, send_to
from tests.support.publications import a_publication
from tests.support.uploaded_files import office, pdf, picture

PAPER, OTHER, PHOTO, BOOK = pdf(), pdf(b"/Lang(vi)"), picture(size=(400, 300)), office("xlsx")


def address_of(content: bytes, name: str) -> UploadAddress:
    return UploadAddress(hashlib.sha256(content).hexdigest(), name)


PAPER_AT = address_of(PAPER, "Quyết-định.pdf")
OTHER_AT, PHOTO_AT = address_of(OTHER, "b.pdf"), address_of(PHOTO, "Ảnh.png")
BOOK_AT = address_of(BOOK, "c.xlsx")


class Kept:
    """Files that are kept, and a count of how often each was read."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {hashlib.sha256(one).hexdigest(): one for one in contents}
        self.reads: list[str] = []

    async def read(self, address: UploadAddress):
        self.reads.append(address.name)
        if content := self.contents.get(address.hash):
            yield content[:100]
            yield content[100:]


@pytest.fixture
def kept():
    return Kept(PAPER, OTHER, PHOTO, BOOK)


def an_item(content_id="a", revision=1, *attached: UploadAddress, **data):
    links = tuple(Attachment(url=PUBLIC_URL + one.path, title=one.name) for one in attached)
    return a_publication(content_id=content_id, revision=revision, attachments=links, **data)


async def publish(folder, *publications, uploads) -> None:
    async with open_portal(folder, uploads=uploads) as channel:
        assert [one.verdict for one in await send_to(channel, *publications)] == [
            Verdict.DELIVERED for _ in publications
        ]


def served(folder) -> set[str]:
    files = (folder / "public" / "tep").rglob("*")
    return {file.name for file in files if file.is_file()}


async def test_what_an_item_names_is_there_with_its_page(tmp_path, kept):
    cover = Cover(url=PUBLIC_URL + PHOTO_AT.path, alt="Ảnh")
    body = f"Xem [bảng]({BOOK_AT.path}) và ![ảnh]({PUBLIC_URL}{PHOTO_AT.path})."
    await publish(tmp_path, an_item("a", 1, PAPER_AT, cover=cover, body=body), uploads=kept)
    assert served(tmp_path) == {PAPER_AT.name, PHOTO_AT.name, BOOK_AT.name}
    assert (tmp_path / "public" / PAPER_AT.file).read_bytes() == PAPER
    assert not list((tmp_path / "uploads").iterdir())


async def test_a_file_stays_until_the_last_item_that_names_it_is_withdrawn(tmp_path, kept):
    for id in ("a", "b"):
        await publish(tmp_path, an_item(id, 1, PAPER_AT, OTHER_AT), uploads=kept)
    await publish(tmp_path, an_item("a", 2, action="withdrawn"), uploads=kept)
    assert served(tmp_path) == {PAPER_AT.name, OTHER_AT.name}
    await publish(tmp_path, an_item("b", 2, OTHER_AT, action="corrected"), uploads=kept)
    assert served(tmp_path) == {OTHER_AT.name}
    await publish(tmp_path, an_item("b", 3, OTHER_AT, action="withdrawn"), uploads=kept)
    assert served(tmp_path) == set() and not list((tmp_path / "public/tep").iterdir())


async def test_a_file_that_is_not_kept_or_damaged_holds_no_item(tmp_path, kept):
    kept.contents[OTHER_AT.hash] = b"something else"
    lost = address_of(b"x", "x.pdf")
    await publish(tmp_path, an_item("a", 1, PAPER_AT, OTHER_AT, lost), uploads=kept)
    assert served(tmp_path) == {PAPER_AT.name}
    assert (tmp_path / "public/tin/a/index.html").exists()
    problems = [one.path for one in audit_problems(tmp_path)]
    assert sorted(problems) == sorted([OTHER_AT.file, lost.file])


def audit_problems(folder):
    audit = FolderAudit(folder, SiteFiles(PORTAL_SITE))
    with closing(audit.open_snapshot()) as snapshot:
        return list(audit.find_problems(snapshot))


async def test_a_broken_file_is_put_right_by_sending_again_and_a_foreign_one_is_found(
    tmp_path, kept
):
    item = an_item("a", 1, PAPER_AT)
    await publish(tmp_path, item, uploads=kept)
    (tmp_path / "public" / PAPER_AT.file).write_bytes(b"<script>")
    stray = tmp_path / "public" / OTHER_AT.file
    stray.parent.mkdir()
    stray.write_bytes(OTHER)
    problems = {(one.rule, one.path) for one in audit_problems(tmp_path)}
    assert problems == {("page-differs", PAPER_AT.file), ("page-unexpected", OTHER_AT.file)}
    await publish(tmp_path, item, uploads=kept)
    assert (tmp_path / "public" / PAPER_AT.file).read_bytes() == PAPER


async def test_a_rebuild_puts_files_back_and_removes_others(tmp_path, kept):
    items = [an_item("a", 1, PAPER_AT), an_item("b", 1, OTHER_AT)]
    for item in items:
        await publish(tmp_path, item, uploads=kept)
    shutil.rmtree(tmp_path / "public/tep" / PAPER_AT.hash)
    with open_rebuild(tmp_path, SiteFiles(PORTAL_SITE), 5.0) as rebuild:
        rebuild.add_publications(items[:1])
        await UploadFiles(tmp_path, kept).place(rebuild.named_uploads())
        rebuild.finish()
    assert served(tmp_path) == {PAPER_AT.name}
    assert audit_problems(tmp_path) == []


async def test_an_index_of_before_lists_its_files_at_the_next_start(tmp_path, kept):
    await publish(tmp_path, an_item("a", 1, PAPER_AT), uploads=kept)
    writer = PortalWriter(tmp_path, SiteFiles(PORTAL_SITE), 5.0)
    with writer._locked_index() as index:
        index._db.execute("DROP TABLE upload")
        assert index.named_uploads() == [] and index.unused_uploads() == []
    writer.prepare()
    with writer._locked_index() as index:
        assert index.named_uploads() == [PAPER_AT.file]
    writer.close()


@pytest.mark.parametrize(
    ("address", "media_type", "shown"),
    [
        (PAPER_AT, "application/pdf", "inline"),
        (PHOTO_AT, "image/png", "inline"),
        (BOOK_AT, BOOK_AT.media_type, "attachment"),
    ],
)
async def test_a_file_is_served_as_what_it_is(tmp_path, kept, address, media_type, shown):
    await publish(tmp_path, an_item("a", 1, PAPER_AT, PHOTO_AT, BOOK_AT), uploads=kept)
    async with http_client(portal_app(tmp_path)) as client:
        for _ in range(2):  # from the disk, then from memory
            answer = await client.get(address.path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == media_type
            assert answer.headers["content-disposition"] == shown
            assert answer.headers["x-content-type-options"] == "nosniff"
            policies = answer.headers.get_list("content-security-policy")
            assert len(policies) == 1 and policies[0].startswith("default-src 'none'; ")
            assert ("; sandbox;" in policies[0]) == (address is not PAPER_AT)
        folder = address.path.rpartition("/")[0]
        for name in ("a.html", "..%2f..%2findex.html", "a.svg", "%00.pdf", "A%20.pdf"):
            assert (await client.get(f"{folder}/{name}")).status_code == 404
