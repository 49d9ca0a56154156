"""Texts that change around their digest: recipients of the old text get a correction."""

import asyncio

import pytest

from tests.support.digest_pipeline import BUSY, OTHER, SATURDAY
from tests.support.scripted_channel import OK


@pytest.mark.promise("13.3")
async def test_a_correction_reaches_exactly_those_who_got_the_item_in_a_digest(digest_pipeline):
    digest_pipeline.directory.add("all", frequency="daily")
    digest_pipeline.directory.add("one", frequency="daily", topics=[OTHER])
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.release_and_plan("tin-hai", topic=OTHER)
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    await digest_pipeline.release_and_plan("tin-mot", 2)
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.effects["all"][-1] == ("tin-mot.2", "tin-mot", 2, True)
    assert digest_pipeline.recorder.items("one") == [("tin-hai", 1)]
    await digest_pipeline.release_and_plan("tin-hai", 2, topic=OTHER, action="withdrawn")
    await digest_pipeline.deliver()
    assert (
        digest_pipeline.recorder.items("all")[-1]
        == digest_pipeline.recorder.items("one")[-1]
        == ("tin-hai", 2)
    )
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert [len(digest_pipeline.recorder.mails(id)) for id in ("all", "one")] == [3, 2], (
        "no item twice"
    )


@pytest.mark.promise("13.3")
async def test_whoever_had_not_got_the_old_text_gets_the_digest_with_the_new_one(digest_pipeline):
    """One of two recipients has the digest when a text changes and another one is withdrawn."""
    digest_pipeline.directory.add("an", frequency="daily")
    digest_pipeline.directory.add("binh", frequency="daily")
    for name in ("tin-mot", "tin-hai", "tin-ba"):
        await digest_pipeline.release_and_plan(name)
    digest_pipeline.recorder.answer = lambda row: OK if row.id == "an" else BUSY
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    await digest_pipeline.release_and_plan("tin-hai", 2, action="withdrawn")
    await digest_pipeline.release_and_plan("tin-ba", 2)
    digest_pipeline.recorder.answer = lambda row: OK
    await digest_pipeline.repeat_until_done(digest_pipeline.run_service)
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("binh") == [("tin-mot", 1), ("tin-ba", 2)]
    last = (await digest_pipeline.service.store.all_issues(SATURDAY.content_id))[-1].issue
    assert [(item.content_id, item.out) for item in last.items] == [
        ("tin-mot", False), ("tin-hai", True), ("tin-ba", False),
    ]  # fmt: skip
    assert await digest_pipeline.picks(last.plan) == {"binh": 0b101}
    assert digest_pipeline.recorder.outdated == []
    assert digest_pipeline.recorder.items("an")[3:] == [("tin-hai", 2), ("tin-ba", 2)]
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert len(digest_pipeline.recorder.mails("binh")) == 1, "the next digest has nothing new"
    assert await digest_pipeline.violations() == []


@pytest.mark.promise("13.3")
async def test_a_correction_waits_for_a_digest_that_is_on_the_wire(digest_pipeline):
    digest_pipeline.directory.add("an", frequency="daily")
    await digest_pipeline.release_and_plan("tin-mot")
    await digest_pipeline.pass_days()
    digest_pipeline.recorder.hold = asyncio.Event()
    sending = asyncio.create_task(digest_pipeline.deliver())
    while not digest_pipeline.recorder.windows:
        await asyncio.sleep(0.01)
    second = await digest_pipeline.release("tin-mot", 2)
    assert not await digest_pipeline.dispatch(second)
    digest_pipeline.recorder.hold.set()
    await sending
    assert await digest_pipeline.dispatch(second)
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 1), ("tin-mot", 2)]
    assert digest_pipeline.recorder.outdated == []


@pytest.mark.promise("13.3")
@pytest.mark.parametrize("moment", ["before it is written", "before it is planned"])
async def test_a_position_that_is_released_while_a_digest_is_cut_is_never_overlooked(
    digest_pipeline, moment
):
    """The dispatcher looks for digests before one exists, or before it is planned."""
    digest_pipeline.directory.add("an", frequency="daily")
    await digest_pipeline.release_and_plan("tin-mot")
    owner = (
        digest_pipeline.service.builder.store if "written" in moment else digest_pipeline.service
    )
    name = "write_cut" if "written" in moment else "plan_issue"
    real = getattr(owner, name)

    async def meanwhile(*args):
        setattr(owner, name, real)
        assert await digest_pipeline.dispatch(await digest_pipeline.release("tin-mot", 2))
        return await real(*args)

    setattr(owner, name, meanwhile)
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 2)]
    assert digest_pipeline.recorder.mails("an") == ["digest-daily-2027-01-16.2"]
    await digest_pipeline.pass_days()
    await digest_pipeline.deliver()
    assert digest_pipeline.recorder.items("an") == [("tin-mot", 2)]
    assert await digest_pipeline.violations() == []
