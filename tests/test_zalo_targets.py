"""Who a broadcast is for: the field in Zalo's codes, and what Zalo then gets."""

from dataclasses import replace

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.broadcasts import LOOK_S, OTHERS_S
from channels.zalo.sandbox.audience import meant
from channels.zalo.targets import target
from consumers.audience import ARTICLE, BROADCAST, OfficialAccount, Row
from contracts.broadcast import Broadcast
from contracts.delivery import Status
from contracts.provinces import PROVINCES
from tests.builders import a_publication
from tests.test_audience import told
from tests.zalo_house import BOTH, zalo_house
from tests.zalo_stage import a_correction, a_withdrawal, carried_through, staged


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


def wanted(**fields) -> dict[str, str]:
    return target(Broadcast(**fields))


# ---- the field in Zalo's codes --------------------------------------------------------------


def test_nothing_said_is_everybody():
    assert target(None) == {}
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


# ---- what Zalo gets -------------------------------------------------------------------------


async def test_the_broadcast_goes_to_those_who_are_meant(stage):
    world = stage.sandbox.world
    people = {"hà nội": 9, "đà nẵng": 20, "quảng nam": 34, "huế": 53}
    for name, city in people.items():
        world.record("person_set", person={"user_id": name, "follower": True, "city": city})
    item = a_publication(broadcast={"provinces": ["da-nang"], "ages": []})
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = stage.broadcasts
    assert sent.target == {"cities": "20,34"}
    assert {one.user_id for one in meant(world.people.followers(), sent.target)} == {
        "đà nẵng",
        "quảng nam",
    }


async def test_every_target_that_an_event_can_name_is_one_that_zalo_takes(stage):
    stage.rules(article_quota=1000, broadcast_quota=1000)
    fields = [
        {"ages": ["0-12", "65+"], "gender": "male", "regions": ["north", "south"]},
        {"provinces": list(PROVINCES)},
        {"ages": ["18-24"], "gender": "female", "provinces": ["hue"]},
    ]
    for number, broadcast in enumerate(fields):
        item = a_publication(content_id=f"tin-{number}", broadcast=broadcast)
        await stage.send(item)
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts) == len(fields)


async def test_a_target_is_asked_for_once_even_in_doubt(stage):
    item = a_publication(broadcast={"gender": "female"})
    await stage.send(item)
    stage.fault("oa.message", "drop_after")
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DOUBT
    assert (await stage.resolve(item, BROADCAST)).verdict is Verdict.UNKNOWN
    assert [sent.target for sent in stage.broadcasts] == [{"gender": "2"}]


# ---- an article that nobody is told of ------------------------------------------------------

QUIET = {"enabled": False}


@pytest.mark.parametrize("action", ["published", "corrected"])
@pytest.mark.parametrize("reached", [[], [ARTICLE], [ARTICLE, BROADCAST]])
def test_an_item_that_wants_no_broadcast_has_no_such_row(action, reached):
    rows = told(OfficialAccount(), reached, action=action, broadcast=QUIET)
    assert rows == [Row(ARTICLE, ARTICLE in reached)]
    assert OfficialAccount().count(a_publication(broadcast=QUIET)) == 1


def test_a_plan_of_a_quiet_item_is_complete_wherever_it_is_resumed():
    assert told(OfficialAccount(), after=ARTICLE, broadcast=QUIET) == []


@pytest.mark.parametrize("broadcast", [None, {}, {"ages": ["65+"]}])
def test_a_correction_of_what_was_broadcast_is_not_broadcast_again(broadcast):
    rows = told(OfficialAccount(), [ARTICLE, BROADCAST], action="corrected", broadcast=broadcast)
    assert rows == [Row(ARTICLE, True)]


async def test_on_the_ledger_a_quiet_item_is_an_article_alone(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        batch = await house.publish(a_publication(broadcast=QUIET))
        assert await house.finish(batch) == {ARTICLE: Status.DELIVERED}
        assert len(house.stage.visible) == 1
        assert house.stage.broadcasts == []


# ---- several articles in one broadcast ------------------------------------------------------

OTHERS = ["tin-b", "tin-c", "tin-d", "tin-e"]


def together(also=tuple(OTHERS), **changes):
    return a_publication(broadcast={"also": list(also)}, **changes)


async def out(stage, *ids: str) -> None:
    for id in ids:
        assert (await stage.send(a_publication(content_id=id))).verdict is Verdict.DELIVERED


def article_of(stage, id: str) -> str:
    return stage.notebook.note(id).article_id


async def test_up_to_five_articles_stand_in_one_broadcast_the_items_own_first(stage):
    await out(stage, *OTHERS)
    await stage.send(together())
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.DELIVERED
    [sent] = stage.broadcasts
    ids = ["lich-nghi-tet-2027", *OTHERS]
    assert sent.articles == [article_of(stage, id) for id in ids]


async def test_the_broadcast_waits_for_an_article_that_is_still_to_come(stage):
    await out(stage, "tin-b")
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    outcome = await stage.send(item, BROADCAST)
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, LOOK_S)
    assert not outcome.asked
    stage.clock.advance(outcome.after_s)
    await out(stage, "tin-c")
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert stage.broadcasts[0].articles[1:] == [article_of(stage, id) for id in ("tin-b", "tin-c")]


