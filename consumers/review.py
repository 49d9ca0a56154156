"""What the desk reads before it decides: the draft whole, and what it changes of what is out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Any, Literal, NamedTuple

from consumers import items
from consumers.drafts import Draft
from consumers.faults import fault
from consumers.items import Item
from consumers.preview import Finder
from consumers.register import Register
from contracts import events, keys, subjects
from contracts.content import Content
from contracts.delivery import ChannelName
from contracts.errors import WHOLE, Invalid, Told
from contracts.publication import Publication
from producers.bus import Bus

OURS = frozenset({"content_id", "revision"})
FIELDS = [name for name in Content.model_fields if name not in OURS]
What = Literal["new", "correction", "text", "return"]
WORDS: dict[What, str] = {
    "new": "draft_new",
    "correction": "draft_correction",
    "text": "draft_text",
    "return": "draft_return",
}


class Purpose(NamedTuple):
    """What a draft's approval would do, and to which revision of those that are out."""

    what: What
    of: int = 0

    @property
    def told(self) -> Told:
        """In words."""
        said = fault(WHOLE, WORDS[self.what], of=self.of)
        return Told(said.message, said.message_vi)


@dataclass(frozen=True, slots=True)
class Review:
    """A draft, the publication that its approval would make, and the text that readers have now."""

    draft: Draft
    text: Publication
    released: Publication | None
    purpose: Purpose
    on_portal: bool
    """Whether readers find something of the item there now."""

    @property
    def changes(self) -> list[str]:
        """Against what is out, as a unified diff; empty where nothing is."""
        if self.released is None:
            return []
        old, new = self.released, self.text
        return list(unified_diff(list(page(old)), list(page(new)), old.key, new.key, lineterm=""))

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        against = self.released.revision if self.released else None
        return {
            **self.draft.model_dump(mode="json"),
            "what": self.purpose.what,
            "action": self.text.action,
            "against": against,
            "changes": self.changes,
        }


async def review(bus: Bus, content_id: str, revision: int | None = None) -> Review:
    """The draft that waits: the newest of its item, unless *revision* says which.

    Raises Invalid when nothing waits, Conflict for a draft that was changed on the desk.
    """
    now = datetime.now(UTC)
    finder = Finder(bus, now)
    item = await finder.register.item(content_id)
    number = revision or max(item.waiting if item else (), default=0)
    key = keys.publication_key(content_id, number)
    held = await bus.bucket(subjects.DESK.name).get(key) if number else None
    if item is None or held is None:
        raise Invalid(fault("content_id", "not_waiting", value=key if number else content_id))
    draft = Draft.model_validate_json(held.data)
    text = await finder.draft(item, content_id, number)
    released = await newest_text(finder, item, content_id)
    out = items.in_sight(item, now) and ChannelName.PORTAL in item.reached
    return Review(draft, text, released, purpose(draft, item, now), out)


def purpose(draft: Draft, item: Item, now: datetime) -> Purpose:
    """What *draft* is to readers of its item, as it stands *now*."""
    seen = items.seen_before(item, draft.revision, now)
    if not seen:
        return Purpose("new")
    if item.state == "withdrawn":
        return Purpose("return")
    return Purpose("correction" if draft.type == events.CORRECTED else "text", seen[-1])


async def purposes(register: Register, drafts: Sequence[Draft]) -> list[Purpose]:
    """As `purpose`, of many."""
    since, now = await register.bucket.last_seq(), datetime.now(UTC)
    held = await register.bucket.many(list({one.content_id: None for one in drafts}), since=since)
    known = {name: Item.model_validate_json(value.data) for name, value in held.items()}
    return [purpose(one, known.get(one.content_id, Item(unit=one.unit)), now) for one in drafts]


async def newest_text(finder: Finder, item: Item, content_id: str) -> Publication | None:
    """What readers have, or had before it was taken back."""
    for number in sorted(item.released, reverse=True):
        found = await finder.released(content_id, number)
        if found.action != "withdrawn":
            return found
    return None


def page(text: Publication) -> Iterator[str]:
    """Every field that says something, a line each, and then the text itself."""
    said = text.model_dump(mode="json", exclude_defaults=True)
    for name in FIELDS:
        if name in said:
            yield from lines(name, said[name])
    yield ""
    yield from text.body.splitlines()


def lines(name: str, value: Any) -> Iterator[str]:
    """One field; lists have a line for each entry."""
    for one in value if isinstance(value, list) else [value]:
        shown = one.items() if isinstance(one, dict) else ()
        yield f"{name}: {', '.join(f'{key} {part}' for key, part in shown) or one}"
