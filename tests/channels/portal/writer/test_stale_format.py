"""After a change of format all files are rewritten, some at a time."""

import shutil

from structlog.testing import capture_logs

from tests.support.portal_dir import (
    PUBLIC_URL,
    new_writer,
    open_portal,
    public_files,
    publish,
    send_to,
)
from tests.support.publications import a_publication

FIRST = a_publication()


def test_another_public_address_has_everything_written_again(tmp_path):
    publish(tmp_path / "moved", FIRST, url="http://127.0.0.1:8080")
    new_writer(tmp_path / "moved").close()
    publish(tmp_path / "clean", FIRST)
    assert public_files(tmp_path / "moved") == public_files(tmp_path / "clean")


async def test_a_folder_that_was_emptied_is_written_again_while_loa_runs(tmp_path):
    async with open_portal(tmp_path) as channel:
        await send_to(channel, FIRST)
        before = public_files(tmp_path)
        shutil.rmtree(tmp_path / "public")
        with capture_logs() as log:
            await channel.rewrite_stale(pause_s=0)
    assert public_files(tmp_path) == before
    assert [one["items"] for one in log if one["event"] == "portal_files_lost"] == [1]


async def test_an_address_under_which_nothing_was_published_is_warned_of(tmp_path):
    publish(tmp_path, FIRST, url="http://127.0.0.1:8080")
    with capture_logs() as log:
        new_writer(tmp_path).close()
        new_writer(tmp_path).close()
    [said] = [one for one in log if one["event"] == "portal_address_changed"]
    assert (said["before"], said["now"], said["items"]) == ("http://127.0.0.1:8080", PUBLIC_URL, 1)


async def test_nothing_is_renewed_where_there_is_no_portal(tmp_path):
    async with open_portal(tmp_path) as channel:
        await channel.rewrite_stale()
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "state" / "aside").mkdir(parents=True)
        await channel.rewrite_stale()
    assert not (tmp_path / "public").exists()
