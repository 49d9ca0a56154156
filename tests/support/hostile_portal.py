"""A portal with every hostile string in every field that a unit can fill."""

from pathlib import Path

from pydantic import ValidationError

from contracts.content import Link
from contracts.publication import Publication
from tests.support.hostile_text import XSS
from tests.support.portal_dir import rebuild
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
