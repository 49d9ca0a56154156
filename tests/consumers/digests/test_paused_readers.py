"""Paused readers: nothing new, but the correction or withdrawal of each text they were sent."""

import pytest

from contracts.subscriptions.subscriber import UNTIL_RESUMED

PAUSED = {"paused_until": UNTIL_RESUMED}


@pytest.mark.promise("7.2")
@pytest.mark.parametrize("action", ["corrected", "withdrawn"])
async def test_a_paused_reader_hears_of_a_change_to_what_they_were_sent(digests, action):
    digests.directory.add("an")
    await digests.release_and_plan("tin-1")
    await digests.deliver()
    digests.directory.add("an", **PAUSED)
    await digests.release_and_plan("tin-2")
    await digests.release_and_plan("tin-1", 2, action=action)
    await digests.deliver()
    assert digests.items("an") == [("tin-1", 1), ("tin-1", 2)]


async def test_a_paused_reader_who_had_the_text_in_a_digest_gets_its_correction(digests):
    digests.directory.add("an", frequency="daily")
    await digests.release_and_plan("tin-1")
    await digests.deliver_next()
    digests.directory.add("an", frequency="daily", **PAUSED)
    await digests.release_and_plan("tin-1", 2)
    await digests.deliver_next()
    assert digests.items("an") == [("tin-1", 1), ("tin-1", 2)]


async def test_an_update_is_news_and_waits_for_the_end_of_a_pause(digests):
    digests.directory.add("an")
    await digests.release_and_plan("tin-1")
    await digests.deliver()
    digests.directory.add("an", **PAUSED)
    await digests.release_and_plan("tin-1", 2, action="published")
    await digests.deliver()
    assert digests.items("an") == [("tin-1", 1)]


async def test_a_text_missed_in_a_pause_is_not_corrected(digests):
    digests.directory.add("an", **PAUSED)
    digests.directory.add("binh")
    await digests.release_and_plan("tin-1")
    await digests.deliver()
    await digests.release_and_plan("tin-1", 2)
    await digests.deliver()
    assert digests.items("an") == []
    assert digests.items("binh") == [("tin-1", 1), ("tin-1", 2)]


async def test_a_correction_of_a_missed_update_reaches_who_has_the_first_text(digests):
    digests.directory.add("an")
    await digests.release_and_plan("tin-1")
    await digests.deliver()
    digests.directory.add("an", **PAUSED)
    await digests.release_and_plan("tin-1", 2, action="published")
    await digests.deliver()
    await digests.release_and_plan("tin-1", 3)
    await digests.deliver()
    assert digests.items("an") == [("tin-1", 1), ("tin-1", 3)]
