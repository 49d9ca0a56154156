"""Issues whose items or days change meanwhile: one that waits for its time stays unsent."""

from datetime import UTC, date, datetime, timedelta

import pytest

from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.publications import no_seals
from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.withholding import IssueGuard, IssueWithholding
from consumers.desk.item_acts import ItemActs
from consumers.ledger.store import Ledger
from consumers.runtime.errors import RetryLater
from consumers.staff.authorization import Actor
from consumers.staff.mail.item_history import history_of
from contracts.base.times import utc_now
from contracts.bulletins import composition, editing
from contracts.bulletins.series import Span
from contracts.desk.editorial import NewItem, Order
from contracts.desk.staff_mail import StaffMailKind
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import WITHHELD
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from tests.support.bulletin_desk import PEOPLE
from tests.support.bulletin_history import SERIES, SERIES_ID
from tests.support.crashing_bus import crash_at
from tests.support.events import (
    UNIT,
    carry_out_acts,
    corrected,
    register_unit,
    released_actions,
    submitted,
    withdrawn,
)
from tests.support.pipeline_harness import PipelineHarness
from tests.support.publications import a_publication
from tests.support.services import store_publication

TOPIC = min(SERIES.topics)
HOUR = 3600.0
GRACE = 60.0


class Desk:
    """A desk and all channels; `scheduled` is a first issue that waits for its time."""

    def __init__(self, pipeline: PipelineHarness) -> None:
        self.pipeline, self.clock, self.log = pipeline, pipeline.clock, pipeline.desk.log
        items = ReleasedItems(pipeline.bus, no_seals)
        self.issues = SeriesIssues(items, self.log, DEFAULT, self.clock)
        self.guard = IssueGuard(items, Ledger(pipeline.bus), self.clock)
        self.withholding = IssueWithholding(self.guard, self.log, [SERIES.topic])
        for service in pipeline.services.values():
            service.planner.issues = self.guard
        self.acts = ItemActs(self.log, DEFAULT, self.clock)
        self.count = 0

    async def publish(self, event) -> None:
        await self.pipeline.intake.handle(event, UNIT)

    async def order(self, content_id: str, kind: ActionKind, **more) -> None:
        self.count += 1
        hash = (await self.log.read(content_id)).state.hash
        order = Order(content_id, kind, f"{self.count:032x}", hash, is_clean=True, **more)
        await self.acts.perform(order, Actor(PEOPLE.get(kind, PEOPLE[ActionKind.SUBMIT])))
        await carry_out_acts(self.pipeline.intake, content_id)

    async def begin(self, first_day: int = 1, **more: str) -> str:
        """Save a draft of an issue of all items, from that day of the month to today."""
        today = utc_now(self.clock).date()
        issue = await self.issues.propose(SERIES_ID, Span(today.replace(day=first_day), today))
        text = {**composition.new_text_of(issue, SERIES), **more}
        new = NewItem(SERIES.unit, "f" * 32, text, issue.content_id)
        await self.acts.begin(new, Actor(PEOPLE[ActionKind.SUBMIT]))
        return issue.content_id

    async def schedule(self, hours: float = 2) -> str:
        """Make and approve an issue of all items, that goes out in so many hours."""
        at = datetime.fromtimestamp(self.clock() + hours * HOUR, UTC)
        issue = await self.begin(not_before=at.isoformat())
        for kind in PEOPLE:
            await self.order(issue, kind)
        self.clock.advance(hours * HOUR + GRACE)
        return issue

    async def state(self, content_id: str):
        return (await self.log.read(content_id)).state

    async def refused_plans(self, content_id: str) -> int:
        """How many channels do not plan the issue."""
        [released] = await self.pipeline.released(content_id)
        count = 0
        for service in self.pipeline.services.values():
            try:
                await service.planner.on_publication(released)
            except RetryLater:
                count += 1
        return count

    def readers_got(self, content_id: str) -> bool:
        return any(self.pipeline.effects_of(content_id).values())


@pytest.fixture
async def desk(bus, tmp_path) -> Desk:
    await register_unit(bus)
    desk = Desk(PipelineHarness(bus, tmp_path))
    desk.clock.now = datetime(2027, 1, 15, 3, tzinfo=UTC).timestamp()
    for name in ("mot", "hai"):
        await desk.publish(submitted(name, topic=TOPIC, title=f"Tin {name}"))
    desk.clock.advance(HOUR)
    return desk


