"""Acts of people on items, as the editorial log takes them: the text of each, and its checks."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from consumers.desk.new_items import NewItemIds
from consumers.editorial.joining import check_joining
from consumers.editorial.log import Allow, EditorialLog
from consumers.intake import written
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.staff.authorization import Actor
from contracts import errors, events, text
from contracts.base.fields import ContentId
from contracts.base.times import Clock, utc_now
from contracts.campaigns.composition import PLAN
from contracts.campaigns.doors import FIELD as PLAN_FIELD
from contracts.campaigns.doors import plan_errors
from contracts.cloudevent import CloudEvent
from contracts.content import Withdrawn
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import (
    UNSENT,
    Action,
    ActionKind,
    EditorialText,
    ItemState,
    name_hash,
    state_after,
)
from contracts.editorial.action import DESK_ACT, AgreementBefore
from contracts.errors import BegunBefore, Conflict, Invalid
from contracts.vocabulary import Vocabulary

_WRITES = frozenset({ActionKind.SAVE, ActionKind.EDIT})
_NEEDS_WHOLE_TEXT = frozenset(
    {ActionKind.SUBMIT, ActionKind.CONFIRM, ActionKind.EDIT, ActionKind.PROPOSE}
)
"""Acts on a text that every door would take; a draft may be unfinished.

What is approved was checked when it was sent or proposed, maybe by the rules of an earlier version.
"""
_DRAFT_MAX_BYTES = 256 << 10
_BETWEEN_PARAGRAPHS = re.compile(r"\n\s*\n")
_NOTE_MAX, _TITLE_MAX = 1000, 300
_NAME = TypeAdapter[str](ContentId)
_LOAS_FIELDS = frozenset({"content_id", "revision", "corrects_revision"})


@dataclass(frozen=True)
class ItemActs:
    """Adds what people order to the log. Who may order it is decided elsewhere."""

    log: EditorialLog
    vocabulary: Vocabulary
    clock: Clock

    async def begin(self, new: NewItem, who: Actor, allow: Allow | None = None) -> str:
        """Save the first text of a new item; returns its content_id.

        Raises Invalid, BegunBefore if its form has begun an item with another text, Conflict.
        """
        _check_name(new.content_id)
        content_id = new.content_id or await NewItemIds(self.log.bus).reserve(who.by, new)
        order = Order(content_id, ActionKind.SAVE, new.act_id, data=new.data)
        await self._check_campaign(order, ItemState())
        try:
            state = await self.perform(order, who, allow, unit=new.unit)
        except Conflict as refused:
            if act_key(order) in (await self.log.read(content_id)).state.ids:
                raise BegunBefore(*refused.errors, content_id=content_id) from refused
            if new.content_id:
                raise Conflict(
                    field_error("content_id", "item_exists", value=content_id)
                ) from refused
            raise
        if state.text and state.text.unit != new.unit:
            raise BegunBefore(field_error("hash", "text_changed"), content_id=content_id)
        return content_id

    async def perform(
        self, order: Order, who: Actor, allow: Allow | None = None, *, unit: str = ""
    ) -> ItemState:
        """Add the act of *order*, unless it is there; *unit* is of a new item.

        *allow* has the last word on the item as it then is. Raises Conflict if the text is no
        longer the one that was shown, or if an earlier order of the same id was another one;
        Invalid for a text that no door would take, and what the acts' rules raise.
        """
        item, is_repeat = await self._item(order), False

        def decide(state: ItemState) -> Action | None:
            nonlocal is_repeat
            is_repeat = act_key(order) in state.ids
            ordered = _Ordered(order, who, state, _revision(order, state, item), unit)
            return None if is_repeat else self._build(ordered)

        state = await self.log.act(order.content_id, decide, allow)
        if is_repeat:
            await self._check_same(order)
        return state

    async def _check_campaign(self, order: Order, state: ItemState) -> None:
        """Check the campaign that the text joins. Raises Invalid, Conflict."""
        await check_joining(self.log, order, state, utc_now(self.clock))

    async def _item(self, order: Order) -> Item | None:
        """The item with its positions, for an order that may begin a revision."""
        repository = ItemRepository(self.log.bus)
        return await repository.item(order.content_id) if order.kind is ActionKind.SAVE else None

    def is_stored(self, order: Order, state: ItemState) -> bool:
        """Whether the log has an act of the order's id."""
        return act_key(order) in state.ids

    async def check(self, order: Order, who: Actor, state: ItemState) -> None:
        """Check an order that a second person may have to agree to. Raises as `perform`."""
        if not self.is_stored(order, state):
            await self._check_campaign(order, state)
            number = _revision(order, state, await self._item(order))
            state_after(state, self._build(_Ordered(order, who, state, number)))

    async def _check_same(self, order: Order) -> None:
        """Raise Conflict if the act that is there under the order's id is another one."""
        _, acts = await self.log.history(order.content_id)
        stored = next(one for one in acts if one.id == act_key(order))
        said = (stored.note, stored.code, stored.place, stored.title, stored.short_title)
        same = said == (_note(order), order.code, order.place, *_titles(order))
        written_before = _own_fields(stored.text.data) if stored.text else None
        given = None if order.data is None else _own_fields(order.data)
        if given and stored.text and "corrects_revision" not in stored.text.data:
            given.pop("reason", None)  # as `_complete`
        if not (same and written_before == given):
            raise Conflict(field_error("hash", "text_changed"))

    def _build(self, ordered: "_Ordered") -> Action:
        order, state = ordered.order, ordered.state
        if order.kind is ActionKind.WITHDRAW:
            return self._withdrawal(ordered)
        if order.hash != state.hash:
            raise Conflict(field_error("hash", "text_changed"))
        changed = _new_text(ordered) if order.data is not None else None
        shown = changed or state.text
        if shown and order.kind in _NEEDS_WHOLE_TEXT:
            _check_text(order.content_id, ordered.number, shown, self.vocabulary)
        elif changed:
            _check_plan(order.content_id, changed.data, self.vocabulary)
        if order.place:
            _require_paragraph(order.place, state.text)
        return self._act(ordered, changed)

    def _withdrawal(self, ordered: "_Ordered") -> Action:
        """The withdrawal of what readers have or are about to get, also behind a newer text.

        Raises Invalid for a notice that can't be published, Conflict if there is nothing, or if it
        is no longer the text that was shown.
        """
        order, state = ordered.order, ordered.state
        if not state.withdrawable:
            raise Conflict(field_error("kind", "nothing_to_withdraw", value=order.content_id))
        _require_out(order.hash, state)
        try:
            titles = {"title": order.title or None, "short_title": order.short_title or None}
            facts = {"reason": _note(order), **titles}
            Withdrawn.model_validate({"content_id": order.content_id, **facts})
        except ValidationError as wrong:
            raise Invalid(*errors.explain(wrong)) from wrong
        return self._act(replace(ordered, number=state.withdrawable), None)

    def _act(self, ordered: "_Ordered", changed: EditorialText | None) -> Action:
        order, who, state = ordered.order, ordered.who, ordered.state
        title, short_title = _titles(order)
        return Action(
            id=act_key(order),
            at=utc_now(self.clock),
            by=who.by,
            name_hash=name_hash(who.name),
            role=who.role,
            kind=order.kind,
            revision=ordered.number,
            hash=changed.hash if changed else state.hash_of(ordered.number),
            text=changed,
            agreed=tuple(one.account for one in who.agreed),
            agreements=tuple(
                AgreementBefore(by=one.account, role=one.role, at=one.at)
                for one in who.agreed
                if one.at
            ),
            is_clean=order.is_clean,
            note=_note(order),
            code=order.code,
            place=order.place,
            title=title,
            short_title=short_title,
            prev=state.head,
        )


