"""A portal of an earlier format, rewritten in the background."""

from channels.portal.channel import PortalChannel
from tests.support.portal_dir import PORTAL_SITE, public_files, publish, rebuild, send_to
from tests.support.publications import a_publication


async def test_what_an_earlier_edition_wrote_is_written_again_in_the_background(tmp_path):
    first = a_publication()
    items = [a_publication(content_id=f"tin-{number}") for number in range(90)]
    rebuild(tmp_path / "moved", items, url="http://127.0.0.1:8080")
    channel = PortalChannel(tmp_path / "moved", PORTAL_SITE)
    await send_to(channel, first)
    await channel.rewrite_stale(pause_s=0)
    await channel.close()
    publish(tmp_path / "clean", *items, first)
    assert public_files(tmp_path / "moved") == public_files(tmp_path / "clean")
