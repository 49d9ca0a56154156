"""After a change of what pages look like, everything is written again, little by little."""

import shutil

from structlog.testing import capture_logs

from channels.portal.channel import PortalChannel
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, sent, show, tree

FIRST = a_publication()


def test_another_public_address_has_everything_written_again(tmp_path):
    show(tmp_path / "moved", FIRST, url="http://127.0.0.1:8080")
    a_writer(tmp_path / "moved").close()
    show(tmp_path / "clean", FIRST)
    assert tree(tmp_path / "moved") == tree(tmp_path / "clean")


async def test_what_an_earlier_edition_wrote_is_written_again_in_the_background(tmp_path):
    items = [a_publication(content_id=f"tin-{number}") for number in range(90)]
    writer = a_writer(tmp_path / "moved", url="http://127.0.0.1:8080")
    writer.take(items)
    writer.finish()
    writer.close()
    channel = PortalChannel(tmp_path / "moved", PUBLIC_URL, WORDS)
    await sent(channel, FIRST)
    await channel.renew(pause_s=0)
    await channel.close()
    show(tmp_path / "clean", *items, FIRST)
    assert tree(tmp_path / "moved") == tree(tmp_path / "clean")


async def test_a_folder_that_was_emptied_is_written_again_while_loa_runs(tmp_path):
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS)
    await sent(channel, FIRST)
    before = tree(tmp_path)
    shutil.rmtree(tmp_path / "public")
    with capture_logs() as log:
        await channel.renew(pause_s=0)
    await channel.close()
    assert tree(tmp_path) == before
    assert [one["items"] for one in log if one["event"] == "portal_files_lost"] == [1]


async def test_before_there_is_a_portal_there_is_nothing_to_renew(tmp_path):
    channel = PortalChannel(tmp_path / "portal", PUBLIC_URL, WORDS)
    await channel.renew()
    await channel.close()


async def test_an_address_under_which_nothing_was_published_is_warned_of(tmp_path):
    show(tmp_path, FIRST, url="http://127.0.0.1:8080")
    with capture_logs() as log:
        a_writer(tmp_path).close()
        a_writer(tmp_path).close()
    [said] = [one for one in log if one["event"] == "portal_address_changed"]
    assert (said["before"], said["now"], said["items"]) == ("http://127.0.0.1:8080", PUBLIC_URL, 1)


async def test_nothing_is_renewed_where_there_is_no_portal(tmp_path):
    (tmp_path / "state" / "aside").mkdir(parents=True)
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS)
    await channel.renew()
    await channel.close()
    assert not (tmp_path / "public").exists()
