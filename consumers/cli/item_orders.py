"""Orders on items at the command line: who gives them, and what Loa does with them."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.audit import log as audit
from consumers.cli.acts import perform_item_act
from consumers.cli.authorization import Exceptions, Staff, acting_person
from consumers.cli.stores import open_seals
from consumers.desk.item_acts import ItemActs
from consumers.desk.order_rules import OrderRules
from consumers.editorial.log import EditorialLog
from consumers.intake.desk import Desk
from consumers.messages import field_error
from consumers.staff.authorization import Act, Actor
from consumers.staff.policy import ObjectFacts
from contracts import errors, keys
from contracts.desk.editorial import NewItem, Order
from contracts.editorial import ItemState
from contracts.errors import Invalid, NotFound
from producers.bus import Bus

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
        """The item as the log has it. Raises NotFound, Unauthorized without a person."""
        if not self.by:
            await self.staff.require_signed_in()
        state = (await self.log.read(content_id)).state
        if state.text is None:
            raise NotFound(field_error(_FIELD, "item_unknown", value=content_id))
        return state

    async def begin(self, unit: str, data: Mapping[str, Any]) -> str:
        """Save the first text of a new item; returns its content_id.

        The same text of the same person is the same item. Raises Forbidden, Invalid.
        """
        account = await self._account_id()
        unit = unit or await self._own_unit()
        text = json.dumps(data, sort_keys=True, ensure_ascii=False)
        new = NewItem(unit, keys.digest(unit, account or self.by, text), data)
        writers = frozenset({account} - {""})
        facts = ObjectFacts(unit, str(data.get("topic", "")), writers)
        act = Act("write", facts, [new.act_id])
        actor = await acting_person(self.bus, act, self.by, _BY_ACCOUNT)
        record = _record("save", "", actor)
        return await perform_item_act(self.bus, record, lambda: self.acts.begin(new, actor))

    async def give(self, order: Order) -> ItemState:
        """Do the act of *order*, and carry it out.

        Raises NotFound, Unauthorized, Forbidden, Conflict, Invalid.
        """
        state = await self.state(order.content_id)
        order = order._replace(hash=order.hash or state.hash, act_id=secrets.token_hex())
        rules = OrderRules(self.bus, self.staff.policy)
        signed_in = None if self.by else await self.staff.require_signed_in()
        await self.acts.check(order, Actor.of(signed_in) if signed_in else Actor(self.by), state)
        act = await rules.act_of(order, state)
        actor = await acting_person(self.bus, act, self.by, _BY_ACCOUNT)
        if signed_in:
            await rules.check_urgent(order, state, signed_in.account)
        record = _record(order.kind, f"{order.content_id}.{state.revision}", actor)
        record = replace(record, after=order.hash, reason=order.note)
        done = await perform_item_act(self.bus, record, lambda: self.acts.perform(order, actor))
        await Desk(self.bus, time.time, await open_seals(self.bus)).carry_out(order.content_id)
        return done

    async def _account_id(self) -> str:
        signed_in = None if self.by else await self.staff.signed_in()
        return signed_in.account.id if signed_in else ""

    async def _own_unit(self) -> str:
        """The unit of the account. Raises Unauthorized, Invalid for a name in place of one."""
        if self.by:
            raise Invalid(errors.field_error("unit", "missing"))
        return (await self.staff.require_signed_in()).account.unit


def _record(kind: str, object_id: str, actor: Actor) -> audit.Act:
    session = {"role": actor.role, "session": actor.session}
    return audit.Act(f"desk.{kind}", object_id, actor.by, **session)
