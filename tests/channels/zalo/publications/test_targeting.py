"""Targeting of a broadcast: the codes, and the request that Zalo gets."""

import pytest

from channels.base import Verdict
from channels.zalo.publications.render import target_codes
from consumers.dispatch.audience import ARTICLE, BROADCAST, AudienceRow, ZaloAudience
from contracts.content import Broadcast
from contracts.delivery import Status
from contracts.vocabulary import PROVINCES
from sandbox.zalo.api.broadcast_audience import matching_people
from tests.consumers.dispatch.test_audience import told
from tests.support.publications import a_publication


def wanted(**fields) -> dict[str, str]:
    return target_codes(Broadcast(**fields))


# ---- the field in Zalo's codes --------------------------------------------------------------


def test_nothing_said_is_everybody():
    assert target_codes(None) == {}
    assert wanted() == {}
    assert wanted(gender="all") == {}


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"ages": ("0-12", "13-17", "18-24", "25-34")}, {"ages": "0,1,2,3"}),
        ({"ages": ("65+", "55-64", "45-54", "35-44")}, {"ages": "4,5,6,7"}),
        ({"gender": "male"}, {"gender": "1"}),
        ({"gender": "female"}, {"gender": "2"}),
        ({"regions": ("south", "north")}, {"locations": "0,2"}),
        ({"regions": ("central",)}, {"locations": "1"}),
        ({"provinces": ("ha-noi",)}, {"cities": "9"}),
        ({"provinces": ("da-nang",)}, {"cities": "20,34"}),
        ({"provinces": ("ho-chi-minh", "hue")}, {"cities": "4,29,49,53"}),
        ({"regions": ("north",), "provinces": ("hue",)}, {"cities": "53"}),
        (
            {"ages": ("18-24",), "gender": "female", "regions": ("south",)},
            {"ages": "2", "gender": "2", "locations": "2"},
        ),
    ],
)
def test_a_field_becomes_a_comma_separated_text(fields, codes):
    assert wanted(**fields) == codes


def test_all_provinces_are_all_of_zalos_numbers():
    assert wanted(provinces=tuple(PROVINCES)) == {"cities": ",".join(map(str, range(63)))}


# ---- the request that Zalo gets


async def test_the_broadcast_goes_to_those_who_are_meant(zalo_account):
    world = zalo_account.sandbox.world
    people = {"hà nội": 9, "đà nẵng": 20, "quảng nam": 34, "huế": 53}
    for name, city in people.items():
        world.record("person_set", person={"user_id": name, "follower": True, "city": city})
    item = a_publication(broadcast={"provinces": ["da-nang"], "ages": []})
    await zalo_account.send(item)
    assert (await zalo_account.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = zalo_account.broadcasts
    assert sent.target == {"cities": "20,34"}
    assert {one.user_id for one in matching_people(world.people.followers(), sent.target)} == {
        "đà nẵng",
        "quảng nam",
    }


# ---- an article without announcement

QUIET = {"enabled": False}


@pytest.mark.parametrize("action", ["published", "corrected"])
@pytest.mark.parametrize("reached", [[], [ARTICLE], [ARTICLE, BROADCAST]])
def test_an_item_that_wants_no_broadcast_has_no_such_row(action, reached):
    rows = told(ZaloAudience(), reached, action=action, broadcast=QUIET)
    assert rows == [AudienceRow(ARTICLE, ARTICLE in reached)]
    assert ZaloAudience().count(a_publication(broadcast=QUIET)) == 1


def test_a_plan_of_a_quiet_item_is_complete_wherever_it_is_resumed():
    assert told(ZaloAudience(), after=ARTICLE, broadcast=QUIET) == []


@pytest.mark.parametrize("broadcast", [None, {}, {"ages": ["65+"]}])
def test_a_correction_of_what_was_broadcast_is_not_broadcast_again(broadcast):
    rows = told(ZaloAudience(), [ARTICLE, BROADCAST], action="corrected", broadcast=broadcast)
    assert rows == [AudienceRow(ARTICLE, True)]


async def test_on_the_ledger_a_quiet_item_is_an_article_alone(zalo_pipeline):
    batch = await zalo_pipeline.publish(a_publication(broadcast=QUIET))
    assert await zalo_pipeline.finish(batch) == {ARTICLE: Status.DELIVERED}
    assert len(zalo_pipeline.account.visible) == 1
    assert zalo_pipeline.account.broadcasts == []
