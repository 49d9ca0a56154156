"""Fold an item's acts to what lists show of it. Pure.

Acts after one that contradicts those before are left out: the item is listed as broken.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from channels.portal.search.normalize import WORD, normalize_spelling, strip_marks
from contracts.campaigns.composition import plan_in
from contracts.delivery import ChannelName, Lane
from contracts.desk.deadlines import Deadline, Deadlines, Step, step_of
from contracts.desk.shown.text_times import time_of
from contracts.editorial import (
    OUT,
    Action,
    ActionKind,
    EditorialText,
    ItemState,
    Status,
    name_hash,
    state_after,
)
from contracts.editorial.action import NOT_RELEASED, RULE, UNIT_SYSTEM
from contracts.editorial.state import hashes_of, people_barred
from contracts.errors import ContractError
from contracts.text import nfc

NO_DEADLINE = 1 << 62
PARTNER = "partner"
"""The kind of facet for a unit that a campaign's plan names."""
_ON_CALENDAR = OUT | {Status.APPROVED, Status.SCHEDULED}
_ENDED = frozenset({Status.WITHDRAWN, Status.REJECTED})
_NEXT_ACTS = {
    Step.CONFIRM: ActionKind.CONFIRM,
    Step.EDIT: ActionKind.PROPOSE,
    Step.APPROVE: ActionKind.APPROVE,
}
_KEY_LENGTH = 24
_SEARCHED = ("title", "short_title", "summary", "body", "author")


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """An item after some of its acts, with what lists tell besides its state.

    `step_began`: when the newest revision came to the step that it waits for. `people`: the keys of
    those who wrote, sent or did anything. `broken`: why the first act that does not fit does not.
    `released`: the text that readers have, will have or had last.
    """

    content_id: str
    state: ItemState = field(default_factory=ItemState)
    created: datetime | None = None
    since: datetime | None = None
    step_began: datetime | None = None
    changed: datetime | None = None
    published_at: datetime | None = None
    first_shown: Mapping[ChannelName, datetime] = field(default_factory=dict)
    released: EditorialText | None = None
    people: frozenset[str] = frozenset()
    seq: int = 0
    broken: str = ""

    def after(self, action: Action, seq: int) -> "ItemHistory":
        """The item after *action*, message *seq* of the log."""
        known = replace(self, seq=seq)
        if self.broken:
            return known
        try:
            return known.moved(action, state_after(self.state, action))
        except ContractError as refused:
            return known.broken_by(refused)

    def broken_by(self, refused: ContractError) -> "ItemHistory":
        """The item, whose next act can't be read or does not fit."""
        return replace(self, broken=self.broken or refused.errors[0].message_vi)

    def moved(self, action: Action, state: ItemState) -> "ItemHistory":
        """The item in *state*, which *action* brought."""
        before = self.state
        if state is before:
            return self  # a repeat
        is_new_revision = state.revision != before.revision
        has_new_status = is_new_revision or state.status is not before.status
        has_new_step = is_new_revision or step_of(state) != step_of(before)
        return replace(
            self,
            state=state,
            created=self.created or action.at,
            since=action.at if has_new_status else self.since,
            step_began=action.at if has_new_step else self.step_began,
            changed=action.at,
            published_at=action.at if _releases(action) else self.published_at,
            first_shown=self._first_shown_after(action, before),
            released=_released(action, before, state) or self.released,
            people=self.people | _people_of(action),
        )

    def _first_shown_after(
        self, action: Action, before: ItemState
    ) -> Mapping[ChannelName, datetime]:
        """When readers first saw the item, by channel, without times that *action* came before."""
        if not _releases(action) and action.kind is not ActionKind.WITHDRAW:
            return self.first_shown
        seen = {channel: at for channel, at in self.first_shown.items() if at <= action.at}
        return {**_shown(action, before), **seen}


def _releases(action: Action) -> bool:
    """Whether readers get what *action* publishes."""
    return action.kind is ActionKind.PUBLISH and action.code != NOT_RELEASED


def _shown(action: Action, before: ItemState) -> Mapping[ChannelName, datetime]:
    """When readers see what *action* publishes, by channel; empty for another act."""
    if not _releases(action):
        return {}
    text = before.approved.get(action.revision) or before.text
    data = text.data if text else {}
    shown, names = max(action.at, time_of(data, "not_before") or action.at), _channels(data)
    return {channel: shown for channel in ChannelName if channel in names}


def _released(action: Action, before: ItemState, state: ItemState) -> EditorialText | None:
    """The text that a withdrawal would take back, where *action* changed which one that is."""
    if approved := state.approved.get(state.withdrawable):
        return approved
    if action.kind is ActionKind.PUBLISH and action.revision == state.out:
        return before.approved.get(action.revision) or before.text
    return None


def _people_of(action: Action) -> frozenset[str]:
    """The keys of the people whom an act names."""
    person = "" if action.role in (UNIT_SYSTEM, RULE) else action.by
    named = (action.text.author, action.text.submitter) if action.text else ()
    keys = {person_key(name) for name in (person, *named) if name}
    return frozenset({*keys, action.name_hash[:_KEY_LENGTH]} - {""})


