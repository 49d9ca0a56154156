"""`loa withdraw`: take an item back, under the hash of the text that was read."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, NamedTuple, Self

import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.audit import log as audit
from consumers.cli.acts import By, Command, look, perform
from consumers.cli.authorization import Exceptions, Staff, acting_person
from consumers.cli.item_orders import PersonAtTerminal, with_act_id
from consumers.cli.item_text import print_text
from consumers.cli.output import (
    Json,
    Yes,
    act_on_bus,
    confirm,
    page,
    print_answer,
    print_errors,
    print_field_texts,
    require_name,
    require_terminal,
    run_on_bus,
)
from consumers.desk.access import item_facts
from consumers.desk.item_acts import ItemActs
from consumers.desk.orders.rules import OrderRules
from consumers.desk.orders.service import Orders, Store
from consumers.editorial.log import EditorialLog
from consumers.editorial.waiting import read_history
from consumers.intake import items
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.reporting.review import read_text
from consumers.staff.authorization import Act, Actor
from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.content import Withdrawn
from contracts.desk.editorial import Order
from contracts.editorial import Action, ActionKind, ItemState
from contracts.errors import Conflict, FieldError, FieldWarning
from contracts.trace import OmitEmptyModel
from producers.bus import Bus
from producers.publisher import Accepted, Publisher, Spooled

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Reason = Annotated[str, typer.Option(help="Why, as the public will read it.")]
Title = Annotated[str, typer.Option(help="Read in place of the item's title, if that is the harm.")]
ShortTitle = Annotated[str, typer.Option(help="The title on Zalo, in fewer words.")]
Hash = Annotated[str, typer.Option("--hash", help="The content hash of the text to take back.")]


class WithdrawalAnswer(OmitEmptyModel):
    """The answer to a withdrawal: its event, or the earlier withdrawal.

    `withdrawn_at`, `reason` and `by` are of the earlier one. `unseen`: the item was not out.
    """

    omitted_when_empty = frozenset(
        {"event_id", "withdrawn_at", "reason", "by", "unseen", "warnings"}
    )

    content_id: str
    event_id: str = ""
    withdrawn_at: datetime | None = None
    reason: str = ""
    by: str = ""
    unseen: bool = False
    warnings: tuple[FieldWarning, ...] = ()

    def to_text(self) -> FieldError:
        if self.withdrawn_at is None:
            code = "withdrawal_unseen" if self.unseen else "withdrawal_accepted"
            return field_error(self.content_id, code, value=self.content_id)
        code = "withdrawn_already_by" if self.by else "withdrawn_already"
        facts = {"at": self.withdrawn_at, "who": self.by, "reason": self.reason}
        return field_error(self.content_id, code, **facts)


@page(
    WithdrawalAnswer,
    examples=(
        'loa withdraw tb-15 --reason "Sai ngày" --hash HASH',
        'loa withdraw tb-15 --reason "Sai ngày" --yes --json',
    ),
)
def withdraw(
    content_id: ContentId,
    reason: Reason,
    title: Title = "",
    short_title: ShortTitle = "",
    hash: Hash = "",
    by: By = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take an item back on every channel: the portal at once, the others in their order.

    With --hash it takes back exactly the text that you read; without, it shows what is out and
    asks. --yes alone takes back what is out, unseen.
    """
    if not (hash or yes):
        require_terminal()
        hash = run_on_bus(partial(_show_out, content_id=content_id, by=by))
    ordered = WithdrawalOrder(reason, title, short_title, hash)
    confirm("ask_withdraw", yes=yes)
    answer = act_on_bus(lambda bus: order_withdrawal(bus, content_id, ordered, by))
    print_errors(answer.warnings)
    print_answer(answer, as_json, lambda: print_field_texts(answer.to_text()))


async def _show_out(bus: Bus, content_id: str, by: str) -> str:
    """Show the text that a withdrawal takes back, and return its hash; empty where none is known.

    Raises Unauthorized, Forbidden.
    """
    right = await look(bus, "desk.read", content_id, by)
    state, _ = await read_history(bus, content_id)
    if state.text is None:
        return ""
    right.require(item_facts(state))
    text = await read_text(bus, content_id, _hash_to_withdraw(state))
    print_text(text, err=True)
    return text.hash


def _hash_to_withdraw(state: ItemState) -> str:
    """The hash of the text that a withdrawal takes back: without one that is out, the draft."""
    return state.out_hash or state.hash


class WithdrawalOrder(NamedTuple):
    """A withdrawal: its public reason, and titles in place of the item's own.

    `hash`: of the text that it takes back; empty for what is out.
    """

    reason: str
    title: str = ""
    short_title: str = ""
    hash: str = ""


async def order_withdrawal(
    bus: Bus, content_id: str, ordered: WithdrawalOrder, by: str = ""
) -> WithdrawalAnswer:
    """Order an item's withdrawal, unless that is done.

    Raises Invalid, Conflict if it is no longer the text that was read, BusError.
    """
    repository = ItemRepository(bus)
    item = await repository.require_item(content_id)
    if existing := await _existing_withdrawal(repository, content_id, item):
        return existing
    state, acts = await read_history(bus, content_id)
    if not state.withdrawable and item.barred < state.ended:
        return _ordered_before(content_id, acts)
    order = _Ordering(bus, content_id, item, ordered, by)
    answer = await (order.by_act(state) if state.withdrawable else order.by_event())
    unseen = not items.is_visible(item, datetime.now(UTC))
    return answer.model_copy(update={"content_id": content_id, "unseen": unseen})


