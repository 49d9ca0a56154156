"""Uploaded files through backup, restore and rebuild: with their item, and gone with it."""

import hashlib
from datetime import UTC, datetime, timedelta

from consumers.operations import rebuild
from consumers.operations.retention import UnusedUploads
from consumers.uploads.kept import NAME
from consumers.uploads.unused import UnusedFiles
from contracts.content import Attachment
from contracts.desk.uploads import UploadAddress
from producers.object_store import ObjectStore
from tests.support.portal_dir import PUBLIC_URL, site_files
from tests.support.publications import a_publication
from tests.support.released_items import deliver_to_portal
from tests.support.restored_bus import restored_bus, save_bus

CONTENT = b"%PDF-1.7 " + bytes(range(256)) * 2000
ADDRESS = UploadAddress(hashlib.sha256(CONTENT).hexdigest(), "Báo-cáo.pdf")
FACTS = {NAME: ADDRESS.name}
ITEM = a_publication(
    attachments=(Attachment(url=PUBLIC_URL + ADDRESS.path, title="Báo cáo"),), channels=("portal",)
)
GONE = a_publication(revision=2, action="withdrawn", reason="Sai số liệu", channels=("portal",))


def placed(folder) -> list[bytes]:
    return [one.read_bytes() for one in (folder / "public").glob("tep/*/*")]


async def test_a_restored_bus_has_the_files_of_a_portal_that_is_made_anew(bus, tmp_path, clock):
    await ObjectStore(bus).put(ADDRESS.hash, [CONTENT[:999], CONTENT[999:]], FACTS)
    await deliver_to_portal(bus, ITEM)
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as restored:
        await rebuild.rebuild_portal(restored, tmp_path / "new", site_files())
        assert (tmp_path / "new/public" / ADDRESS.file).read_bytes() == CONTENT
        assert placed(tmp_path / "new") == [CONTENT]
        await deliver_to_portal(restored, GONE)
        await rebuild.rebuild_portal(restored, tmp_path / "new", site_files())
        assert placed(tmp_path / "new") == []


async def test_an_erased_file_is_in_no_later_backup(bus, tmp_path, clock):
    store = ObjectStore(bus)
    await store.put(ADDRESS.hash, [CONTENT], FACTS)
    later = datetime.now(UTC) + timedelta(days=1)
    async for due in UnusedUploads(UnusedFiles(bus), clock).due(later):
        assert await due.remove()
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as restored:
        assert await restored.count_by_subject("OBJ_uploads") == {}