CHANGES = {
    "withdrawn": lambda: withdrawn("hai"),
    "corrected": lambda: corrected("hai", topic=TOPIC, title="Tin hai", reason="Sai ngày."),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_an_issue_with_an_item_that_changed_does_not_go_out(desk, change):
    issue = await desk.schedule()
    desk.clock.advance(-HOUR)
    await desk.publish(CHANGES[change]())
    desk.clock.advance(HOUR)
    assert await desk.refused_plans(issue) == 3
    assert await desk.withholding.withhold_due() == 1
    for _ in range(2):  # as after a kill -9 between the act and what it brings
        await carry_out_acts(desk.pipeline.intake, issue)
        assert await desk.withholding.withhold_due() == 0
    await desk.pipeline.deliver(issue, backwards=True)
    assert not desk.readers_got(issue)
    assert await released_actions(desk.pipeline.bus, issue) == ["published", "withdrawn"]


async def test_who_wrote_checked_and_approved_it_is_told_and_the_text_is_taken_up_again(desk):
    issue = await desk.schedule()
    await desk.publish(withdrawn("hai"))
    await desk.withholding.withhold_due()
    await carry_out_acts(desk.pipeline.intake, issue)
    acts = [one async for one in desk.log.acts(issue)]
    last = history_of(issue, acts)[-1]
    [notice] = last.notices
    assert (last.action.code, notice.line.kind) == (WITHHELD, StaffMailKind.WITHHELD)
    assert "(hai)" in notice.line.reason
    assert notice.people >= {PEOPLE[ActionKind.SUBMIT], PEOPLE[ActionKind.PROPOSE]}
    assert PEOPLE[ActionKind.APPROVE] in notice.people
    state = await desk.state(issue)
    assert (state.status, state.out) == (Status.WITHDRAWN, 0)
    await desk.order(issue, ActionKind.SAVE, data=state.text.data | {"title": "Bản sửa"})
    assert (await desk.state(issue)).status is Status.DRAFT


async def test_the_days_of_an_issue_that_was_kept_back_lead_to_it(desk):
    name = await desk.schedule()
    await desk.publish(withdrawn("hai"))
    await desk.withholding.withhold_due()
    await carry_out_acts(desk.pipeline.intake, name)
    span = (await desk.issues.require(name)).issue.span
    assert await desk.issues.begun_for(SERIES_ID, span) == name
    data = (await desk.state(name)).text.data
    await desk.order(name, ActionKind.SAVE, data=data | {"title": "Bản sửa"})
    assert await desk.issues.begun_for(SERIES_ID, span) == name, "as a draft again"
    for days in (span, Span(span.first_day - timedelta(days=7), span.first_day)):
        with pytest.raises(Conflict) as refused:
            await desk.issues.propose(SERIES_ID, days)
        assert name in str(refused.value)


async def test_no_issue_covers_days_before_those_of_a_smaller_number(desk):
    name = await desk.begin(first_day=14)
    for days in ((3, 6), (14, 14), (14, 15)):
        with pytest.raises(Conflict) as refused:
            await desk.issues.propose(SERIES_ID, Span(*(date(2027, 1, one) for one in days)))
        assert name in str(refused.value)


async def test_a_draft_of_the_next_text_stays_the_newest_when_the_approved_one_is_kept_back(desk):
    issue = await desk.schedule()
    data = (await desk.state(issue)).text.data
    await desk.order(issue, ActionKind.SAVE, data=data | {"title": "Bản sửa", "reason": "Sửa."})
    await desk.publish(withdrawn("hai"))
    assert await desk.withholding.withhold_due() == 1
    await carry_out_acts(desk.pipeline.intake, issue)
    assert (await desk.state(issue)).text.data["title"] == "Bản sửa"
    await desk.pipeline.deliver(issue)
    assert not desk.readers_got(issue)


@pytest.mark.parametrize("point", ["desk.release_begun", "desk.item_released", "release.stored"])
async def test_an_issue_without_a_time_is_asked_again_where_loa_died_before_its_release(
    desk, point
):
    issue = await desk.begin()
    for kind in (ActionKind.SUBMIT, ActionKind.CONFIRM, ActionKind.PROPOSE):
        await desk.order(issue, kind)
    with crash_at(point):
        await desk.order(issue, ActionKind.APPROVE)
    await desk.publish(withdrawn("hai"))
    desk.clock.advance(HOUR)
    await carry_out_acts(desk.pipeline.intake, issue)
    assert await desk.refused_plans(issue) == 3
    assert await desk.withholding.withhold_due() == 1
    await carry_out_acts(desk.pipeline.intake, issue)
    await desk.pipeline.deliver(issue, backwards=True)
    assert not desk.readers_got(issue)
    assert (await desk.state(issue)).status is Status.WITHDRAWN


async def test_an_issue_whose_items_are_as_they_were_goes_out_and_is_not_asked_again(desk):
    issue = await desk.schedule()
    assert await desk.withholding.withhold_due() == 0
    await desk.pipeline.deliver(issue)
    assert desk.readers_got(issue)
    await desk.publish(withdrawn("hai"))
    assert await desk.withholding.withhold_due() == 0
    assert await desk.refused_plans(issue) == 0


async def test_what_one_channel_has_begun_the_others_finish(desk):
    issue = await desk.schedule()
    [released] = await desk.pipeline.released(issue)
    first, *_ = desk.pipeline.services.values()
    await first.planner.on_publication(released)
    await desk.publish(withdrawn("hai"))
    assert await desk.refused_plans(issue) == await desk.withholding.withhold_due() == 0


async def test_a_new_text_of_an_issue_that_readers_have_is_not_kept_back(desk):
    """That would take the whole issue from them."""
    issue = await desk.schedule()
    await desk.pipeline.deliver(issue)
    later = datetime.fromtimestamp(desk.clock() + HOUR, UTC).isoformat()
    data = (await desk.state(issue)).text.data | {"title": "Bản sửa", "not_before": later}
    await desk.order(issue, ActionKind.SAVE, data=data | {"reason": "Sửa tiêu đề."})
    for kind in PEOPLE:
        await desk.order(issue, kind)
    await desk.publish(withdrawn("hai"))
    desk.clock.advance(HOUR + GRACE)
    assert await desk.withholding.withhold_due() == 0
    assert await released_actions(desk.pipeline.bus, issue) == ["published", "corrected"]


async def test_an_item_that_is_carried_out_after_an_issue_is_in_the_next_one(desk):
    """Loa was down between the approval of the item and its release."""
    text = {"title": "Tin ba", "body": "Nội dung.", "topic": TOPIC, "channels": ["portal"]}
    first_person = Actor(PEOPLE[ActionKind.SUBMIT])
    await desk.acts.begin(NewItem(UNIT, "e" * 32, text, "ba"), first_person)
    for number, (kind, person) in enumerate(PEOPLE.items()):
        hash = (await desk.state("ba")).hash
        order = Order("ba", kind, f"{number:032x}", hash, is_clean=True)
        await desk.acts.perform(order, Actor(person))
    desk.clock.advance(HOUR)
    first = (await desk.issues.require(await desk.schedule(0))).issue
    assert sorted(first.content_ids) == ["hai", "mot"]
    await carry_out_acts(desk.pipeline.intake, "ba")
    desk.clock.advance(48 * HOUR)
    today = utc_now(desk.clock).date()
    second = await desk.issues.propose(SERIES_ID, Span(today, today))
    assert second.content_ids == ("ba",)


@pytest.mark.parametrize("before", [{"channels": ["email"]}, {"topic": "lich-nghi-le"}])
async def test_an_item_that_a_correction_brings_to_the_series_is_in_the_next_issue(desk, before):
    await desk.publish(submitted("ba", **{"topic": TOPIC, "title": "Tin ba", **before}))
    first = (await desk.issues.require(await desk.schedule(0))).issue
    assert sorted(first.content_ids) == ["hai", "mot"]
    desk.clock.advance(24 * HOUR)
    await desk.publish(corrected("ba", topic=TOPIC, title="Tin ba", reason="Thêm nơi đăng."))
    await desk.publish(corrected("hai", topic=TOPIC, title="Tin hai", reason="Sai ngày."))
    desk.clock.advance(24 * HOUR)
    today = utc_now(desk.clock).date()
    second = await desk.issues.propose(SERIES_ID, Span(today - timedelta(1), today))
    assert [one.content_id for one in second.entries] == ["ba"]
    assert [one.content_id for one in second.amendments] == ["hai"]


async def test_an_issue_that_tells_the_withdrawal_itself_needs_no_correction(desk):
    first = await desk.schedule(0)
    await desk.publish(withdrawn("hai"))
    await desk.publish(submitted("ba", topic=TOPIC, title="Tin ba"))
    desk.clock.advance(24 * HOUR)
    today = utc_now(desk.clock).date()
    second = await desk.issues.propose(SERIES_ID, Span(today, today))
    assert [one.content_id for one in second.amendments] == ["hai"]
    more = {"topic": SERIES.topic, "bulletin": second, "body": composition.body_of(second)}
    issue = a_publication(content_id=second.content_id, **more)
    await store_publication(desk.pipeline.bus, issue)
    assert await desk.issues.telling("hai") == [first]


async def test_a_correction_keeps_what_the_editor_wrote_where_the_text_of_an_item_is_the_same(desk):
    today = utc_now(desk.clock).date()
    issue = await desk.issues.propose(SERIES_ID, Span(today, today))
    for name in ("mot", "hai"):
        issue = editing.shorten(issue, name, "Lời biên tập.")
    await desk.publish(corrected("mot", topic=TOPIC, title="Tên mới", reason="Sai tên."))
    await desk.publish(corrected("hai", topic=TOPIC, body="Nội dung mới.", reason="Sai ngày."))
    found = (await desk.issues.correction(issue)).issue
    texts = {one.content_id: (one.revision, one.text) for one in found.entries}
    assert texts == {"mot": (2, "Lời biên tập."), "hai": (2, "Nội dung mới.")}
