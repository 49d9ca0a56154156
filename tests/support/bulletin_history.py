"""A ministry that releases, corrects and withdraws items, and a desk that makes issues of them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

from contracts.bulletins import editing, proposal, sequence
from contracts.bulletins.issue import BulletinIssue, PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN, NewIssue, ReleasedItem
from contracts.bulletins.series import Series, Span
from contracts.vocabulary import DEFAULT

SERIES_ID, SERIES = next(iter(DEFAULT.bulletins.items()))
TOPICS = sorted(SERIES.topics)
MONDAY = date(2026, 9, 28)
BEGIN = datetime(2026, 9, 27, 17, tzinfo=UTC)
"""Midnight of that Monday in Vietnam."""
_WEEK, _HOUR = timedelta(days=7), timedelta(hours=1)


def week(number: int) -> Span:
    """The days of a week, counted from 0."""
    monday = MONDAY + number * _WEEK
    return Span(monday, monday + 6 * timedelta(days=1))


def a_released_item(content_id: str = "tin-1", **changes) -> ReleasedItem:
    known = ReleasedItem(
        content_id=content_id,
        revision=1,
        topic=TOPICS[0],
        title=f"Tin {content_id}",
        text="Nội dung tóm tắt.",
        action="published",
        first_shown_at=BEGIN + _HOUR,
    )
    return known._replace(**changes)


def new_issue(number: int = 1, of_week: int = 0, series: Series = SERIES) -> NewIssue:
    return NewIssue(SERIES_ID, series, number, week(of_week))


def propose(*items: ReleasedItem, earlier=(), number: int = 1, of_week: int = 0) -> BulletinIssue:
    """The proposal of a week, a day after it ended; *earlier* issues are out."""
    before = [PublishedIssue(issue.content_id, issue) for issue in earlier]
    released = {item.content_id: item for item in items}
    now = BEGIN + (of_week + 1) * _WEEK + 24 * _HOUR
    return proposal.propose(new_issue(number, of_week), before, released, now)


@dataclass
class BulletinHistory:
    """Weeks of random work; each week ends with an issue, which is late or early at random.

    What is withdrawn stays so: an item that comes back is one that people add.
    """

    chance: Random
    released: dict[str, ReleasedItem] = field(default_factory=dict)
    published: list[PublishedIssue] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    now: datetime = BEGIN

    @property
    def out(self) -> list[BulletinIssue]:
        return [one.issue for one in self.published if one.is_out]

    def run(self, weeks: int) -> None:
        for number in range(weeks):
            end = BEGIN + (number + 1) * _WEEK + self.chance.choice((-30, -2, 1, 50)) * _HOUR
            while self.now < end:
                self.step()
            self.make_issue(number)

    def step(self) -> None:
        self.now += timedelta(minutes=self.chance.randint(1, 900))
        known = self.chance.choice([None, *self.released])
        if known and self.chance.random() < 0.25:
            self.change(self.released[known])
        else:
            item = a_released_item(f"tin-{len(self.released)}", first_shown_at=self.now)
            topic = self.chance.choice((*TOPICS, "lich-nghi-le"))
            self.released[item.content_id] = item._replace(topic=topic)

    def change(self, item: ReleasedItem) -> None:
        if item.action == WITHDRAWN:
            return
        action = self.chance.choice(("corrected", "corrected", WITHDRAWN))
        changed = item._replace(revision=item.revision + 1, action=action, reason="Ghi sai ngày.")
        self.released[item.content_id] = changed

    def make_issue(self, of_week: int) -> None:
        new = new_issue(sequence.next_number(one.issue.number for one in self.published), of_week)
        issue = proposal.propose(new, self.published, self.released, self.now)
        for content_id in [*issue.content_ids]:
            issue = self.edited(issue, content_id)
        is_out = self.chance.random() < 0.9
        self.published.append(PublishedIssue(issue.content_id, issue, is_out))

    def edited(self, issue: BulletinIssue, content_id: str) -> BulletinIssue:
        is_entry = content_id in {one.content_id for one in issue.entries}
        if is_entry and self.chance.random() < 0.1:
            self.dropped.add(content_id)
            return editing.drop(issue, content_id)
        if is_entry and self.chance.random() < 0.3:
            return editing.move(issue, content_id, self.chance.choice((editing.UP, editing.DOWN)))
        return issue
