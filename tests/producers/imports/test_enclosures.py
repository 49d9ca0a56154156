"""What a feed encloses: documents come along as attachments, by their address alone."""

import pytest

from producers.imports.parse.feedparser_entry import Enclosure
from tests.producers.imports.test_document import channel, only


def enclosed(*tags: str) -> tuple[Enclosure, ...]:
    return only(channel(f"<item><title>A</title>{''.join(tags)}</item>")).files


def test_documents_are_attached_by_the_name_in_their_address():
    files = enclosed(
        '<enclosure url="https://a.vn/f/Bi%E1%BB%83u%20m%E1%BA%ABu%2001.docx" '
        'type="application/msword" length="2048"/>',
        '<enclosure url="/f/1.pdf" type="application/pdf" length="-"/>',
        '<enclosure url="https://a.vn/f/1.PDF?x=1" type="?" length="0"/>',
        '<enclosure url="https://a.vn/" type="application/pdf"/>',
    )
    assert files == (
        Enclosure("https://a.vn/f/Bi%E1%BB%83u%20m%E1%BA%ABu%2001.docx", "Biểu mẫu 01.docx",
             "application/msword", 2048),
        Enclosure("https://tcnn.example.vn/f/1.pdf", "1.pdf", "application/pdf"),
        Enclosure("https://a.vn/f/1.PDF?x=1", "1.PDF"),
        Enclosure("https://a.vn/", "Tệp đính kèm", "application/pdf"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "tag",
    [
        '<enclosure url="https://a.vn/1.jpg" type="image/jpeg"/>',
        '<enclosure url="https://a.vn/1.mp3" type="audio/mpeg"/>',
        '<enclosure url="javascript:alert(1)" type="application/pdf"/>',
        '<enclosure url="" type="application/pdf"/>',
        "<enclosure/>",
    ],
)
def test_pictures_and_what_is_no_web_address_are_not_attached(tag):
    assert enclosed(tag) == ()


def test_an_atom_enclosure_is_attached_and_each_file_once():
    link = '<link rel="enclosure" href="https://a.vn/1.pdf" type="application/pdf" length="7"/>'
    entry = f"<entry><title>A</title>{link * 2}</entry>"
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'
    assert only(feed).files == (Enclosure("https://a.vn/1.pdf", "1.pdf", "application/pdf", 7),)
    many = "".join(f'<enclosure url="https://a.vn/{n}" type="a/b"/>' for n in range(30))
    assert len(enclosed(many)) == 20


@pytest.mark.parametrize("name", ["%E1%EB", "a%00b", "%E2%80%AEfdp.exe", "%C3%90.pdf", "a%0Ab"])
def test_a_files_name_that_nobody_should_read_is_not_shown(name):
    [file] = enclosed(f'<enclosure url="https://a.vn/{name}" type="application/pdf"/>')
    assert file.title == "Tệp đính kèm" or file.title.isprintable()
