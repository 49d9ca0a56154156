"""A portal with every hostile string in every field that a unit can fill."""

import json
import re
from pathlib import Path

from lxml import etree
from pydantic import ValidationError

from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from contracts.content import Link
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT
from tests.support.hostile_text import XSS
from tests.support.portal_dir import PUBLIC_URL, rebuild
from tests.support.publications import a_publication

TEXTS = list({" ".join(t.split()): t for t in (one.replace("\x01", "") for one in XSS)}.values())
"""Hostile strings without control characters, which the contract refuses."""
LINES = [" ".join(text.split()) for text in TEXTS]
ADDRESSES = ("{}", "https://x.vn/{}", "https://x.vn/?a={}", "https://x.vn/#{}")
FIELDS = ("title", "summary", "body", "author", "reason", "link title", "link address")


def hostile_fields(number: int) -> dict[str, str]:
    """The strings of the number-th item, a different one for each field."""
    count = len(TEXTS)
    words = {field: LINES[(number + place) % count] for place, field in enumerate(FIELDS)}
    long = {field: TEXTS[(number + FIELDS.index(field)) % count] for field in ("summary", "body")}
    return words | long


def valid_addresses(line: str) -> list[str]:
    """Addresses made of *line* that the contract accepts; mostly none."""
    return [url for form in ADDRESSES if (url := form.format(line)) and is_address(url)]


def is_address(url: str) -> bool:
    try:
        Link(url=url, title="x")
    except ValidationError as refused:
        assert {error["loc"] for error in refused.errors()} == {("url",)}
        return False
    return True


def hostile_item(number: int) -> Publication:
    """The number-th item. Its body has the string as text, and as an address in Markdown."""
    given = hostile_fields(number)
    body, where, line = given["body"], given["link address"], given["link title"]
    urls = ["https://moha.gov.vn/", *valid_addresses(where)]
    return a_publication(
        content_id=f"tin-{number}",
        action="corrected",
        revision=2,
        title=given["title"],
        summary=given["summary"],
        author=given["author"],
        reason=given["reason"],
        body=f"[x](<{where}>) ![x](<{where}>)\n\n{body}",
        cover={"url": "https://moha.gov.vn/a.jpg", "alt": line},
        links=[{"url": url, "title": line} for url in urls],
        attachments=[{"url": url, "title": line} for url in urls],
    )


def withdrawn_twin(item: Publication) -> Publication:
    """A withdrawn copy of the item, with its title and a reason."""
    name = f"rut-{item.content_id}"
    return item.model_copy(update={"content_id": name, "action": "withdrawn", "revision": 3})


ITEMS = [hostile_item(number) for number in range(len(TEXTS))]


def hostile_portal(folder: Path) -> Path:
    """A portal with every item and a withdrawn copy of each."""
    rebuild(folder, [*ITEMS, *map(withdrawn_twin, ITEMS)])
    return folder


ACTIVE = {"script", "iframe", "object", "embed", "form", "style", "base", "svg", "math", "template"}
PRESS = SiteFiles(Site(PUBLIC_URL, DEFAULT))
EVERYTHING = 0x110000
CHUNK = 8192


def assert_harmless(document):
    for element in document.iter():
        if element.tag == "script":
            assert dict(element.attrib) == {"type": "application/ld+json"}
            assert json.loads(element.text)["@type"] == "NewsArticle"
            continue
        if element.tag == "form":
            assert element.get("class") in ("opinion", "find")
            continue
        assert element.tag not in ACTIVE, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name != "style"
            squeezed = re.sub(r"[\s\x00-\x20]", "", value).lower()
            if name in ("href", "src"):
                assert not squeezed.startswith(("javascript:", "vbscript:", "data:")), value


def makes_feeds(body):
    """Whether the contract accepts *body*; then its feeds must be well-formed."""
    try:
        item = a_publication(body=f"Chữ: {body}")
    except ValidationError:
        return False
    fragments = PRESS.fragments(PRESS.to_stored_item(item))
    etree.fromstring(b"<rss xmlns:dc='d' xmlns:content='c' xmlns:atom='a'>%b</rss>" % fragments.rss)
    etree.fromstring(fragments.atom)
    json.loads(fragments.json)
    return True