class ListedText(NamedTuple):
    """Columns about a text; fields that it lacks, or that can't be read, are empty."""

    unit: str = ""
    author: str = ""
    submitter: str = ""
    title: str = ""
    summary: str = ""
    topic: str = ""
    lane: str = Lane.NORMAL.value
    language: str = ""
    channels: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None

    @classmethod
    def of(cls, whole: EditorialText | None) -> "ListedText":
        """Read a text as its event carries it; events leave out what has a default."""
        if whole is None:
            return cls()
        data = whole.data
        return cls(
            unit=whole.unit,
            author=whole.author or _line(data, "author"),
            submitter=whole.submitter or "",
            title=_line(data, "title"),
            summary=_line(data, "summary"),
            topic=_line(data, "topic"),
            lane=_line(data, "lane") or Lane.NORMAL.value,
            language=_line(data, "language") or "vi",
            channels=_channels(data),
            audiences=_names(data, "audiences"),
            not_before=time_of(data, "not_before"),
            expires_at=time_of(data, "expires_at"),
        )


class JoinedText(NamedTuple):
    """Columns about campaigns, by the text that counts: the released one, else the newest."""

    released_title: str = ""
    campaign: str = ""
    campaign_entry: int | None = None
    campaign_plan: str = ""

    @classmethod
    def of(cls, item: ItemHistory) -> "JoinedText":
        whole = item.released or item.state.text
        if whole is None:
            return cls()
        plan = _mapping(whole.data, "campaign_plan")
        return cls(
            released_title=_line(item.released.data, "title") if item.released else "",
            campaign=_line(whole.data, "campaign"),
            campaign_entry=_number(whole.data, "campaign_entry"),
            campaign_plan=json.dumps(plan, ensure_ascii=False) if plan else "",
        )


def _channels(data: Mapping[str, Any]) -> tuple[str, ...]:
    return _names(data, "channels") or tuple(name.value for name in ChannelName)


def _line(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = data.get(name)
    return value if isinstance(value, Mapping) else None


def _number(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if isinstance(value, int) else None


def _names(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name)
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()


def deadline_of(item: ItemHistory, listed: ListedText, deadlines: Deadlines) -> Deadline:
    """Until when a person has to act."""
    step, began = step_of(item.state), item.step_began
    if not step or began is None:
        return Deadline()
    return deadlines.until(step, began, listed.lane, listed.not_before)


def order_of(item: ItemHistory, deadline: Deadline) -> int:
    """The place among the most urgent; a deadline that is not known counts as passed."""
    if not step_of(item.state):
        return NO_DEADLINE
    moment = deadline.at or item.step_began
    return microseconds(moment) or 0


def day_of(item: ItemHistory, listed: ListedText) -> datetime | None:
    """The item's place on the calendar."""
    status, leaves = item.state.status, listed.not_before
    if status in _ON_CALENDAR:
        begins = (item.published_at if status in OUT else item.since) or item.since
        return max(begins, leaves) if begins and leaves else begins or leaves
    return item.published_at if status in _ENDED else leaves


def barred_people(state: ItemState) -> frozenset[str]:
    """The keys of those whom the rule of four eyes keeps from the step that the text waits for."""
    step = step_of(state)
    barred = people_barred(state, _NEXT_ACTS[step]) if step else frozenset[str]()
    found = hashes_of(state, barred) - {""}
    return frozenset(one[:_KEY_LENGTH] for one in found)


def facet(kind: str, id: str) -> str:
    """The indexed word for what a filter may ask of an item, such as its unit."""
    return f"{kind}0{id.encode().hex()}"


def facets_of(item: ItemHistory, listed: ListedText) -> list[str]:
    """The facets of an item."""
    status, step = item.state.status or "", step_of(item.state) or ""
    joined = JoinedText.of(item)
    values = [
        *(("status", status), ("step", step), ("unit", listed.unit), ("topic", listed.topic)),
        *(("lane", listed.lane), ("language", listed.language)),
        *(("campaign", joined.campaign), ("campaigns", "all" if joined.campaign_plan else "")),
        *(("channel", name) for name in listed.channels),
        *(("person", key) for key in item.people),
        *((PARTNER, unit) for unit in _partners(item)),
        *(("tells", content_id) for content_id in _told_items(item)),
    ]
    return [facet(kind, id) for kind, id in values if id]


def _partners(item: ItemHistory) -> tuple[str, ...]:
    """The units that the newest plan names: their people read the campaign."""
    plan = plan_in(item.state.text.data) if item.state.text else None
    return plan.units if plan else ()


def _told_items(item: ItemHistory) -> Iterator[str]:
    """The items of an issue that is out, and those of earlier issues that it calls corrected."""
    issue = (_mapping(item.released.data, "bulletin") if item.released else None) or {}
    for section in issue.get("sections", ()):
        yield from (entry["content_id"] for entry in section.get("entries", ()))
    corrected = (one for one in issue.get("amendments", ()) if one["change"] == "corrected")
    yield from (one["content_id"] for one in corrected)


def search_words(item: ItemHistory) -> str:
    """Every word of the text once, with its marks and without."""
    data = item.state.text.data if item.state.text else {}
    author = (item.state.text.author or "") if item.state.text else ""
    whole = " ".join((item.content_id, author, *(_line(data, name) for name in _SEARCHED)))
    words = set(WORD.findall(normalize_spelling(nfc(whole))))
    return " ".join(sorted(words | set(map(strip_marks, words))))


def person_key(name: str) -> str:
    """The form in which people are looked up, by id or name; spellings of a name are one."""
    return name_hash(name)[:_KEY_LENGTH]


def microseconds(moment: datetime | None) -> int | None:
    """Microseconds since the epoch."""
    return None if moment is None else round(moment.timestamp() * 1_000_000)
