"""The sandbox's page stays short: the newest of each kind, and the others folded."""

import pytest
from lxml import html

from sandbox.zalo.page.page import _JINJA
from sandbox.zalo.state.clock import DAY_BEGINS, DAY_ENDS, MORNING


@pytest.mark.parametrize(("count", "folded"), [(0, 0), (20, 0), (50, 30)])
def test_the_newest_twenty_are_open_and_the_others_folded(count, folded):
    articles = [
        {"id": f"id-{n}", "title": f"Bài {n}", "author": "Bộ", "created": 1.8e9, "status": "show"}
        | {"description": "", "body": [{"type": "text", "content": f"Lời {n}"}]}
        for n in range(count)
    ]
    facts = {"now": 1.8e9, "people": [], "broadcasts": [], "titles": {}, "elsewhere": []}
    facts |= {"clock": {"begins": DAY_BEGINS, "ends": DAY_ENDS, "morning": MORNING, "wait_min": 30}}
    shown = _JINJA.get_template("overview.html").render(**facts, articles=articles)
    page = html.document_fromstring(shown)
    names = [title.text for title in page.iter("h3")]
    assert names == [f"Bài {n}" for n in range(count)]
    assert len(page.xpath("//main//details//h3")) == folded
    assert ("Chưa có bài nào." in shown) is (count == 0)