@dataclass(frozen=True)
class _Ordering:
    """A withdrawal that is about to be ordered. *by*: a name in place of an account."""

    bus: Bus
    content_id: str
    item: Item
    ordered: WithdrawalOrder
    by: str

    async def by_act(self, state: ItemState) -> WithdrawalAnswer:
        """Withdraw what the editorial log has out, under its hash: no other text is taken back."""
        vocabulary = load_vocabulary(read_settings(LoaSettings))
        acts = ItemActs(EditorialLog(self.bus), vocabulary, time.time)
        person = await _WithdrawingPerson.of(self.bus, self.content_id, self.by)
        order = with_act_id(self._order(state), person.actor.by, state)
        await Orders(acts, self._rules).perform(order, state, person)
        return WithdrawalAnswer(content_id=self.content_id, warnings=self._warnings())

    async def by_event(self) -> WithdrawalAnswer:
        """Take an item back of which the log has nothing out: what waits, or an item it lacks."""
        command = await self._command()

        async def publish(who: Actor) -> Accepted | Spooled:
            await self._require_unreleased()
            event = _event(self.content_id, self.item.unit, self.ordered, require_name(who.by))
            vocabulary = load_vocabulary(read_settings(LoaSettings))
            publisher = Publisher(self.bus, self.item.unit, vocabulary=vocabulary)
            return await publisher.publish(event)

        answer = await perform(self.bus, command, publish)
        facts = {"event_id": answer.event_id, "warnings": answer.warnings}
        return WithdrawalAnswer(content_id=self.content_id, **facts)

    @property
    def _rules(self) -> OrderRules:
        return OrderRules(self.bus, Staff.open(self.bus).policy)

    def _order(self, state: ItemState) -> Order:
        reason, title, short_title, hash = self.ordered
        hash = hash or _hash_to_withdraw(state)
        order = Order(self.content_id, ActionKind.WITHDRAW, "", hash, note=reason)
        return order._replace(title=title, short_title=short_title)

    async def _command(self) -> Command:
        """The act of a withdrawal by an event. Raises Conflict."""
        state = await self._require_unreleased()
        act = await self._rules.act_of(self._order(state), state)
        number = self.item.revision or self.item.latest
        position = await ItemRepository(self.bus).position(self.content_id, number)
        facts = item_facts(state, self.item, position)
        said = (self.ordered.title, self.ordered.reason)
        return Command("withdraw", self.content_id, self.by, *said, facts, act.arguments)

    async def _require_unreleased(self) -> ItemState:
        """The item as it is. Raises Conflict for another text than was read, or one now out."""
        state, _ = await read_history(self.bus, self.content_id)
        if state.withdrawable or self.ordered.hash not in ("", state.hash):
            raise Conflict(field_error("hash", "out_changed", value=_hash_to_withdraw(state)))
        return state

    def _warnings(self) -> tuple[FieldWarning, ...]:
        """Warnings of a door to the sender of such a withdrawal."""
        return events.find_warnings(Withdrawn.model_validate(_data(self.content_id, self.ordered)))


@dataclass(frozen=True)
class _WithdrawingPerson(PersonAtTerminal):
    """Who withdraws; before the first account the user of the operating system."""

    @classmethod
    async def of(cls, bus: Bus, content_id: str, by: str) -> Self:
        """Raises Unauthorized."""
        signed_in = None if by else await Staff.open(bus).signed_in()
        if not (by or signed_in):
            by = require_name((await acting_person(bus, Act("withdraw"), "", Exceptions())).by)
        return cls(bus, content_id, by, signed_in)

    async def decide(self, act: Act) -> Actor:
        return await acting_person(self.bus, act, self.by, Exceptions())

    async def record(self, order: Order, actor: Actor, store: Store) -> ItemState:
        command = Command("withdraw", order.content_id, "", order.title, order.note)
        return await audit.AuditLog(self.bus, time.time).perform(command.to_record(actor), store)


def _ordered_before(content_id: str, acts: Sequence[Action]) -> WithdrawalAnswer:
    """The withdrawal that the log has, and that intake has not carried out yet."""
    act = next(one for one in reversed(acts) if one.kind is ActionKind.WITHDRAW)
    return WithdrawalAnswer(content_id=content_id, withdrawn_at=act.at, reason=act.note, by=act.by)


async def _existing_withdrawal(
    repository: ItemRepository, content_id: str, item: Item
) -> WithdrawalAnswer | None:
    """The existing withdrawal; None while a text can still be seen or released."""
    if not item.barred or item.latest > item.barred:
        return None
    is_released = item.state == "withdrawn"
    number = item.revision if is_released else item.barred
    position = await repository.position(content_id, number)
    at = item.released[number] if is_released else position.at if position else None
    if at is None:
        return None
    reason, by = (position.reason, position.submitter) if position else ("", None)
    return WithdrawalAnswer(content_id=content_id, withdrawn_at=at, reason=reason, by=by or "")


def _data(content_id: str, ordered: WithdrawalOrder) -> dict[str, str]:
    texts = {name: value for name, value in ordered._asdict().items() if value and name != "hash"}
    return {"content_id": content_id, **texts}


def _event(content_id: str, unit: str, ordered: WithdrawalOrder, by: str) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=f"{content_id}.withdrawn.{uuid.uuid4().hex}",
        source=f"/units/{unit}",
        type=events.WITHDRAWN,
        subject=content_id,
        time=datetime.now(UTC),
        data=_data(content_id, ordered),
        extensions={events.SUBMITTER: by} if by else {},
    )
