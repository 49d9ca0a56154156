"""The search index against a plain scan: same matches, in the documented order."""

import sqlite3
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.portal.search import index as module
from channels.portal.search.index import (
    MATCHES_MAX,
    DocumentFacts,
    SearchDocument,
    SearchIndex,
    open_search_index,
)
from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from channels.portal.search.query import EVERY_AUDIENCE, parse_query
from contracts.text.moments import VIETNAM

DAY = datetime(2026, 11, 2, 9, tzinfo=VIETNAM)
VOCABULARY = ("hòa", "hoà", "hoa", "nghỉ", "nghi", "tết", "Tết", "lương", "mới", "276/2026/NĐ-CP")


def a_paper(number=0, title="Nghỉ Tết", text="Lịch nghỉ", topic="lich", unit="vp", at=DAY, **facts):
    facts = DocumentFacts(title, topic, unit, "vi", at.isoformat(), **facts)
    return SearchDocument(f"tin-{number}", int(at.timestamp() * 1_000_000), facts, text)


def new_index(file, papers=()):
    made = SearchIndex(file)
    made.create_tables()
    made.put(papers)
    return made


@pytest.fixture
def catalogue(tmp_path):
    made = new_index(tmp_path / "search.sqlite")
    yield made
    made.close()


def ids(catalogue, **asked):
    found = catalogue.search(parse_query(asked))
    return [paper.content_id for paper in catalogue.documents(found.places)]


def test_a_word_is_found_with_marks_and_without(catalogue):
    catalogue.put([a_paper(1, text="Lễ ở Hoà Bình"), a_paper(2, "Hoa", "một bông hoa")])
    assert ids(catalogue, q="hòa") == ids(catalogue, q="HOÀ") == ["tin-1"]
    assert sorted(ids(catalogue, q="hoa")) == ["tin-1", "tin-2"]


def test_marks_that_nobody_wrote_do_not_count_and_the_answer_says_so(catalogue):
    catalogue.put([a_paper(1, "Nghi thức", "mới")])
    found = catalogue.search(parse_query({"q": "nghỉ thức"}))
    assert found.loose
    assert len(found.places) == 1


def test_a_phrase_in_the_title_comes_before_one_in_the_text_before_scattered_words(catalogue):
    texts = [
        ("Cải cách hành chính", "x"),
        ("Khác", "về cải cách hành chính"),
        ("Khác", "hành động và cải tiến, chính sách cách mới"),
    ]
    newer = [DAY + timedelta(hours=hours) for hours in range(4)]
    catalogue.put(a_paper(n, *text, at=newer[n]) for n, text in enumerate(texts, 1))
    assert ids(catalogue, q="cai cach hanh chinh") == ["tin-1", "tin-2", "tin-3"]
    assert ids(catalogue, q="cai cach hanh chinh", xep="moi") == ["tin-3", "tin-2", "tin-1"]


def test_topic_unit_and_days_narrow_it(catalogue):
    for n in range(4):
        day = DAY + timedelta(days=n)
        catalogue.put([a_paper(n, topic="st"[n % 2], unit=f"u-{n // 2}", at=day)])
    assert ids(catalogue, q="tet", **{"chu-de": "t"}) == ["tin-3", "tin-1"]
    assert ids(catalogue, **{"chu-de": "t", "don-vi": "u-0"}) == ["tin-1"]
    assert ids(catalogue, tu="2026-11-03", den="2026-11-04") == ["tin-2", "tin-1"]
    assert ids(catalogue, q="tet", den="02/11/2026") == ["tin-0"]


def test_an_item_is_found_by_each_topic_on_whose_shelf_it_stands(catalogue):
    catalogue.put([a_paper(1, topic="t"), a_paper(2, topic="t", shelves=["s"]), a_paper(3)])
    assert ids(catalogue, **{"chu-de": "s"}) == ["tin-2"]
    assert sorted(ids(catalogue, **{"chu-de": "t"})) == ["tin-1", "tin-2"]
    catalogue.remove(["tin-2"])
    assert ids(catalogue, **{"chu-de": "s"}) == []


def test_an_item_for_everybody_is_found_by_every_audience(catalogue):
    catalogue.put([a_paper(1, audiences=[EVERY_AUDIENCE]), a_paper(3, audiences=["z"])])
    catalogue.put([a_paper(2, audiences=["x", "y"], topic="t")])
    assert sorted(ids(catalogue, **{"doi-tuong": "y"})) == ["tin-1", "tin-2"]
    assert sorted(ids(catalogue, q="nghi tet", **{"doi-tuong": "z"})) == ["tin-1", "tin-3"]
    assert ids(catalogue, **{"doi-tuong": "y", "chu-de": "t"}) == ["tin-2"]


def test_items_of_one_moment_are_all_kept(catalogue):
    catalogue.put([a_paper(number) for number in range(5)])
    assert len(ids(catalogue, q="nghi")) == 5


def test_a_new_text_takes_the_place_of_the_old_one_until_it_is_dropped(catalogue):
    catalogue.put([a_paper(1, text="cũ kỹ"), a_paper(2)])
    catalogue.put([a_paper(1, text="mới mẻ")])
    assert ids(catalogue, q="cũ") == []
    assert ids(catalogue, q="mẻ") == ["tin-1"]
    catalogue.remove(["tin-1", "tin-9"])
    assert ids(catalogue, q="nghỉ") == ids(catalogue, tu="2026-01-01") == ["tin-2"]


