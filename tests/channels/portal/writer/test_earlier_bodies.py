"""Bodies of an earlier Loa, with foreign pictures, other words or no bound, are written anew."""

import json

import pytest

from channels.portal.index.index import PortalIndex
from channels.portal.model.item import FEED_BODY_MAX
from channels.portal.storage.index_swap import INDEX_FILE
from contracts.base.markdown_size import RENDERED_MAX
from tests.support.markdown_bombs import BODY_MAX, BOMBS
from tests.support.portal_dir import feed, new_writer, page, public_files, publish, rebuild
from tests.support.publications import a_publication

BOMB = BOMBS["a reference used often"](BODY_MAX)
_FRAME = '<div class="table" role="group" tabindex="0"'
EARLIER = {
    "a foreign picture": ("![ảnh](https://a.vn/b.png)", '<p><img src="https://a.vn/b.png"></p>'),
    "a table in other words": (
        "| a |\n| - |\n| 1 |",
        f'{_FRAME} aria-label="Bảng, cuộn ngang để xem hết"></div>',
    ),
    "no bound": (BOMB, "<p>" + '<a href="https://e/">a</a>' * (RENDERED_MAX // 10) + "</p>"),
}


@pytest.mark.parametrize(("markdown", "earlier_html"), EARLIER.values(), ids=EARLIER)
def test_a_folder_of_an_earlier_loa_becomes_what_a_rebuild_makes(tmp_path, markdown, earlier_html):
    item = a_publication(body=markdown)
    publish(tmp_path / "new", item)
    publish(tmp_path / "old", item)
    index = PortalIndex(tmp_path / "old" / "state" / INDEX_FILE)
    with index.transaction():
        index._db.execute("UPDATE item SET body = ?", (earlier_html,))
        index.set_metadata("edition", "an earlier format")
    index.close()
    writer = new_writer(tmp_path / "old")
    while writer.rewrite_stale().has_work:
        pass
    writer.close()
    rebuild(tmp_path / "rebuilt", [item])
    expected = public_files(tmp_path / "new")
    assert public_files(tmp_path / "old") == expected == public_files(tmp_path / "rebuilt")
    assert not page(tmp_path / "old", "tin/lich-nghi-tet-2027").xpath("//main//img")


def test_a_long_item_stands_in_feeds_with_its_beginning_and_a_link(tmp_path):
    publish(tmp_path, a_publication(body="Bộ Nội vụ thông báo. " * (FEED_BODY_MAX // 20)))
    [entry] = json.loads(feed(tmp_path, "tat-ca.json"))["items"]
    assert len(entry["content_html"]) < 2_000
    assert f'<a href="{entry["url"]}" rel="noopener">' in entry["content_html"]
    for name in ("tat-ca.rss", "tat-ca.atom"):
        assert len(feed(tmp_path, name)) < 10_000
    assert len(page(tmp_path, "tin/lich-nghi-tet-2027").text_content()) > FEED_BODY_MAX


def test_a_feed_of_bombs_is_bounded(tmp_path):
    items = [a_publication(content_id=f"tin-{number}", body=BOMB) for number in range(3)]
    publish(tmp_path, *items)
    sizes = [len(body) for path, body in public_files(tmp_path).items() if "nguon-tin/" in path]
    assert sizes and max(sizes) < 20_000
