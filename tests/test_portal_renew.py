"""After a change of what pages look like, everything is written again, little by little."""

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


async def test_nothing_is_renewed_where_there_is_no_portal(tmp_path):
    (tmp_path / "state" / "aside").mkdir(parents=True)
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS)
    await channel.renew()
    await channel.close()
    assert not (tmp_path / "public").exists()
