"""The foot of every public page says who answers for it: all that the operator has given."""

from functools import cache

import pytest
from lxml import html

from channels.portal.model.site import Site
from channels.portal.render.html import HtmlPages
from contracts.vocabulary import DEFAULT
from design.frame import frame_texts
from design.settings import SiteIdentity
from producers.pages.rendering import Renderer
from tests.design import gallery
from tests.support.portal_dir import PUBLIC_URL, text_of
from tests.support.site_identity import FULL, SAID

LABELS = {name: frame_texts()["foot"].get(name.removeprefix("postal_"), "") for name in SAID}
LINKS = {
    "phone": "tel:02400000000",
    "email": f"mailto:{FULL.email}",
    "ministry_url": FULL.ministry_url,
}


@cache
def foots(identity: SiteIdentity) -> dict[str, html.HtmlElement]:
    """The foot of a page of the portal, of a readers' page, and of the gallery."""
    portal = HtmlPages(Site(PUBLIC_URL, DEFAULT, identity=identity)).about().decode()
    readers = Renderer(PUBLIC_URL, DEFAULT, identity).message_page("sent").body.decode()
    pages = {"portal": portal, "readers": readers, "gallery": gallery.page()}
    return {
        name: html.document_fromstring(page).find_class("footing")[0]
        for name, page in pages.items()
    }


def test_every_field_is_given():
    assert SAID.keys() | {"emblem_file"} == SiteIdentity.model_fields.keys()


@pytest.mark.parametrize("face", ["portal", "readers", "gallery"])
def test_all_that_is_known_of_who_answers_is_said_with_its_name(face):
    foot = foots(FULL)[face]
    said = [text_of(line) for line in foot.iter("p")]
    shown = {name: f"{LABELS[name]}: {value}" for name, value in SAID.items()}
    missing = {name for name, line in shown.items() if line not in said}
    assert missing == {"ministry_url"}
    assert set(LINKS.values()) <= set(foot.xpath(".//a/@href"))


@pytest.mark.parametrize("face", ["portal", "readers"])
def test_what_is_not_known_has_no_line(face):
    text = text_of(foots(SiteIdentity())[face])
    said = [name for name, label in LABELS.items() if label and f"{label}:" in text]
    assert said == []