@dataclass(frozen=True)
class _Ordered:
    """An order on an item in *state*: of its revision *number*; *unit* is of a new item."""

    order: Order
    who: Actor
    state: ItemState
    number: int
    unit: str = ""


def _check_text(
    content_id: str, revision: int, checked: EditorialText, vocabulary: Vocabulary
) -> events.Event:
    """Check a text as every door does. Raises Invalid with every wrong field."""
    event = CloudEvent(
        specversion="1.0",
        id=f"{content_id}.{revision}",
        source=f"{events.UNIT_SOURCE_PREFIX}{checked.unit}",
        type=checked.type,
        data=checked.data,
    )
    found = events.check(event, vocabulary)
    events.check_sender(event, checked.unit, vocabulary)
    return found


def _check_name(content_id: str) -> None:
    """Raise Invalid for a name that no item can have; without one Loa makes it."""
    try:
        _NAME.validate_python(content_id or "tin")
    except ValidationError as wrong:
        raise Invalid(*errors.explain(wrong, "content_id")) from wrong


def _check_plan(content_id: str, data: Mapping[str, Any], vocabulary: Vocabulary) -> None:
    """Raise Invalid with every mistake of a campaign's plan: without a plan it is no campaign."""
    plan, is_campaign = data.get(PLAN), data.get("campaign") == content_id
    wrong = [*plan_errors(plan, vocabulary)] if plan else []
    if plan and not is_campaign:
        wrong.append(errors.field_error("data.campaign", "campaign_own", value=content_id))
    elif is_campaign and not plan:
        wrong.append(errors.field_error(PLAN_FIELD, "campaign_no_plan"))
    if wrong:
        raise Invalid(*wrong)


