"""The items of the sample ministry, written and decided by its people."""

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.released import ReleasedItems
from consumers.desk.item_acts import ItemActs
from consumers.desk.text_file import read_text_file
from consumers.editorial.log import EditorialLog
from consumers.intake.draft_decisions import DraftDecisions
from consumers.seals.publications import PublicationSeals
from consumers.staff.accounts import Account
from consumers.staff.authorization import Actor
from contracts.base.times import Clock, utc_time, vietnam_time
from contracts.bulletins import composition
from contracts.bulletins.series import Span
from contracts.campaigns.composition import NewCampaign, new_text_of
from contracts.campaigns.plan import TOPIC, CampaignPlan, PlannedItem, Target
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ActionKind, Status
from contracts.text.moments import VIETNAM
from contracts.vocabulary import Vocabulary

K = ActionKind
TEXTS = Path(__file__).parents[3] / "examples" / "desk"
_FILE = Path(__file__).with_name("items.toml")
_STEP_S = 60.0
_ISSUE_DAYS = timedelta(days=6)
"""Days that the issue of the sample covers, so that it has the items released just now."""
_OFFICER, _LEADER = "nguoi-gui-tin", "lanh-dao-don-vi"
_EDITOR, _APPROVER = "bien-tap-vien", "lanh-dao-duyet"
_DONE_BY = {
    K.SAVE: _OFFICER,
    K.SUBMIT: _OFFICER,
    K.CONFIRM: _LEADER,
    K.EDIT: _EDITOR,
    K.COMMENT: _EDITOR,
    K.PROPOSE: _EDITOR,
    K.RETURN: _LEADER,
    K.REJECT: _APPROVER,
    K.APPROVE: _APPROVER,
    K.WITHDRAW: _APPROVER,
}
_SENT = (K.SUBMIT, K.CONFIRM)
_PROPOSED = (*_SENT, K.EDIT, K.PROPOSE)
_APPROVED = (*_PROPOSED, K.APPROVE)
_CHECKS = (K.CONFIRM, K.PROPOSE, K.APPROVE)
_ACTS: Mapping[Status, tuple[ActionKind, ...]] = {
    Status.DRAFT: (),
    Status.SUBMITTED: (K.SUBMIT,),
    Status.UNIT_CONFIRMED: _SENT,
    Status.IN_EDIT: (*_SENT, K.EDIT),
    Status.PENDING_APPROVAL: _PROPOSED,
    Status.SCHEDULED: _APPROVED,
    Status.PUBLISHED: _APPROVED,
    Status.CORRECTED: _APPROVED,
    Status.EXPIRED: _APPROVED,
    Status.WITHDRAWN: (*_APPROVED, K.WITHDRAW),
    Status.RETURNED: (K.SUBMIT, K.RETURN),
    Status.REJECTED: (*_PROPOSED, K.REJECT),
}
"""The acts behind the first one, by where the item is to be."""


class SampleItem(BaseModel):
    """An item, as `items.toml` says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    unit: str
    status: Status
    age_h: int = 0
    days: int = 0
    time: str = ""
    expires_in_s: int = 0
    begins_in: int = 0
    reason: str = ""
    code: str = ""
    correction: str = ""
    remark: str = ""
    paragraph: int | None = None
    campaign: bool = False
    entry: int | None = None

    def data(self, now: datetime) -> dict[str, Any]:
        """The event's data, with the times that are counted from *now*."""
        data = read_sample_text(self.text)
        if self.time:
            day = now.astimezone(VIETNAM).date() + timedelta(days=self.days)
            leaves = datetime.fromisoformat(f"{day}T{self.time}:00").replace(tzinfo=VIETNAM)
            data["not_before"] = leaves.isoformat()
        if self.expires_in_s:
            data["expires_at"] = (now + timedelta(seconds=self.expires_in_s)).isoformat()
        if self.campaign:
            data |= {"campaign": read_campaign().name, "campaign_entry": self.entry}
        if self.begins_in:
            data["interruption"] = _moved(data["interruption"], now + timedelta(self.begins_in))
        return data


