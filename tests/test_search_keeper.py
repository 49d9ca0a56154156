"""What the portal shows is found, what it has taken back is not; a lost catalogue comes back."""

from datetime import timedelta

import pytest

from channels.portal.press import Press
from channels.portal.rebuild import rebuilding
from channels.portal.search.catalogue import Catalogue, consulted
from channels.portal.search.keeper import CATALOGUE
from channels.portal.search.question import read
from channels.portal.site import Site
from tests.builders import RELEASED_AT, a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, never, show


def found(folder, q="nghỉ"):
    with consulted(folder / "state" / CATALOGUE) as catalogue:
        places = catalogue.find(read({"q": q})).places
        return [paper.content_id for paper in catalogue.papers(places)]


def many(count):
    return [
        a_publication(content_id=f"tin-{n}", first_released_at=RELEASED_AT + timedelta(minutes=n))
        for n in range(count)
    ]


def test_an_item_is_found_as_soon_as_it_is_shown(tmp_path):
    show(tmp_path, *many(2))
    assert found(tmp_path) == ["tin-1", "tin-0"]
    assert found(tmp_path, "**Nguyên đán**") == found(tmp_path, "nguyen dan") == ["tin-1", "tin-0"]


def test_a_correction_is_found_by_its_new_words_and_a_withdrawal_by_none(tmp_path):
    show(tmp_path, a_publication(body="bản cũ kỹ"))
    show(tmp_path, a_publication(revision=2, action="corrected", body="bản mới", reason="Sai"))
    assert (found(tmp_path, "cũ kỹ"), len(found(tmp_path, "bản mới"))) == ([], 1)
    show(tmp_path, a_publication(revision=3, action="withdrawn", reason="Nhầm"))
    assert found(tmp_path) == []


def test_a_table_and_a_link_are_words_too(tmp_path):
    body = "| Ngày | Việc |\n| --- | --- |\n| 04/02/2027 | trực ban |\n"
    link = {"title": "Văn bản gốc", "url": "https://vanban.example/1"}
    show(tmp_path, a_publication(body=body, links=[link]))
    assert len(found(tmp_path, "04/02/2027 trực ban")) == 1
    assert len(found(tmp_path, "văn bản gốc")) == 1


DAMAGES = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"not a database" * 100),
    "another layout": lambda file: _set(file, "PRAGMA user_version = 99"),
    "not whole": lambda file: _set(file, "DELETE FROM made"),
}


def _set(file, sql):
    catalogue = Catalogue(file)
    catalogue._db.execute(sql)
    catalogue.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_catalogue_that_is_lost_or_broken_is_made_anew(tmp_path, damage):
    show(tmp_path, *many(3))
    damage(tmp_path / "state" / CATALOGUE)
    a_writer(tmp_path).close()
    assert found(tmp_path) == ["tin-2", "tin-1", "tin-0"]


def test_another_vocabulary_makes_it_anew(tmp_path):
    show(tmp_path, *many(2))
    before = (tmp_path / "state" / CATALOGUE).read_bytes()
    a_writer(tmp_path, words=WORDS).close()
    assert (tmp_path / "state" / CATALOGUE).read_bytes() == before
    fewer = WORDS.model_copy(update={"topics": {}})
    a_writer(tmp_path, words=fewer).close()
    assert (tmp_path / "state" / CATALOGUE).read_bytes() != before
    assert found(tmp_path) == ["tin-1", "tin-0"]


def test_a_rebuild_brings_its_own_catalogue_to_a_writer_that_is_open(tmp_path):
    show(tmp_path, *many(3))
    writer = a_writer(tmp_path)
    with rebuilding(tmp_path, Press(Site(PUBLIC_URL, WORDS)), 5.0) as rebuild:
        rebuild.keep(many(2))
        rebuild.finish()
    assert found(tmp_path) == ["tin-1", "tin-0"]
    writer.show(a_publication(content_id="tin-moi"), never)
    writer.close()
    assert sorted(found(tmp_path)) == ["tin-0", "tin-1", "tin-moi"]