def submit_errors(
    content_id: str, state: ItemState, vocabulary: Vocabulary
) -> tuple[errors.FieldError, ...]:
    """Everything for which a draft would be refused when it is sent on."""
    if state.text is None or state.status not in UNSENT:
        return ()
    try:
        _check_text(content_id, state.revision, state.text, vocabulary)
    except errors.ContractError as refused:
        return refused.errors
    return ()


def _require_paragraph(place: int, text: EditorialText | None) -> None:
    """Raise Invalid for a remark on a paragraph that the text does not have."""
    body = str(text.data.get("body", "")) if text else ""
    count = len(_BETWEEN_PARAGRAPHS.split(body.strip()))
    if place > count:
        raise Invalid(field_error("place", "no_such_paragraph", value=place, count=count))


def _require_out(hash: str, state: ItemState) -> None:
    """Raise Conflict unless a withdrawal takes back the text of *hash*."""
    if hash != state.out_hash:
        raise Conflict(field_error("hash", "out_changed", value=state.out_hash))


def act_key(order: Order) -> str:
    """The id that the log has of the act of an order."""
    return f"{DESK_ACT}{order.act_id}.{order.kind}"


def _note(order: Order) -> str:
    """The note as the log keeps it, on one line. Raises Invalid for what no text may hold."""
    return errors.check_line("note", " ".join(order.note.split()), _NOTE_MAX)


def _titles(order: Order) -> tuple[str, str]:
    """The text in place of the title. Raises Invalid for what no text may hold."""
    given = {"new_title": order.title, "short_title": order.short_title}
    title, short_title = (errors.check_line(*one, _TITLE_MAX) for one in given.items())
    return title, short_title


def _own_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data as a person writes them: without fields that Loa adds, and empty ones."""
    filled = {name: value for name, value in data.items() if value not in (None, "", [], {})}
    return {name: value for name, value in filled.items() if name not in _LOAS_FIELDS}


def _revision(order: Order, state: ItemState, item: Item | None) -> int:
    """The revision that an order concerns: a text that is sent or out is followed by a new one."""
    begins = order.kind is ActionKind.SAVE and state.status not in UNSENT
    return written.next_revision(item, state) if begins else state.revision


def _new_text(ordered: _Ordered) -> EditorialText:
    """The text that an order writes, complete with what Loa says of it. Raises Invalid."""
    order, state, number = ordered.order, ordered.state, ordered.number
    if order.kind not in _WRITES:
        raise Invalid(field_error("kind", "text_unchangeable"))
    assert order.data is not None  # noqa: S101
    owner = state.text.unit if state.text else ordered.unit
    data = _complete(order.content_id, number, order.data, state)
    is_correction = "corrects_revision" in data
    before = state.text if order.kind is ActionKind.EDIT else None
    return EditorialText(
        unit=owner,
        type=events.CORRECTED if is_correction else events.SUBMITTED,
        data=data,
        event_id=before.event_id if before else written.event_id(owner, order.content_id, number),
        event_time=before.event_time if before else None,
        author=data.get("author"),
        submitter=before.submitter if before else ordered.who.by,
        trace=before.trace if before else {},
    )


def lacking_fields(data: Mapping[str, Any]) -> Iterator[errors.FieldError]:
    """Fields that even a draft needs: a title, and a channel where channels are chosen.

    A text without the field goes to all of them; a form on which none is ticked says [].
    """
    if not text.squeeze(str(data.get("title") or "")):
        yield errors.field_error("data.title", "missing")
    if data.get("channels") == []:
        yield field_error("data.channels", "no_channel")


def _complete(
    content_id: str, number: int, data: Mapping[str, Any], state: ItemState
) -> dict[str, Any]:
    """The data of an event; a text for an item that is out corrects it."""
    fields = _own_fields(data)
    if wrong := [*lacking_fields(data)]:
        raise Invalid(*wrong)
    kept = {"content_id": content_id, "revision": number}
    if state.out:
        kept["corrects_revision"] = state.out
    else:
        fields.pop("reason", None)
    found = {**fields, **kept}
    if len(json.dumps(found, ensure_ascii=False).encode()) > _DRAFT_MAX_BYTES:
        raise Invalid(field_error("data.body", "draft_too_large", limit=_DRAFT_MAX_BYTES >> 10))
    return found