async def test_it_does_not_wait_for_ever_and_says_what_it_goes_without(stage):
    await out(stage, "tin-b")
    item, begun = together(["tin-b", "tin-c"]), stage.clock()
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        while (outcome := await stage.send(item, BROADCAST)).verdict is Verdict.HELD:
            stage.clock.advance(outcome.after_s)
            stage.start()
    assert outcome.verdict is Verdict.DELIVERED
    assert OTHERS_S <= stage.clock() - begun < OTHERS_S + LOOK_S
    assert len(stage.broadcasts[0].articles) == 2
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_withdrawn_item_is_not_waited_for(stage):
    await out(stage, "tin-b", "tin-c")
    await stage.send(a_withdrawal().model_copy(update={"content_id": "tin-c"}))
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 2


@pytest.mark.parametrize(
    "other", [{"unit": "bao-chi"}, {"broadcast": {"enabled": False}}], ids=["unit", "quiet"]
)
async def test_nobody_is_told_of_an_article_against_its_own_unit_s_word(stage, other):
    """Another unit's, or one that asks for no broadcast: it is not waited for, and goes without."""
    await stage.send(a_publication(content_id="tin-b", **other))
    await out(stage, "tin-c")
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    own, also = (article_of(stage, id) for id in ("lich-nghi-tet-2027", "tin-c"))
    assert stage.broadcasts[0].articles == [own, also]
    [line] = [line for line in logs if line["event"] == "zalo_broadcast_without"]
    assert line["missing"] == 1


async def test_a_correction_can_take_an_article_out_of_others_broadcasts_and_back_in(stage):
    await out(stage, "tin-b")
    for revision, enabled in ((2, False), (3, True)):
        newer = a_correction(revision, broadcast={"enabled": enabled})
        await stage.send(newer.model_copy(update={"content_id": "tin-b"}))
        item = together(["tin-b"], content_id=f"tin-{revision}")
        await stage.send(item)
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert [len(sent.articles) for sent in stage.broadcasts] == [1, 2]


async def test_an_article_of_which_no_unit_is_noted_does_not_ride_along(stage):
    """An older version wrote no unit down."""
    await out(stage, "tin-b")
    note = stage.notebook.note("tin-b")
    stage.notebook.pages["tin-b"] = replace(note, unit="").encode()
    item = together(["tin-b"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 1


async def test_an_older_text_of_another_item_is_good_enough(stage):
    await out(stage, "tin-b")
    stage.fault("article.update", "refuse", code=-248)
    newer = a_correction().model_copy(update={"content_id": "tin-b"})
    assert (await stage.send(newer)).verdict is Verdict.FAILED
    item = together(["tin-b"])
    await stage.send(item)
    assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert len(stage.broadcasts[0].articles) == 2


async def test_a_new_revision_has_its_own_patience(stage):
    item = together(["tin-b"])
    await stage.send(item)
    await stage.send(item, BROADCAST)
    stage.clock.advance(OTHERS_S + 1)
    newer = a_correction(broadcast={"also": ["tin-b"]})
    await stage.send(newer)
    assert (await stage.send(newer, BROADCAST)).verdict is Verdict.HELD


async def test_without_its_own_article_nothing_is_broadcast(stage):
    await out(stage, *OTHERS)
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.DEFERRED
    stage.fault("article.create", "refuse", code=-248)
    await stage.send(together())
    assert (await stage.send(together(), BROADCAST)).verdict is Verdict.FAILED
    assert stage.broadcasts == []


async def test_an_article_that_a_person_removed_keeps_nobody_from_the_others(stage):
    """Zalo refuses the broadcast as a whole: it surely did nothing."""
    await out(stage, "tin-b", "tin-c")
    stage.sandbox.world.record("article_removed", id=article_of(stage, "tin-b"))
    item = together(["tin-b", "tin-c"])
    await stage.send(item)
    with structlog.testing.capture_logs() as logs:
        assert (await stage.send(item, BROADCAST)).verdict is Verdict.DELIVERED
    assert [sent.articles for sent in stage.broadcasts] == [
        [article_of(stage, "lich-nghi-tet-2027")]
    ]
    assert "zalo_broadcast_without" in [line["event"] for line in logs]
    assert await stage.channel.broadcasts.quota.used() == 1


async def test_on_the_ledger_items_that_name_each_other_are_both_broadcast(bus, tmp_path, clock):
    async with zalo_house(bus, tmp_path, clock) as house:
        one = a_publication(content_id="tin-a", broadcast={"also": ["tin-b"]})
        two = a_publication(content_id="tin-b", broadcast={"also": ["tin-a"]})
        batches = [await house.publish(one), await house.publish(two)]
        for batch in batches:
            await house.visit(batch)
        assert [await house.finish(batch) for batch in batches] == [BOTH, BOTH]
        assert [len(sent.articles) for sent in house.stage.broadcasts] == [2, 2]


def test_the_longest_wait_is_far_shorter_than_a_rows_patience():
    assert OTHERS_S < 3600


async def test_carried_through_trouble_it_is_still_one_broadcast(stage):
    await out(stage, "tin-b")
    item = together(["tin-b"])
    await stage.send(item)
    stage.fault("oa.getoa", "html_before", times=2)
    assert await carried_through(stage, item, BROADCAST) is Verdict.DELIVERED
    assert len(stage.broadcasts) == 1
