"""Pictures in the body of a page: their place is there before they come."""

import pytest

from channels.portal.render.body_pictures import place_pictures
from tests.support.portal_dir import page, publish
from tests.support.publications import a_publication

DERIVATIVE = "https://x.vn/anh/tin-1/0123456789abcdef-640x427.jpg"


def test_the_portals_own_derivative_says_its_size():
    html = f'<p><img src="{DERIVATIVE}" alt="Phố" loading="lazy"></p>'
    sized = f'<p><img width="640" height="427" src="{DERIVATIVE}" alt="Phố" loading="lazy"></p>'
    assert place_pictures(html) == sized


@pytest.mark.parametrize(
    ("html", "placed"),
    [
        (
            '<img src="https://x.vn/a.png" alt="Phố">',
            '<a href="https://x.vn/a.png"><img src="https://x.vn/a.png" alt="Phố"></a>',
        ),
        ('<img src="https://x.vn/a.png" alt="">', '<img src="https://x.vn/a.png" alt="">'),
        (
            '<a href="/b" rel="noopener"><img src="https://x.vn/a.png" alt="Phố"></a>',
            '<a href="/b" rel="noopener"><img src="https://x.vn/a.png" alt="Phố"></a>',
        ),
        ("<p>a &lt;img src=\"b\" alt='c'&gt;</p>", "<p>a &lt;img src=\"b\" alt='c'&gt;</p>"),
    ],
)
def test_a_picture_of_unknown_size_leads_to_the_whole_of_it(html, placed):
    """The place has a fixed shape; a link needs words, and may be in no other link."""
    assert place_pictures(html) == placed


def test_pages_have_places_and_feeds_have_the_body_as_it_was(tmp_path):
    body = "![Phố](/anh/tin-1/0123456789abcdef-640x427.jpg)"
    publish(tmp_path, a_publication(body=body))
    [image] = page(tmp_path, "tin/lich-nghi-tet-2027").xpath("//div[@class='text']//img")
    assert (image.get("width"), image.get("height")) == ("640", "427")
    feed = (tmp_path / "public/nguon-tin/tat-ca.json").read_text()
    assert "640x427" in feed and "width" not in feed
