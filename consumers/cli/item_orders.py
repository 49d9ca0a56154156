"""Orders on items at the command line: who gives them, and what Loa does with them."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

from consumers.app.settings import LoaSettings, load_vocabulary, load_working_days, read_settings
from consumers.audit import log as audit
from consumers.cli.acts import perform_item_act
from consumers.cli.authorization import Exceptions, Staff, acting_person
from consumers.cli.stores import find_seals, open_seals
from consumers.desk.item_acts import ItemActs, act_key
from consumers.desk.orders.rules import OrderRules
from consumers.desk.orders.service import Orders, Store
from consumers.editorial.log import EditorialLog
from consumers.intake import item_log
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.items import Position
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.staff.authorization import Act, Actor
from consumers.staff.policy import ObjectFacts, Person
from consumers.staff.sessions import SignedIn
from contracts import errors, keys
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import UNSENT, ActionKind, ItemState, Status
from contracts.editorial.moves import changing_act
from contracts.editorial.state import is_checkpoint
from contracts.errors import Conflict, Invalid, NotFound
from producers.bus import Bus

Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""The changed fields, by the data of a text."""
_BY_ACCOUNT = Exceptions(needs_account=True)
_FIELD = "content_id"


@dataclass(frozen=True)
class ItemOrders:
    """Gives orders as the account of this terminal, or as *by* in place of one."""

    bus: Bus
    by: str = ""

    @property
    def log(self) -> EditorialLog:
        return EditorialLog(self.bus)

    @property
    def staff(self) -> Staff:
        return Staff.open(self.bus)

    @property
    def acts(self) -> ItemActs:
        return ItemActs(self.log, load_vocabulary(read_settings(LoaSettings)), time.time)

    async def state(self, content_id: str) -> ItemState:
        """The item as the log has it. Raises NotFound, BrokenItem, Unauthorized."""
        if not self.by:
            await self.staff.require_signed_in()
        state = await item_log.read(self.log, content_id)
        if state.text is None:
            raise NotFound(field_error(_FIELD, "item_unknown", value=content_id))
        return state

    async def newest(self, content_id: str, revision: int | None) -> int:
        """The newest revision of an item. Raises Conflict if *revision* is another one."""
        newest = (await self.state(content_id)).revision
        if revision in (None, newest):
            return newest
        key = keys.publication_key(content_id, revision)
        raise Conflict(field_error("revision", "overtaken", value=key))

    async def released(self, content_id: str, revision: int) -> Position:
        """The record of an approved revision. Raises Conflict if it is not released."""
        record = await ItemRepository(self.bus).position(content_id, revision)
        if record and record.state in ("released", "scheduled"):
            return record
        key = keys.publication_key(content_id, revision)
        raise Conflict(field_error("revision", "overtaken", value=key))

    async def begin(self, unit: str, data: Mapping[str, Any], content_id: str = "") -> str:
        """Save the first text of a new item; returns its content_id.

        The same text of the same person is the same item. Raises Forbidden, Invalid, and Conflict
        if there is an item of the *content_id* that is named.
        """
        account = await self._account_id()
        unit = unit or await self._own_unit()
        text = json.dumps(data, sort_keys=True, ensure_ascii=False)
        new = NewItem(unit, keys.digest(unit, account or self.by, text), data, content_id)
        writers = frozenset({account} - {""})
        facts = ObjectFacts(unit, str(data.get("topic", "")), writers)
        act = Act("write", facts, [new.act_id])
        actor = await acting_person(self.bus, act, self.by, _BY_ACCOUNT)
        record = _record("save", "", actor)
        still = partial(self._require_still, actor, act)
        return await perform_item_act(self.bus, record, lambda: self.acts.begin(new, actor, still))

    async def change(self, content_id: str, hash: str, change: Change, note: str = "") -> ItemState:
        """Change some fields of the text of *hash*. Raises as `give`."""
        kind = changing_act((await self.state(content_id)).status)
        data = await self._data_of(content_id, hash)
        changed = {**data, **change(data)} if data else {}  # a hash that is none is refused
        return await self.give(Order(content_id, kind, "", hash, changed, note))

    async def merge(
        self, content_id: str, hash: str, given: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The text of *hash* with the fields that are *given*.

        A text after one that is decided has a reason of its own.
        """
        data = dict(await self._data_of(content_id, hash))
        status = (await self.state(content_id)).status
        if status not in UNSENT and changing_act(status) is ActionKind.SAVE:
            data.pop("reason", None)
        return {**data, **given}

    async def _data_of(self, content_id: str, hash: str) -> Mapping[str, Any]:
        """The data of a text that the item has had; empty for a hash that it has not."""
        _, acts = await self.log.history(content_id)
        return next((one.text.data for one in acts if one.text and one.hash == hash), {})

    async def give(self, order: Order) -> ItemState:
        """Do the act of *order*, and carry it out; a decision that was made is carried out again.

        Raises NotFound, Unauthorized, Forbidden, Conflict, Invalid.
        """
        state = await self.state(order.content_id)
        person = await self._person(f"{order.content_id}.{state.revision}")
        order = with_act_id(order, person.actor.by, state)
        if _is_decided(order, state):
            await person.require_repeat(await self._rules.act_of(order, state))
        else:
            self._require_clean(order, state)
            state = await Orders(self.acts, self._rules).perform(order, state, person) or state
        await DraftDecisions(self.bus, time.time, await open_seals(self.bus)).carry_out(
            order.content_id
        )
        return state

    @property
    def _rules(self) -> OrderRules:
        days = load_working_days(read_settings(LoaSettings))
        seals = partial(find_seals, self.bus)
        return OrderRules(self.bus, self.staff.policy, time.time, days, seals)

    def _require_clean(self, order: Order, state: ItemState) -> None:
        """Raises Invalid without the promise of who answers for a text."""
        if is_checkpoint(order.kind, state) and not order.is_clean:
            raise Invalid(field_error("--clean", "clean_required"))

    async def _person(self, object_id: str) -> "PersonAtTerminal":
        signed_in = None if self.by else await self.staff.require_signed_in()
        return PersonAtTerminal(self.bus, object_id, self.by, signed_in)

    async def _require_still(self, actor: Actor, act: Act, state: ItemState) -> None:  # noqa: ARG002
        """Raises Forbidden if the account has lost the right when the act is stored."""
        if actor.session:
            await self.staff.rules.require_still(actor.by, act)

    async def _account_id(self) -> str:
        signed_in = None if self.by else await self.staff.signed_in()
        return signed_in.account.id if signed_in else ""

    async def _own_unit(self) -> str:
        """The unit of the account. Raises Unauthorized, Invalid for a name in place of one."""
        if self.by:
            raise Invalid(errors.field_error("unit", "missing"))
        return (await self.staff.require_signed_in()).account.unit


@dataclass(frozen=True)
class PersonAtTerminal:
    """The account of this terminal, or *by* in place of one; *object_id*: for the audit log."""

    bus: Bus
    object_id: str
    by: str
    signed_in: SignedIn | None

    @property
    def actor(self) -> Actor:
        return Actor.of(self.signed_in) if self.signed_in else Actor(self.by)

    @property
    def account(self) -> Person | None:
        return self.signed_in.account if self.signed_in else None

    async def decide(self, act: Act) -> Actor:
        """Raises Forbidden also where a second person is needed."""
        return await acting_person(self.bus, act, self.by, _BY_ACCOUNT)

    async def require_still(self, act: Act) -> None:
        if self.account:
            await Staff.open(self.bus).rules.require_still(self.account.id, act)

    async def require_repeat(self, act: Act) -> None:
        """Raises Forbidden without the right; a repeat takes no code or second person anew."""
        if self.account:
            await self.require_still(act._replace(is_of_state=False))
        else:
            await self.decide(act)

    async def record(self, order: Order, actor: Actor, store: Store) -> ItemState:
        record = _record(order.kind, self.object_id, actor)
        record = replace(record, after=order.hash, reason=order.note or order.code)
        return await perform_item_act(self.bus, record, store)

    async def use_up(self, act: Act) -> None:
        if self.account:
            await Staff.open(self.bus).rules.use_up(act)


def with_act_id(order: Order, who: str, state: ItemState) -> Order:
    """The order under the id that its repeat has, too, as long as no other act has followed it.

    A remark on the same text is one remark.
    """
    data = json.dumps(order.data, sort_keys=True, ensure_ascii=False)
    said = [order.note, order.code, str(order.place or ""), order.title, data]
    said += [order.short_title] if order.short_title else []
    facts = (who, order.content_id, order.kind, order.hash, *said)
    last = state.last_change.id if state.last_change else ""
    named = (order._replace(act_id=keys.digest(*facts, str(number))) for number in count())
    is_one = order.kind is ActionKind.COMMENT
    return next(one for one in named if is_one or act_key(one) not in {*state.ids} - {last})


def _is_decided(order: Order, state: ItemState) -> bool:
    """Whether an order repeats a decision on the same text."""
    if order.kind is ActionKind.APPROVE:
        return state.has_approved(order.hash)
    is_rejected = order.kind is ActionKind.REJECT and state.status is Status.REJECTED
    return is_rejected and order.hash == state.hash


def _record(kind: str, object_id: str, actor: Actor) -> audit.Act:
    session = {"role": actor.role, "session": actor.session}
    return audit.Act(f"desk.{kind}", object_id, actor.by, **session)
