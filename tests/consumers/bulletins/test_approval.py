"""An issue on its way to readers: each item once and as it is now, no number left out."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.bulletins.approval import check_issue
from consumers.bulletins.publications import no_seals
from consumers.bulletins.released import ReleasedItems
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue
from contracts.errors import Invalid
from tests.support.bulletin_history import SERIES, a_released_item, propose
from tests.support.publications import a_publication
from tests.support.services import store_publication

NOW = datetime(2026, 12, 21, tzinfo=UTC)


async def store(bus, content_id: str, revision: int = 1, **more) -> None:
    known = {"content_id": content_id, "revision": revision, "topic": "chuyen-doi-so"}
    await store_publication(bus, a_publication(**known | more))


@pytest.fixture
async def items(bus) -> ReleasedItems:
    """Three items, and an issue with the first of them that is out."""
    for name in ("mot", "hai", "ba"):
        await store(bus, name)
    issue = an_issue(1, "mot")
    more = {"topic": SERIES.topic, "bulletin": issue, "body": composition.body_of(issue)}
    await store(bus, issue.content_id, **more)
    return ReleasedItems(bus, no_seals)


def an_issue(number: int, *names: str, week: int | None = None) -> BulletinIssue:
    """The issue of a number, of that week or of another."""
    issue = propose(*map(a_released_item, names), number=number)
    after = timedelta(weeks=(week or number) - 1)
    days = {"first_day": issue.first_day + after, "last_day": issue.last_day + after}
    return issue.model_copy(update=days)


async def refused(
    items: ReleasedItems, issue: BulletinIssue, *, is_approval: bool, at: datetime = NOW
) -> list[str]:
    """Errors that the issue is refused for, each in both languages."""
    try:
        data = {"topic": SERIES.topic, "bulletin": issue.model_dump(mode="json")}
        await check_issue(items, data, at, is_approval=is_approval)
    except Invalid as found:
        assert all(one.message_vi != one.message for one in found.errors)
        return [one.message for one in found.errors]
    return []


async def test_an_item_goes_out_in_one_issue(items):
    for is_approval in (False, True):
        assert await refused(items, an_issue(2, "hai", "ba"), is_approval=is_approval) == []
        [error] = await refused(items, an_issue(2, "mot", "hai"), is_approval=is_approval)
        assert "(mot)" in error and an_issue(1).content_id in error


async def test_an_issue_without_any_item_does_not_go_out(items):
    for is_approval in (False, True):
        [error] = await refused(items, an_issue(2), is_approval=is_approval)
        assert "no item" in error


async def test_the_numbers_of_a_year_go_out_in_their_order(items):
    [error] = await refused(items, an_issue(3, "hai"), is_approval=True)
    assert "number 2" in error
    assert await refused(items, an_issue(3, "hai"), is_approval=False) == []


async def test_each_day_is_in_one_issue_and_none_is_still_to_come(items):
    for is_approval in (False, True):
        [error] = await refused(items, an_issue(2, "hai", week=1), is_approval=is_approval)
        assert an_issue(1).content_id in error
        [error] = await refused(items, an_issue(2, "hai", week=13), is_approval=is_approval)
        assert "still to come" in error
        [error] = await refused(items, an_issue(2, "hai", week=-1), is_approval=is_approval)
        assert an_issue(1).content_id in error and "wrong side" in error


async def test_the_days_of_a_withdrawn_issue_may_be_those_of_another(bus, items):
    more = {"topic": SERIES.topic, "action": "withdrawn", "body": "", "reason": "Sai."}
    await store(bus, an_issue(1).content_id, 2, **more)
    for is_approval in (False, True):
        assert await refused(items, an_issue(2, "hai", week=1), is_approval=is_approval) == []


async def test_an_issue_that_is_out_may_be_corrected(items):
    assert await refused(items, an_issue(1, "mot", "hai"), is_approval=True) == []


async def test_what_was_corrected_or_withdrawn_since_is_named(bus, items):
    await store(bus, "hai", 2, action="corrected", reason="Sai.")
    await store(bus, "ba", 2, action="withdrawn", body="", reason="Gỡ.", topic="lich-nghi-le")
    for is_approval in (False, True):
        issue = an_issue(2, "hai", "ba", "khong-co")
        errors = await refused(items, issue, is_approval=is_approval)
        found = [("corrected" in one, "withdrawn" in one) for one in sorted(errors)]
        assert found == [(False, True), (True, False), (False, True)]


async def test_an_item_that_expires_before_an_issue_is_out_is_named(bus, items):
    await store(bus, "het-han", expires_at=NOW + timedelta(days=1))
    for at, count in ((NOW, 0), (NOW + timedelta(days=1), 1)):
        errors = await refused(items, an_issue(2, "hai", "het-han"), is_approval=True, at=at)
        assert [("(het-han)" in one, "expired" in one) for one in errors] == count * [(True, True)]


async def test_an_issue_that_is_out_keeps_items_that_expired(bus, items):
    await store(bus, "het-han", expires_at=NOW - timedelta(days=1))
    assert await refused(items, an_issue(1, "mot", "het-han"), is_approval=True) == []


async def test_what_is_to_be_corrected_before_the_issue_goes_out_is_named(bus, items):
    later = NOW + timedelta(days=2)
    await store(bus, "hai", 2, action="corrected", reason="Sai.", not_before=later)
    for at, count in ((NOW, 0), (later, 1)):
        errors = await refused(items, an_issue(2, "hai"), is_approval=True, at=at)
        assert len(errors) == count
