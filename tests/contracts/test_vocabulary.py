"""Units, topics and audiences are data: whole defaults, and checks of an operator's file."""

from datetime import date

import pytest

from contracts.errors import ContractError, Invalid, Unreadable
from contracts.text import slug
from contracts.vocabulary import DEFAULT, Vocabulary

SMALL = """
[units.phong-a]
name = "Phòng A"
english = "Room A"
formerly = [{ id = "phong-cu", name = "Phòng cũ", until = 2026-01-31 }]

[topics.tin]
name = "Tin"
english = "News"

[audiences.moi-nguoi]
name = "Mọi người"
english = "Everybody"
"""


def test_ids_are_made_from_the_names_by_one_rule():
    assert all(slug(unit.name) == unit_id for unit_id, unit in DEFAULT.units.items())
    renamed = {"cong-dan": "Người dân"}  # the id of the first name stays
    named = {id: audience.name for id, audience in DEFAULT.audiences.items()}
    assert all(name == renamed.get(id, name) for id, name in named.items())
    assert all(slug(name) == id for id, name in named.items() if id not in renamed)


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2023, 3, 29), "Trung tâm Thông tin"),
        (date(2025, 2, 28), "Trung tâm Thông tin"),
        (date(2025, 3, 1), "Trung tâm Công nghệ thông tin"),
        (date(2026, 11, 24), "Trung tâm Công nghệ thông tin"),
    ],
)
def test_a_unit_is_called_what_it_was_called_then(day, name):
    assert DEFAULT.unit("trung-tam-cong-nghe-thong-tin").name_at(day) == name
    assert DEFAULT.unit("trung-tam-thong-tin").name_at(day) == name


def test_several_former_names_each_have_their_time():
    two = SMALL.replace("formerly = [", 'formerly = [{ name = "Ban A", until = 2020-12-31 }, ')
    unit = Vocabulary.parse(two).unit("phong-a")
    names = [unit.name_at(date(year, 6, 1)) for year in (2019, 2024, 2026)]
    assert names == ["Ban A", "Phòng cũ", "Phòng A"]


@pytest.mark.parametrize(
    ("kind", "word", "known"),
    [
        ("unit", "van-phong-bo", True),
        ("unit", "trung-tam-thong-tin", False),
        ("unit", "thanh-tra-bo", False),
        ("unit", "khong-co", False),
        ("topic", "chuyen-doi-so", True),
        ("topic", "van-phong-bo", False),
        ("audience", "can-bo", True),
        ("audience", "cbcc", False),
    ],
)
def test_only_present_words_may_be_used(kind, word, known):
    assert DEFAULT.knows(kind, word) is known


def test_an_ended_unit_can_still_be_read():
    assert DEFAULT.unit("thanh-tra-bo").name == "Thanh tra Bộ"
    with pytest.raises(KeyError):
        DEFAULT.unit("khong-co")


def test_an_operators_file_replaces_everything():
    own = Vocabulary.parse(SMALL)
    assert own.knows("unit", "phong-a")
    assert own.aliases == {"phong-cu": "phong-a"}
    assert not own.knows("topic", "chuyen-doi-so")


@pytest.mark.parametrize(
    ("old", "new", "kind", "field"),
    [
        ("[topics.tin]", "[topics.tin", Unreadable, "vocabulary"),
        ("[topics.tin]", "[topics.Tin]", Invalid, "topics.Tin"),
        ('name = "Tin"', 'name = ""', Invalid, "topics.tin.name"),
        ('english = "News"', "", Invalid, "topics.tin.english"),
        ('english = "News"', 'english = "News"\nkind = "big"', Invalid, "topics.tin.kind"),
        ("2026-01-31", '"hôm qua"', Invalid, "units.phong-a.formerly.0.until"),
        ('id = "phong-cu"', 'id = "phong-a"', Invalid, "event"),
        ("[audiences.moi-nguoi]", "[others.moi-nguoi]", Invalid, "audiences"),
    ],
)
def test_a_broken_file_is_refused_and_the_entry_named(old, new, kind, field):
    assert old in SMALL
    with pytest.raises(ContractError) as caught:
        Vocabulary.parse(SMALL.replace(old, new))
    assert type(caught.value) is kind
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize("kind", ["topics", "audiences", "units"])
@pytest.mark.parametrize("word", ["chuyen-de-tet", "tap-chi"])
def test_no_word_has_an_address_of_campaigns_or_the_id_of_a_series(kind, word):
    series = """
[bulletins.tap-chi]
name = "Tạp chí"
english = "Journal"
unit = "phong-a"
topic = "so-tap-chi"
sections.mot = { name = "Mục một", topics = ["tin"] }
[topics.so-tap-chi]
name = "Các số"
english = "Issues"
"""
    Vocabulary.parse(SMALL + series)
    entry = f'\n[{kind}.{word}]\nname = "Tên"\nenglish = "Name"\n'
    with pytest.raises(Invalid) as refused:
        Vocabulary.parse(SMALL + series + entry)
    [error] = refused.value.errors
    assert word in error.message and word in error.message_vi
