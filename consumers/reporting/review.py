"""Review of a draft: its content, its effect, and its changes to the released text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Any, Literal, NamedTuple

from consumers.editorial.internal_change import is_internal
from consumers.editorial.log import EditorialLog
from consumers.intake import item_log, items
from consumers.intake.approval import Draft, draft_of
from consumers.intake.draft_decisions import find_draft
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.reporting.preview import PublicationFinder
from contracts import events, keys
from contracts.content import Content
from contracts.delivery import ChannelName
from contracts.desk.shown.readership import Readership, readership_of
from contracts.desk.shown.status import shown_status_of
from contracts.editorial import Action as EditorialAct
from contracts.editorial import ItemState, Status
from contracts.errors import WHOLE_EVENT, Bilingual, Invalid, NotFound
from contracts.publication import Action, Publication
from producers.bus import Bus

_IDENTITY_FIELDS = frozenset({"content_id", "revision"})
_FIELDS = [name for name in Content.model_fields if name not in _IDENTITY_FIELDS]
EffectKind = Literal["new", "correction", "text", "internal", "return"]
_EFFECT_TEXTS: dict[EffectKind, str] = {
    "new": "draft_new",
    "correction": "draft_correction",
    "text": "draft_text",
    "internal": "draft_internal",
    "return": "draft_return",
}


class DraftEffect(NamedTuple):
    """The effect of a draft's approval, and the released revision that it changes."""

    kind: EffectKind
    revision: int = 0

    @property
    def text(self) -> Bilingual:
        error = field_error(WHOLE_EVENT, _EFFECT_TEXTS[self.kind], of=self.revision)
        return Bilingual(error.message, error.message_vi)


class ReviewAnswer(Draft):
    """A draft, and what it changes of the released text, *against* its revision."""

    what: EffectKind
    action: Action
    against: int | None
    changes: list[str]
    status: Status | None = None
    readers: Readership | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A draft, the publication that its approval would make, and the text that readers have now."""

    draft: Draft
    proposed: Publication
    released: Publication | None
    effect: DraftEffect
    status: Status | None
    is_on_portal: bool
    """Whether the portal shows the item now."""

    @property
    def changes(self) -> list[str]:
        """A unified diff to the released text; empty without one."""
        if self.released is None:
            return []
        old, new = self.released, self.proposed
        texts = (list(content_lines(old)), list(content_lines(new)))
        return list(unified_diff(*texts, old.key, new.key, lineterm=""))

    @property
    def answer(self) -> ReviewAnswer:
        """The review as `loa desk show --json` prints it."""
        return ReviewAnswer(
            **self.draft.model_dump(),
            what=self.effect.kind,
            action=self.proposed.action,
            against=self.released.revision if self.released else None,
            changes=self.changes,
            status=self.status,
        )


async def review_draft(bus: Bus, content_id: str, revision: int | None = None) -> Review:
    """Review a draft: the newest of its item, or that of *revision*.

    Raises Invalid if there is none, Conflict for an item whose acts contradict each other.
    """
    now = datetime.now(UTC)
    finder = PublicationFinder(bus, now)
    item = await finder.repository.item(content_id)
    number = revision or max(item.waiting if item else (), default=0)
    key = keys.publication_key(content_id, number)
    draft = await find_draft(bus, content_id, number) if number else None
    if item is None or draft is None:
        raise Invalid(field_error("content_id", "not_waiting", value=key if number else content_id))
    text = await finder.draft_publication(item, content_id, number)
    released = await newest_text(finder, item, content_id)
    is_shown = items.is_visible(item, now) and ChannelName.PORTAL in item.reached
    status = (await item_log.read(EditorialLog(bus), content_id)).status
    effect = _draft_effect(draft, item, now, is_internal=await _is_internal(bus, draft))
    return Review(draft, text, released, effect, status, is_shown)


async def read_text(bus: Bus, content_id: str, hash: str = "") -> ReviewAnswer:
    """A text that an item has had, else its newest one, beside the text that is out.

    Raises Invalid for an unknown item, NotFound for an unknown text, Conflict for an item whose
    acts contradict each other.
    """
    state, acts = await EditorialLog(bus).history(content_id)
    if state.text is None or state.last_change is None:
        raise Invalid(field_error("content_id", "not_waiting", value=content_id))
    is_newest, now = hash in ("", state.hash), datetime.now(UTC)
    draft = draft_of(content_id, state.revision, state.text, state.last_change.at)
    if not is_newest:
        draft = _earlier_draft(content_id, hash, acts)
    item = await ItemRepository(bus).item(content_id) or Item(unit=draft.unit)
    texts = {act.hash: act.text.data for act in acts if act.text}
    out = texts.get(state.published.get(state.out, ""), {})
    is_newer = bool(out) and state.out < draft.revision
    changes = unified_diff([*data_lines(out)], [*data_lines(draft.data)], lineterm="")
    return ReviewAnswer(
        **draft.model_dump(),
        what=_draft_effect(draft, item, now, is_internal=await _is_internal(bus, draft)).kind,
        action="corrected" if draft.type == events.CORRECTED else "published",
        against=state.out if is_newer else None,
        changes=[*changes] if is_newer else [],
        status=_status_now(state, now) if is_newest else None,
        readers=readership_of(state, acts, now),
    )


def _status_now(state: ItemState, now: datetime) -> Status:
    """The status of the newest text, with that text's own times."""
    data = state.text.data if state.text else {}
    return shown_status_of(state.status or Status.DRAFT, data, now)


