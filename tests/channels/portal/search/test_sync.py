"""The search index follows the portal: shown items, withdrawn items, rebuilds after loss."""

import sqlite3

import pytest

from channels.portal.model.site import CORRECTIONS_SLUG
from channels.portal.search import sync
from channels.portal.search.index import SearchIndex, open_search_index
from channels.portal.search.query import parse_query
from channels.portal.search.sync import NEXT_SEARCH_INDEX_FILE, SEARCH_INDEX_FILE
from channels.portal.writer.rebuild import open_rebuild
from tests.support.portal_dir import (
    WORDS,
    never_expired,
    new_writer,
    publish,
    rebuild,
    site_files,
    words_with,
)
from tests.support.publications import a_publication, numbered_publication


def papers(folder, q="", **asked):
    """The documents that a search finds, best first."""
    with open_search_index(folder / "state" / SEARCH_INDEX_FILE) as catalogue:
        return catalogue.documents(catalogue.search(parse_query({"q": q} | asked)).places)


def found(folder, q="nghỉ", **asked):
    return [paper.content_id for paper in papers(folder, q, **asked)]


def many(count):
    return [numbered_publication(n, title="Nghỉ Tết") for n in range(count)]


def test_an_item_is_found_as_soon_as_it_is_shown(tmp_path):
    publish(tmp_path, *many(2))
    assert found(tmp_path) == ["tin-1", "tin-0"]
    assert found(tmp_path, "**Nguyên đán**") == found(tmp_path, "nguyen dan") == ["tin-1", "tin-0"]


def test_a_correction_is_found_by_its_new_words_and_a_withdrawal_by_none(tmp_path):
    publish(tmp_path, a_publication(body="bản cũ kỹ"))
    publish(tmp_path, a_publication(revision=2, action="corrected", body="bản mới", reason="Sai"))
    assert (found(tmp_path, "cũ kỹ"), len(found(tmp_path, "bản mới"))) == ([], 1)
    publish(tmp_path, a_publication(revision=3, action="withdrawn", reason="Nhầm"))
    assert found(tmp_path) == []


def test_the_topic_of_corrections_finds_what_stands_on_its_shelf(tmp_path):
    words = words_with(*WORDS.topics, CORRECTIONS_SLUG)
    first = many(2)
    later = first[0].model_copy(update={"revision": 2, "action": "corrected", "reason": "Sai"})
    publish(tmp_path, *first, later, words=words)
    assert {*found(tmp_path, "", **{"chu-de": CORRECTIONS_SLUG})} == {"tin-0"}
    assert {*found(tmp_path, "", **{"chu-de": later.topic})} == {"tin-0", "tin-1"}
    publish(tmp_path, later.model_copy(update={"revision": 3, "action": "published"}), words=words)
    assert {*found(tmp_path, "", **{"chu-de": CORRECTIONS_SLUG})} == {"tin-0"}, "as its shelf does"


def test_an_audience_finds_its_items_and_those_for_everybody(tmp_path):
    every, some = many(2)
    some = some.model_copy(update={"audiences": ("vien-chuc",)})
    publish(tmp_path, every.model_copy(update={"audiences": ()}), some)
    assert {*found(tmp_path, "", **{"doi-tuong": "vien-chuc"})} == {"tin-0", "tin-1"}
    assert {*found(tmp_path, "", **{"doi-tuong": "can-bo"})} == {"tin-0"}


def test_an_item_is_found_by_the_names_of_its_topic_and_unit_which_no_snippet_repeats(tmp_path):
    publish(tmp_path, a_publication(), numbered_publication(2, topic="viec-lam", body="Nội dung."))
    assert found(tmp_path, "viec lam") == ["tin-2"]
    assert len(found(tmp_path, "văn phòng bộ")) == 2
    assert not any("Văn phòng" in paper.text for paper in papers(tmp_path, "văn phòng bộ"))


def test_parts_of_an_item_do_not_run_into_each_other(tmp_path):
    link = {"title": "Toàn văn", "url": "https://vanban.example/1"}
    publish(tmp_path, a_publication(body="chân trang", links=[link], author="Phòng Tin"))
    (paper,) = papers(tmp_path, "chân trang")
    assert paper.text.endswith("chân trang · Toàn văn · Phòng Tin")
    assert len(found(tmp_path, "trang toàn văn phòng")) == 1


