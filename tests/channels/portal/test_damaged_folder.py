"""A damaged or lost folder: the writer repairs files, or the channel is held."""

import pytest

from channels.base import Verdict
from channels.errors import Misconfigured
from tests.support.portal_dir import (
    CORRECTED,
    FIRST,
    new_writer,
    open_portal,
    public_files,
    publish,
    rebuild,
    send_to,
    verdicts,
)
from tests.support.publications import a_publication


@pytest.mark.parametrize(
    ("left", "reason"), [(None, "index_lost"), (b"no database at all" * 100, "sqlite_notadb")]
)
async def test_pages_without_a_readable_index_stop_the_channel(tmp_path, left, reason):
    """Otherwise the feeds would be emptied."""
    publish(tmp_path, FIRST)
    before = public_files(tmp_path)
    for file in (tmp_path / "state").glob("index.sqlite*"):
        file.unlink()
    if left:
        (tmp_path / "state/index.sqlite").write_bytes(left)
    with pytest.raises(Misconfigured, match=reason):
        async with open_portal(tmp_path) as channel:
            await send_to(channel, CORRECTED)
    assert public_files(tmp_path) == before


async def shown_before() -> bool:
    return True


async def test_an_empty_folder_stops_the_channel_once_something_was_shown(tmp_path):
    async with open_portal(tmp_path, was_shown_before=shown_before) as channel:
        for _ in range(2):
            with pytest.raises(Misconfigured, match="index_lost"):
                await send_to(channel, FIRST)
    assert public_files(tmp_path) == {}


async def test_a_folder_that_is_moved_away_under_a_writer_is_not_begun_anew(tmp_path):
    folder, booked = tmp_path / "portal", [False]

    async def anything() -> bool:
        return booked[0]

    async with open_portal(folder, was_shown_before=anything) as channel:
        assert verdicts(await send_to(channel, FIRST)) == [Verdict.DELIVERED]
        booked[0] = True
        before = public_files(folder)
        folder.rename(tmp_path / "away")
        with pytest.raises(Misconfigured, match="index_lost"):
            await send_to(channel, CORRECTED)
        assert public_files(folder) == {}
        rebuild(folder, [FIRST])
        assert public_files(folder) == before
        assert verdicts(await send_to(channel, CORRECTED)) == [Verdict.DELIVERED]


async def test_nobody_is_asked_while_the_index_stands(tmp_path):
    publish(tmp_path, FIRST)
    async with open_portal(tmp_path, was_shown_before=shown_before) as channel:
        assert verdicts(await send_to(channel, CORRECTED)) == [Verdict.DELIVERED]


def test_emptied_public_files_come_back_whole_when_a_writer_starts(tmp_path):
    publish(tmp_path, FIRST, a_publication(content_id="khac"))
    before = public_files(tmp_path)
    (tmp_path / "public").rename(tmp_path / "moved-away")
    new_writer(tmp_path).close()
    assert public_files(tmp_path) == before