def _earlier_draft(content_id: str, hash: str, acts: Sequence[EditorialAct]) -> Draft:
    """The text of *hash* as an act brought it last. Raises NotFound."""
    for act in reversed(acts):
        if act.text and act.hash == hash:
            return draft_of(content_id, act.revision, act.text, act.at)
    raise NotFound(field_error("hash", "text_unknown", value=hash))


async def _is_internal(bus: Bus, draft: Draft) -> bool:
    return await is_internal(bus, draft.content_id, draft.revision, draft.data)


def _draft_effect(draft: Draft, item: Item, now: datetime, *, is_internal: bool) -> DraftEffect:
    """Return the effect that approving *draft* would have on its item *now*."""
    seen = items.visible_before(item, draft.revision, now)
    if not seen:
        return DraftEffect("new")
    if item.state == "withdrawn":
        return DraftEffect("return")
    if is_internal:
        return DraftEffect("internal", seen[-1])
    return DraftEffect("correction" if draft.type == events.CORRECTED else "text", seen[-1])


async def draft_effects(bus: Bus, drafts: Sequence[Draft]) -> list[DraftEffect]:
    """Return the effects of many drafts, with one request, and one more for each of a campaign."""
    repository = ItemRepository(bus)
    since, now = await repository.bucket.last_seq(), datetime.now(UTC)
    names = list(dict.fromkeys(draft.content_id for draft in drafts))
    values = await repository.bucket.get_many(names, min_seq=since)
    stored = {name: Item.model_validate_json(value.data) for name, value in values.items()}
    found = list[DraftEffect]()
    for draft in drafts:
        item = stored.get(draft.content_id, Item(unit=draft.unit))
        is_inside = await _is_internal(bus, draft)
        found.append(_draft_effect(draft, item, now, is_internal=is_inside))
    return found


async def newest_text(finder: PublicationFinder, item: Item, content_id: str) -> Publication | None:
    """Return the newest released text, also of a withdrawn item."""
    for number in sorted(item.released, reverse=True):
        text = await finder.released_publication(content_id, number)
        if text.action != "withdrawn":
            return text
    return None


def content_lines(text: Publication) -> Iterator[str]:
    """Yield a line for each field that is set, and for each entry of a list, then the body."""
    yield from data_lines(text.model_dump(mode="json", exclude_defaults=True))


def data_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """The same of an event's data."""
    for name in _FIELDS:
        value = values.get(name, [])
        for entry in value if isinstance(value, list) else [value]:
            parts = entry.items() if isinstance(entry, dict) else ()
            yield f"{name}: {', '.join(f'{key} {part}' for key, part in parts) or entry}"
    yield ""
    yield from str(values.get("body", "")).splitlines()