def test_blocks_of_a_text_do_not_run_into_each_other_unless_a_sentence_ends(tmp_path):
    body = "## Phụ lục\n\nMột câu.\n\nCâu “hai.”\n\n- mục\n- việc\n\n"
    table = "| Ngày | Nơi |\n| - | - |\n| 1 < 2 | 3 |"
    publish(tmp_path, a_publication(summary="", body=body + table))
    (paper,) = papers(tmp_path, "phụ lục")
    said = "Phụ lục · Một câu. Câu “hai.” mục · việc · Ngày · Nơi · 1 < 2 · 3"
    assert paper.text.startswith(said)


DAMAGES = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "no database": lambda file: file.write_bytes(b"not a database" * 100),
    "another layout": lambda file: _set(file, "PRAGMA user_version = 99"),
    "not whole": lambda file: _set(file, "DELETE FROM made"),
}


def _set(file, sql):
    catalogue = SearchIndex(file)
    catalogue._db.execute(sql)
    catalogue.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_catalogue_that_is_lost_or_broken_is_made_anew(tmp_path, damage):
    publish(tmp_path, *many(3))
    damage(tmp_path / "state" / SEARCH_INDEX_FILE)
    new_writer(tmp_path).close()
    assert found(tmp_path) == ["tin-2", "tin-1", "tin-0"]


def test_another_vocabulary_or_way_to_learn_makes_it_anew(tmp_path, monkeypatch):
    publish(tmp_path, *many(2))
    before = (tmp_path / "state" / SEARCH_INDEX_FILE).read_bytes()
    new_writer(tmp_path, words=WORDS).close()
    assert (tmp_path / "state" / SEARCH_INDEX_FILE).read_bytes() == before
    new_writer(tmp_path, words=FEWER).close()
    fewer = renamed(tmp_path)
    assert (tmp_path / "state" / SEARCH_INDEX_FILE).read_bytes() != before
    assert found(tmp_path) == ["tin-1", "tin-0"]
    monkeypatch.setattr(sync, "DOCUMENT_VERSION", sync.DOCUMENT_VERSION + 1)
    new_writer(tmp_path, words=FEWER).close()
    assert renamed(tmp_path)[0] != fewer[0] and renamed(tmp_path)[1] == fewer[1]


FEWER = WORDS.model_copy(update={"topics": {}})


def renamed(folder, q="nghỉ"):
    """All matches, and the format hash of the index."""
    with open_search_index(folder / "state" / SEARCH_INDEX_FILE) as catalogue:
        return catalogue.complete_format_hash(), found(folder, q)


@pytest.fixture
def portal_of_four(tmp_path, monkeypatch):
    """A portal with four items, whose search index a new vocabulary is about to rebuild."""
    monkeypatch.setattr(sync, "CHUNK_SIZE", 2)
    publish(tmp_path, *many(4))
    assert found(tmp_path) == ["tin-3", "tin-2", "tin-1", "tin-0"]
    return tmp_path


def test_while_it_is_made_anew_everything_is_found_and_writers_wait_for_few(portal_of_four):
    (old, everything), after = renamed(portal_of_four), []
    writer = new_writer(portal_of_four, words=FEWER)
    while writer.rewrite_stale().has_work:
        after.append(renamed(portal_of_four))
    writer.close()
    assert [edition for edition, _ in after[:1]] == [old], "not at once"
    assert {tuple(ids) for _, ids in after} == {tuple(everything)}
    assert renamed(portal_of_four) != (old, everything) and renamed(portal_of_four)[1] == everything
    assert not (portal_of_four / "state" / NEXT_SEARCH_INDEX_FILE).exists()


def test_what_is_shown_corrected_or_withdrawn_meanwhile_is_found_before_and_after(portal_of_four):
    writer = new_writer(portal_of_four, words=FEWER)
    seen = many(4)
    writer.show(seen[0].model_copy(update={"revision": 2, "action": "withdrawn"}), never_expired)
    writer.show(a_publication(content_id="zz", body="mới tinh"), never_expired)
    assert sorted(found(portal_of_four)) == ["tin-1", "tin-2", "tin-3", "zz"]
    while writer.rewrite_stale().has_work:
        assert sorted(found(portal_of_four)) == ["tin-1", "tin-2", "tin-3", "zz"]
    writer.close()
    assert found(portal_of_four, "mới tinh") == ["zz"]
    assert not (portal_of_four / "state" / NEXT_SEARCH_INDEX_FILE).exists()


