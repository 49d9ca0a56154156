"""Recipients of an issue of a bulletin, and which of its items each has had as a mail."""

import pytest

from consumers.dispatch.already_read import mark_already_read
from consumers.dispatch.audience import AudienceRow
from tests.support.bulletin_history import a_released_item, propose
from tests.support.intake_harness import IntakeHarness

IDS = ("r0000", "r0001", "r0002", "r0003")
ISSUE = propose(*(a_released_item(name) for name in ("a", "b", "c")))
"""Three items, of which the third was never planned as a mail."""


@pytest.fixture
async def harness(bus, clock) -> IntakeHarness:
    """Delivered, failed, maybe sent; and of the second item delivered to the first two."""
    found = IntakeHarness(bus, clock)
    await found.add_plan(b"dxk", item="a")
    await found.add_plan(b"dd", item="b")
    return found


async def marked(harness: IntakeHarness, after: str = "") -> dict[str, str]:
    """The letters of the items that each recipient behind *after* has had."""

    async def rows():
        for id in IDS:
            if id > after:
                yield AudienceRow(id)

    found = mark_already_read(rows(), ISSUE, harness.ledger, after)
    entries = [entry.content_id for entry in ISSUE.entries]
    return {
        row.id: "".join(name for n, name in enumerate(entries) if row.picks >> n & 1)
        async for row in found
    }


async def test_a_mail_that_arrived_or_may_have_counts_and_no_other(harness):
    expected = {"r0000": "ab", "r0001": "b", "r0002": "a", "r0003": ""}
    assert await marked(harness) == expected


async def test_a_plan_that_is_resumed_marks_the_rest_alike(harness):
    assert await marked(harness, "r0001") == {"r0002": "a", "r0003": ""}
