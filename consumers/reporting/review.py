"""Review of a draft: its content, its effect, and its changes to the released text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Any, Literal, NamedTuple

from consumers.intake import items
from consumers.intake.approval import Draft
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.reporting.preview import PublicationFinder
from contracts import events, keys, subjects
from contracts.content import Content
from contracts.delivery import ChannelName
from contracts.errors import WHOLE_EVENT, Bilingual, Invalid
from contracts.publication import Publication
from producers.bus import Bus

IDENTITY_FIELDS = frozenset({"content_id", "revision"})
FIELDS = [name for name in Content.model_fields if name not in IDENTITY_FIELDS]
EffectKind = Literal["new", "correction", "text", "return"]
EFFECT_TEXT_CODES: dict[EffectKind, str] = {
    "new": "draft_new",
    "correction": "draft_correction",
    "text": "draft_text",
    "return": "draft_return",
}


class DraftEffect(NamedTuple):
    """The effect of a draft's approval, and the released revision that it changes."""

    kind: EffectKind
    revision: int = 0

    @property
    def text(self) -> Bilingual:
        """In words."""
        said = field_error(WHOLE_EVENT, EFFECT_TEXT_CODES[self.kind], of=self.revision)
        return Bilingual(said.message, said.message_vi)


@dataclass(frozen=True, slots=True)
class Review:
    """A draft, the publication that its approval would make, and the text that readers have now."""

    draft: Draft
    proposed: Publication
    released: Publication | None
    effect: DraftEffect
    is_on_portal: bool
    """Whether readers find something of the item there now."""

    @property
    def changes(self) -> list[str]:
        """Against what is out, as a unified diff; empty where nothing is."""
        if self.released is None:
            return []
        old, new = self.released, self.proposed
        return list(
            unified_diff(
                list(content_lines(old)), list(content_lines(new)), old.key, new.key, lineterm=""
            )
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        against = self.released.revision if self.released else None
        return {
            **self.draft.model_dump(mode="json"),
            "what": self.effect.kind,
            "action": self.proposed.action,
            "against": against,
            "changes": self.changes,
        }


async def review_draft(bus: Bus, content_id: str, revision: int | None = None) -> Review:
    """The draft that waits: the newest of its item, unless *revision* says which.

    Raises Invalid when nothing waits, Conflict for a draft that was changed on the desk.
    """
    now = datetime.now(UTC)
    finder = PublicationFinder(bus, now)
    item = await finder.repository.item(content_id)
    number = revision or max(item.waiting if item else (), default=0)
    key = keys.publication_key(content_id, number)
    held = await bus.bucket(subjects.DESK.name).get(key) if number else None
    if item is None or held is None:
        raise Invalid(field_error("content_id", "not_waiting", value=key if number else content_id))
    draft = Draft.model_validate_json(held.data)
    text = await finder.draft_publication(item, content_id, number)
    released = await newest_text(finder, item, content_id)
    out = items.is_visible(item, now) and ChannelName.PORTAL in item.reached
    return Review(draft, text, released, draft_effect(draft, item, now), out)


def draft_effect(draft: Draft, item: Item, now: datetime) -> DraftEffect:
    """The effect that releasing *draft* would have on its item *now*."""
    seen = items.visible_before(item, draft.revision, now)
    if not seen:
        return DraftEffect("new")
    if item.state == "withdrawn":
        return DraftEffect("return")
    return DraftEffect("correction" if draft.type == events.CORRECTED else "text", seen[-1])


async def draft_effects(register: ItemRepository, drafts: Sequence[Draft]) -> list[DraftEffect]:
    """As `purpose`, of many."""
    since, now = await register.bucket.last_seq(), datetime.now(UTC)
    held = await register.bucket.get_many(
        list({one.content_id: None for one in drafts}), min_seq=since
    )
    known = {name: Item.model_validate_json(value.data) for name, value in held.items()}
    return [
        draft_effect(one, known.get(one.content_id, Item(unit=one.unit)), now) for one in drafts
    ]


async def newest_text(finder: PublicationFinder, item: Item, content_id: str) -> Publication | None:
    """The newest released text, also of a withdrawn item."""
    for number in sorted(item.released, reverse=True):
        found = await finder.released_publication(content_id, number)
        if found.action != "withdrawn":
            return found
    return None


def content_lines(text: Publication) -> Iterator[str]:
    """Every field that is set, a line each, then the body."""
    said = text.model_dump(mode="json", exclude_defaults=True)
    for name in FIELDS:
        if name in said:
            yield from field_lines(name, said[name])
    yield ""
    yield from text.body.splitlines()


def field_lines(name: str, value: Any) -> Iterator[str]:
    """One field; lists have a line for each entry."""
    for one in value if isinstance(value, list) else [value]:
        shown = one.items() if isinstance(one, dict) else ()
        yield f"{name}: {', '.join(f'{key} {part}' for key, part in shown) or one}"