def _moved(interruption: Mapping[str, Any], earliest: datetime) -> dict[str, Any]:
    """An interruption at the same time of the same day of the week, not before *earliest*."""
    times = ("begins_at", "expected_recovery_at")
    begins, ends = (datetime.fromisoformat(interruption[name]) for name in times)
    weeks = timedelta(weeks=-((begins - earliest) // timedelta(weeks=1)))
    moved = {name: (at + weeks).isoformat() for name, at in zip(times, (begins, ends), strict=True)}
    return {**interruption, **moved}


def read_sample_text(name: str) -> dict[str, Any]:
    """The data of a text of `examples/desk`."""
    return read_text_file((TEXTS / f"{name}.md").read_bytes())


def read_items() -> list[SampleItem]:
    items = tomllib.loads(_FILE.read_text("utf-8"))["items"]
    return [SampleItem.model_validate(one) for one in items]


_PLAIN = SampleItem(text="", unit="", status=Status.PUBLISHED)
"""An item whose acts say nothing."""


class SampleEntry(BaseModel):
    """A planned item of the sample campaign; `days` from today."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    days: int
    unit: str | None = None


class SampleCampaign(BaseModel):
    """The campaign, as `items.toml` says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    title: str
    introduction: str
    purpose: str
    first: int
    last: int
    partners: list[str]
    targets: list[dict[str, Any]]
    entries: list[SampleEntry]

    def data(self, today: date) -> dict[str, Any]:
        """The data of its item, with the days that are counted from *today*."""
        entries = [
            {"number": number, "title": one.title, "unit": one.unit, "day": today + _days(one.days)}
            for number, one in enumerate(self.entries, start=1)
        ]
        plan = CampaignPlan(
            purpose=self.purpose,
            first_day=today + _days(self.first),
            last_day=today + _days(self.last),
            partners=tuple(self.partners),
            entries=tuple(PlannedItem.model_validate(one) for one in entries),
            targets=tuple(Target.model_validate(one) for one in self.targets),
        )
        new = NewCampaign(self.name, self.title, TOPIC, self.introduction)
        return new_text_of(new, plan)


def _days(count: int) -> timedelta:
    return timedelta(days=count)


def read_campaign() -> SampleCampaign:
    return SampleCampaign.model_validate(tomllib.loads(_FILE.read_text("utf-8"))["campaign"])


def read_letter_titles() -> list[str]:
    """The titles of the events that become dead letters."""
    titles: list[str] = tomllib.loads(_FILE.read_text("utf-8"))["letters"]
    return titles


def read_sent_text() -> dict[str, Any]:
    """The data of the event that a unit's system sends."""
    sent: dict[str, Any] = tomllib.loads(_FILE.read_text("utf-8"))["sent"]
    return sent


@dataclass
class SampleItems:
    """Takes items through the desk, with the acts' times as they would be."""

    decisions: DraftDecisions
    vocabulary: Vocabulary
    people: Mapping[str, Account]
    clock: Clock
    now: float = field(init=False, default=0.0)

    @property
    def log(self) -> EditorialLog:
        return self.decisions.log

    @property
    def acts(self) -> ItemActs:
        return ItemActs(self.log, self.vocabulary, self._tick)

    def _tick(self) -> float:
        """The time of the next act: a minute later, and never after the present."""
        self.now = min(self.now + _STEP_S, self.clock())
        return self.now

    async def add(self, item: SampleItem) -> str:
        """Take an item to its status; returns its content_id."""
        self.now = self.clock() - item.age_h * 3600
        data = item.data(utc_time(round(self.clock())))
        new = NewItem(item.unit, secrets.token_hex(), data)
        content_id = await self.acts.begin(new, self._actor(K.SAVE))
        for kind in _ACTS[item.status]:
            await self._act(content_id, kind, item)
        if item.remark:
            await self._act(content_id, K.COMMENT, item)
        if item.correction:
            await self._correct(content_id, item)
        return content_id

    async def add_campaign(self, campaign: SampleCampaign) -> str:
        """Take the campaign to its readers; returns its content_id."""
        self.now = self.clock() + campaign.first * 86400
        data = campaign.data(vietnam_time(self.clock()).date())
        new = NewItem(campaign.unit, secrets.token_hex(), data, campaign.name)
        content_id = await self.acts.begin(new, self._actor(K.SAVE))
        for kind in _APPROVED:
            await self._act(content_id, kind, _PLAIN)
        return content_id

    async def begin_issue(self, series_id: str) -> str:
        """Begin an issue of a bulletin of the items of the last days; returns its content_id."""
        self.now = self.clock()
        issues = SeriesIssues(
            ReleasedItems(self.log.bus, self._open_seals), self.log, self.vocabulary, self.clock
        )
        today = vietnam_time(self.now).date()
        issue = await issues.propose(series_id, Span(today - _ISSUE_DAYS, today))
        series = issues.series(series_id)
        text = composition.new_text_of(issue, series)
        new = NewItem(series.unit, secrets.token_hex(), text, issue.content_id)
        return await self.acts.begin(new, self._actor(K.SAVE))

    async def _open_seals(self) -> PublicationSeals | None:
        return self.decisions.seals

    async def _act(self, content_id: str, kind: ActionKind, item: SampleItem) -> None:
        note = item.remark if kind is K.COMMENT else item.reason
        place = item.paragraph if kind is K.COMMENT else None
        says = kind in (K.COMMENT, K.RETURN, K.REJECT, K.WITHDRAW)
        order = partial(
            Order, content_id, kind, secrets.token_hex(), place=place, is_clean=kind in _CHECKS
        )
        shown = (await self.log.read(content_id)).state.hash
        code = item.code if kind is K.REJECT else ""
        await self.acts.perform(
            order(shown, note=note if says else "", code=code), self._actor(kind)
        )
        await self.decisions.carry_out(content_id)

    async def _correct(self, content_id: str, item: SampleItem) -> None:
        """Write, confirm and release the text that corrects the one that is out."""
        shown = (await self.log.read(content_id)).state.hash
        data = read_sample_text(item.correction)
        order = Order(content_id, K.SAVE, secrets.token_hex(), shown, data)
        await self.acts.perform(order, self._actor(K.SAVE))
        for kind in _APPROVED:
            await self._act(content_id, kind, item)

    def _actor(self, kind: ActionKind) -> Actor:
        account = self.people[_DONE_BY[kind]]
        return Actor(account.id, account.name, account.grants[0].role)