def test_somebody_else_goes_on_with_one_that_was_begun(portal_of_four):
    first, (old, _) = new_writer(portal_of_four, words=FEWER), renamed(portal_of_four)
    assert (portal_of_four / "state" / NEXT_SEARCH_INDEX_FILE).exists()
    with open_search_index(portal_of_four / "state" / NEXT_SEARCH_INDEX_FILE) as begun:
        assert begun.build_progress()[1] == "tin-1"
    other = new_writer(portal_of_four, words=FEWER)
    while first.rewrite_stale().has_work or other.rewrite_stale().has_work:
        pass
    edition, ids = renamed(portal_of_four)
    assert edition != old and len(ids) == 4
    first.show(a_publication(content_id="moi"), never_expired)
    assert "moi" in found(portal_of_four)
    first.close()
    other.close()


def test_one_that_was_begun_for_another_vocabulary_begins_anew(portal_of_four):
    new_writer(portal_of_four, words=FEWER).close()
    writer = new_writer(portal_of_four)
    assert renamed(portal_of_four)[1] == ["tin-3", "tin-2", "tin-1", "tin-0"]
    writer.close()


def test_a_broken_file_that_was_begun_is_begun_anew(portal_of_four):
    new_writer(portal_of_four, words=FEWER).close()
    (portal_of_four / "state" / NEXT_SEARCH_INDEX_FILE).write_bytes(b"not a database" * 100)
    writer = new_writer(portal_of_four, words=FEWER)
    while writer.rewrite_stale().has_work:
        pass
    writer.close()
    assert len(found(portal_of_four)) == 4


def test_trouble_that_passes_throws_nothing_away(portal_of_four, monkeypatch):
    def full(_):
        broken = sqlite3.OperationalError("disk full")
        broken.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise broken

    monkeypatch.setattr(SearchIndex, "complete_format_hash", full)
    with pytest.raises(sqlite3.OperationalError):
        new_writer(portal_of_four)
    monkeypatch.undo()
    assert len(found(portal_of_four)) == 4


def test_a_rebuild_brings_its_own_catalogue_to_a_writer_that_is_open(tmp_path):
    publish(tmp_path, *many(3))
    writer = new_writer(tmp_path)
    with open_rebuild(tmp_path, site_files(), 5.0) as rebuild:
        rebuild.add_already_shown(many(2))
        rebuild.finish()
    assert found(tmp_path) == ["tin-1", "tin-0"]
    writer.show(a_publication(content_id="tin-moi"), never_expired)
    writer.close()
    assert sorted(found(tmp_path)) == ["tin-0", "tin-1", "tin-moi"]


def test_a_portal_that_is_made_anew_indexes_each_item_once(tmp_path, monkeypatch):
    """Not when its page is written and again when the index comes to it."""
    monkeypatch.setattr(sync, "CHUNK_SIZE", 2)
    indexed, put = [], SearchIndex.put_prepared

    def count(self, documents):
        documents = list(documents)
        indexed.extend(one.content_id for one in documents)
        put(self, documents)

    monkeypatch.setattr(SearchIndex, "put_prepared", count)
    rebuild(tmp_path, many(5))
    assert sorted(indexed) == [f"tin-{n}" for n in range(5)]
    assert len(found(tmp_path)) == 5


def test_an_item_behind_which_the_build_is_already_is_indexed_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sync, "CHUNK_SIZE", 1)
    with open_rebuild(tmp_path, site_files(), 5.0) as portal:
        portal.add_publications(many(3))
        portal.finish()
    (tmp_path / "state" / SEARCH_INDEX_FILE).unlink()
    writer = new_writer(tmp_path)
    assert writer.rewrite_stale().indexed == 1
    changed = many(1)[0].model_copy(update={"revision": 2, "title": "Đổi tên"})
    writer.show(changed, never_expired)
    while writer.rewrite_stale().indexed:
        pass
    writer.close()
    assert found(tmp_path, "đổi tên") == ["tin-0"]
    assert len(found(tmp_path, "")) == 3
