"""`loa check` names gaps and doubles among the issues of bulletins that are out."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.check.findings import load_rules
from contracts.bulletins import sequence
from contracts.bulletins.correction import TELLS_WITHDRAWN
from tests.support.bulletin_history import a_released_item, propose
from tests.support.publications import a_publication
from tests.support.services import store_publication

LATER = datetime(2200, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def publish(bus, issue, revision: int = 1, **changes) -> None:
    fields = {"content_id": issue.content_id, "revision": revision, "bulletin": issue}
    await store_publication(bus, a_publication(**fields | changes))


async def rules_broken(bus) -> list[str]:
    checker = Checker(CheckContext(bus))
    await checker.context.publications.read()
    violations = checker.wrong_issues()
    assert all(one.rule in load_rules() and one.detail for one in violations)
    return [one.rule for one in violations]


async def test_a_missing_number_is_named_until_its_issue_is_out(bus):
    first, second, third = (propose(number=n, of_week=n - 1) for n in (1, 2, 3))
    await publish(bus, first)
    await publish(bus, third)
    assert await rules_broken(bus) == [sequence.NUMBER_MISSING]
    await publish(bus, second)
    assert await rules_broken(bus) == []


@pytest.mark.parametrize("end", ["corrected", "withdrawn"])
async def test_an_item_of_two_issues_is_named_until_one_of_them_gives_it_up(bus, end):
    item = a_released_item()
    first = propose(item)
    again = propose(
        item._replace(first_shown_at=first.gathered_until + timedelta(hours=1)), number=2, of_week=1
    )
    await publish(bus, first)
    await publish(bus, again)
    assert await rules_broken(bus) == [sequence.ITEM_TWICE]
    newest = propose(number=2, of_week=1) if end == "corrected" else None
    await publish(bus, again, 2, action=end, bulletin=newest)
    assert await rules_broken(bus) == []


async def test_an_issue_that_tells_a_withdrawn_item_is_a_warning_until_it_is_corrected(bus):
    items = [a_released_item(name) for name in ("mot", "hai")]
    issue = propose(*items)
    await publish(bus, issue)
    gone = a_publication(content_id="mot", revision=2, action="withdrawn")
    await store_publication(bus, gone)
    findings = await Checker(CheckContext(bus)).run()
    [warning] = findings.warnings
    assert findings.ok and findings.violations == []
    assert (warning.rule, warning.key) == (TELLS_WITHDRAWN, issue.content_id)
    assert warning.detail == "mot" and TELLS_WITHDRAWN in load_rules()
    await publish(bus, issue, 2, action="corrected", bulletin=propose(items[1]))
    assert (await Checker(CheckContext(bus)).run()).warnings == []


async def test_no_warning_is_of_a_text_that_readers_do_not_have_yet(bus):
    """Loa itself keeps back an issue that waits; one that readers have is theirs until then."""
    second_item = a_released_item("hai", first_shown_at=propose().gathered_until + HOUR)
    first = propose(a_released_item("mot"))
    second = propose(second_item, number=2, of_week=1)
    await publish(bus, first)
    await publish(bus, first, 2, action="corrected", bulletin=propose(), not_before=LATER)
    await publish(bus, second, not_before=LATER)
    for name in ("mot", "hai"):
        gone = a_publication(content_id=name, revision=2, action="withdrawn")
        await store_publication(bus, gone)
    assert await issues_warned_of(bus, LATER - HOUR) == [first.content_id]
    assert await issues_warned_of(bus, LATER) == [second.content_id]


async def issues_warned_of(bus, at: datetime) -> list[str]:
    checker = Checker(CheckContext(bus, clock=at.timestamp))
    await checker.context.publications.read()
    return [one.key for one in checker.stale_issues()]