def test_more_than_anybody_reads_is_cut_off_and_said(catalogue):
    with catalogue.transaction():
        catalogue.put(a_paper(n, at=DAY + timedelta(seconds=n)) for n in range(MATCHES_MAX + 5))
    found = catalogue.search(parse_query({"q": "nghỉ"}))
    assert found.more
    assert len(found.places) == MATCHES_MAX
    assert catalogue.documents(found.places[:1])[0].content_id == f"tin-{MATCHES_MAX + 4}"


def test_a_broken_transaction_leaves_nothing(catalogue):
    with pytest.raises(RuntimeError), catalogue.transaction():
        catalogue.put([a_paper(1)])
        raise RuntimeError
    assert ids(catalogue, q="nghỉ") == []


def test_a_reader_sees_what_is_written_and_writes_nothing(tmp_path, catalogue):
    catalogue.put([a_paper(1)])
    with open_search_index(tmp_path / "search.sqlite") as look:
        assert ids(look, q="nghỉ") == ["tin-1"]
        with pytest.raises(sqlite3.OperationalError):
            look.put([a_paper(2)])


def test_a_catalogue_that_is_not_there_is_not_made_by_a_reader(tmp_path):
    with pytest.raises(sqlite3.OperationalError), open_search_index(tmp_path / "none.sqlite"):
        pass
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("q", ["a AND b", "NEAR(a b)", "title:x", "a*", '"a', "(a", "^a", "a'; --"])
def test_a_search_engines_own_signs_are_words_or_nothing(catalogue, q):
    catalogue.put([a_paper(1, "a and b near title x")])
    assert isinstance(ids(catalogue, q=q), list)


class StepCounter:
    """A connection that records the step limits of its searches."""

    def __init__(self, db):
        self.db, self.steps = db, 0

    def __getattr__(self, name):
        return getattr(self.db, name)

    def set_progress_handler(self, handler, steps):
        def counted():
            self.steps += steps
            return handler()

        self.db.set_progress_handler(handler and counted, steps)


def full_of(catalogue, count, phrase_at=()):
    """Every item has every word; only some have the phrase `hành chính`."""
    with catalogue.transaction():
        for n in range(count):
            text = "hành và chính " * 300
            title = "Hành chính" if n in phrase_at else f"Tin {n}"
            catalogue.put([a_paper(n, title, text, at=DAY + timedelta(seconds=n))])


def test_where_every_item_holds_every_word_a_search_does_not_take_longer(catalogue, monkeypatch):
    monkeypatch.setattr(module, "PHRASE_STEPS", 100)
    monkeypatch.setattr(module, "STEPS_PER_CALL", 10)
    taken = []
    for count in (50, 200):
        catalogue.create_tables()
        full_of(catalogue, count)
        catalogue._db = counted = StepCounter(catalogue._db)
        assert len(ids(catalogue, q="hành chính")) == count
        taken.append(counted.steps)
        catalogue._db = counted.db
    few, many = taken
    assert few <= many <= 2 * (100 + 2 * 10), "title and text"
    monkeypatch.setattr(module, "PHRASE_STEPS", 1 << 30)
    catalogue._db = counted = StepCounter(catalogue._db)
    ids(catalogue, q="hành chính")
    assert counted.steps > 2 * many, "what it would have taken"


def test_a_phrase_that_is_not_reached_in_time_stands_among_the_rest(catalogue, monkeypatch):
    full_of(catalogue, 200, phrase_at={5, 195})
    monkeypatch.setattr(module, "STEPS_PER_CALL", 1)
    first = []
    for steps in (*range(60, 600, 4), 1 << 30):
        monkeypatch.setattr(module, "PHRASE_STEPS", steps)
        found = ids(catalogue, q="hành chính")
        assert len({*found}) == 200
        first.append(found[:2])
    seen = ["tin-199 tin-198", "tin-195 tin-199", "tin-195 tin-5"]
    assert [*dict.fromkeys(map(" ".join, first))] == seen


texts = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join)
asked = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3).map(" ".join)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(items=st.lists(st.tuples(texts, texts), max_size=8), q=asked)
def test_it_finds_what_plain_reading_finds(catalogue, items, q):
    catalogue.create_tables()
    minutes = [DAY + timedelta(minutes=n) for n in range(len(items))]
    with catalogue.transaction():
        catalogue.put(a_paper(n, *both, at=minutes[n]) for n, both in enumerate(items))
    found = catalogue.search(parse_query({"q": q}))
    assert ids(catalogue, q=q) == read_through(items, parse_query({"q": q}), loosely=found.loose)
    if found.loose:
        assert read_through(items, parse_query({"q": q}), loosely=False) == []


def read_through(items, question, *, loosely):
    """The documented order: title phrase, any phrase, all words; newest first in each."""
    phrase = tuple(map(strip_marks, question.words)) if loosely else question.words
    form = spelled if question.has_marks and not loosely else plainly
    ranks = []
    for n, (title, text) in enumerate(items):
        every = {*spelled(title), *spelled(text), *plainly(title), *plainly(text)}
        if has(form(title), phrase):
            ranks.append((0, -n))
        elif has(form(text), phrase):
            ranks.append((1, -n))
        elif every.issuperset(phrase):
            ranks.append((2, -n))
    return [f"tin-{-n}" for _, n in sorted(ranks)]


def spelled(text):
    return tuple(WORD.findall(normalize_spelling(text)))


def plainly(text):
    return tuple(map(strip_marks, spelled(text)))


def has(words, phrase):
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))
