"""Broadcast part of an event: its audience, by today's provinces."""

import json
import re
from typing import get_args

import pytest

from contracts import publication
from contracts.base.fields import ID_PATTERN
from contracts.content import Ages, Broadcast, Region
from contracts.testing import ContractBroken, check_event, sample
from contracts.text import slug
from contracts.vocabulary import PROVINCES
from tests.support.publications import a_publication

CITIES = {"ha-noi", "hai-phong", "hue", "da-nang", "ho-chi-minh", "can-tho"}


def said(**broadcast):
    return check_event(sample(broadcast=broadcast)).broadcast


def wrong(**broadcast):
    with pytest.raises(ContractBroken) as broken:
        said(**broadcast)
    return {error.field.removeprefix("data."): error for error in broken.value.errors}


# ---- the provinces --------------------------------------------------------------------------


def test_there_are_thirty_four_provinces_made_of_sixty_three():
    assert len(PROVINCES) == 34
    numbers = [number for province in PROVINCES.values() for number in province.zalo]
    assert sorted(numbers) == list(range(63)), "every number exactly once"


def test_an_id_is_the_name_without_its_rank_and_marks():
    for id, province in PROVINCES.items():
        rank = "Thành phố " if id in CITIES else "Tỉnh "
        assert province.name.startswith(rank)
        assert slug(province.name.removeprefix(rank)) == id
        assert re.fullmatch(ID_PATTERN, id)


def test_official_codes_are_used_once_and_in_order():
    codes = [province.code for province in PROVINCES.values()]
    assert codes == sorted(set(codes))
    assert all(len(code) == 2 and code.isdecimal() for code in codes)


# ---- the field ------------------------------------------------------------------------------


def test_a_broadcast_that_says_nothing_is_for_all():
    assert check_event(sample(broadcast=None)).broadcast is None
    assert said() == check_event(sample()).broadcast == Broadcast()
    assert Broadcast().enabled


def test_what_was_said_is_kept_and_released():
    wanted = {
        "enabled": True, "ages": ["18-24", "65+"], "gender": "female", "regions": ["north"],
        "provinces": ["da-nang", "hue"], "also": ["tin-hai", "tin-ba"],
    }  # fmt: skip
    assert json.loads(said(**wanted).model_dump_json()) == wanted
    released = a_publication(broadcast=wanted)
    assert publication.decode(publication.encode(released)).broadcast == said(**wanted)


def test_a_publication_from_before_the_field_is_read():
    old = json.loads(publication.encode(a_publication()))
    del old["data"]["broadcast"]
    assert publication.decode(json.dumps(old).encode()).broadcast is None


def test_every_word_is_taken():
    words = {"ages": get_args(Ages), "regions": get_args(Region), "provinces": tuple(PROVINCES)}
    assert said(**words).model_dump(include=set(words)) == words


@pytest.mark.parametrize("province", ["binh-duong", "ha-tay", "atlantis", "hanoi"])
def test_an_unknown_province_is_named_in_both_languages(province):
    [error] = wrong(provinces=["hue", province]).values()
    assert error.field == "data.broadcast.provinces.1"
    assert error.message.startswith(f"{province} is not a province of Vietnam")
    assert error.message_vi.startswith(f"{province} không phải tỉnh")


def test_an_item_that_names_itself_is_told_so_in_both_languages():
    mine = sample()["data"]["content_id"]
    [error] = wrong(also=["tin-hai", mine]).values()
    assert error.field == "data.broadcast"
    assert mine in error.message and mine in error.message_vi


@pytest.mark.parametrize(
    ("broadcast", "field"),
    [
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"ages": ["20"]}, "ages.0"),
        ({"ages": "18-24"}, "ages"),
        ({"ages": ["18-24", "18-24"]}, "ages"),
        ({"gender": "f"}, "gender"),
        ({"regions": ["west"]}, "regions.0"),
        ({"regions": ["north", "north"]}, "regions"),
        ({"provinces": ["Hà Nội"]}, "provinces.0"),
        ({"provinces": ["hue", "hue"]}, "provinces"),
        ({"provinces": [46]}, "provinces.0"),
        ({"also": ["a", "b", "c", "d", "e"]}, "also"),
        ({"also": ["a", "a"]}, "also"),
        ({"also": ["A b"]}, "also.0"),
        ({"cities": ["hue"]}, "cities"),
        ({"with": ["a"]}, "with"),
    ],
)
def test_a_wrong_word_is_named(broadcast, field):
    assert list(wrong(**broadcast)) == [f"broadcast.{field}"]


def test_a_broadcast_is_an_object():
    for other in ([], "all", True, 1):
        with pytest.raises(ContractBroken) as broken:
            check_event(sample(broadcast=other))
        assert [error.field for error in broken.value.errors] == ["data.broadcast"]
