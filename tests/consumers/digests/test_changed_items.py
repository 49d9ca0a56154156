"""Texts that change around their digest: recipients of the old text get a correction."""

import asyncio

import pytest

from tests.support.digest_pipeline import BUSY, OTHER, SATURDAY
from tests.support.scripted_channel import OK
from tests.support.waiting import until


@pytest.mark.promise("13.3")
async def test_a_correction_reaches_exactly_those_who_got_the_item_in_a_digest(digests):
    digests.directory.add("all", frequency="daily")
    digests.directory.add("one", frequency="daily", topics=[OTHER])
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai", topic=OTHER)
    await digests.deliver_next()
    await digests.release_and_plan("tin-mot", 2)
    await digests.deliver()
    assert digests.recorder.effects["all"][-1] == ("tin-mot.2", "tin-mot", 2, True)
    assert digests.items("one") == [("tin-hai", 1)]
    await digests.release_and_plan("tin-hai", 2, topic=OTHER, action="withdrawn")
    await digests.deliver()
    assert digests.items("all")[-1] == digests.items("one")[-1] == ("tin-hai", 2)
    await digests.deliver_next()
    assert [len(digests.mails(id)) for id in ("all", "one")] == [3, 2], "no item twice"


@pytest.mark.promise("13.3")
async def test_whoever_had_not_got_the_old_text_gets_the_digest_with_the_new_one(digests):
    """One of two recipients has the digest when a text changes and another one is withdrawn."""
    digests.directory.add("an", frequency="daily")
    digests.directory.add("binh", frequency="daily")
    for name in ("tin-mot", "tin-hai", "tin-ba"):
        await digests.release_and_plan(name)
    digests.recorder.answer = lambda row: OK if row.id == "an" else BUSY
    await digests.deliver_next()
    await digests.release_and_plan("tin-hai", 2, action="withdrawn")
    await digests.release_and_plan("tin-ba", 2)
    digests.recorder.answer = lambda row: OK
    await digests.repeat_until_done(digests.run_service)
    await digests.deliver()
    assert digests.items("binh") == [("tin-mot", 1), ("tin-ba", 2)]
    last = (await digests.service.store.all_issues(SATURDAY.content_id))[-1].issue
    assert [(item.content_id, item.out) for item in last.items] == [
        ("tin-mot", False), ("tin-hai", True), ("tin-ba", False),
    ]  # fmt: skip
    assert await digests.picks(last.plan) == {"binh": 0b101}
    assert digests.recorder.outdated == []
    assert digests.items("an")[3:] == [("tin-hai", 2), ("tin-ba", 2)]
    await digests.deliver_next()
    assert len(digests.mails("binh")) == 1, "the next digest has nothing new"
    assert await digests.violations() == []


@pytest.mark.promise("13.3")
async def test_a_correction_waits_for_a_digest_that_is_on_the_wire(digests):
    digests.directory.add("an", frequency="daily")
    await digests.release_and_plan("tin-mot")
    await digests.pass_days()
    digests.recorder.hold = asyncio.Event()
    sending = asyncio.create_task(digests.deliver())
    await until(lambda: digests.recorder.windows)
    second = await digests.release("tin-mot", 2)
    assert not await digests.dispatch(second)
    digests.recorder.hold.set()
    await sending
    assert await digests.dispatch(second)
    await digests.deliver()
    assert digests.items("an") == [("tin-mot", 1), ("tin-mot", 2)]
    assert digests.recorder.outdated == []


@pytest.mark.promise("13.3")
@pytest.mark.parametrize("moment", ["before it is written", "before it is planned"])
async def test_a_position_released_while_a_digest_is_cut_is_never_overlooked(digests, moment):
    """The dispatcher looks for digests before one exists, or before it is planned."""
    digests.directory.add("an", frequency="daily")
    await digests.release_and_plan("tin-mot")
    owner = digests.service.builder.store if "written" in moment else digests.service
    name = "write_cut" if "written" in moment else "plan_issue"
    real = getattr(owner, name)

    async def meanwhile(*args):
        setattr(owner, name, real)
        assert await digests.dispatch(await digests.release("tin-mot", 2))
        return await real(*args)

    setattr(owner, name, meanwhile)
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 2)]
    assert digests.mails("an") == ["digest-daily-2027-01-16.2"]
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 2)]
    assert await digests.violations() == []
