"""An order on an item, from its checks to the log: the same at the pages and at the terminal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from consumers.desk.item_acts import ItemActs
from consumers.desk.orders.rules import OrderRules
from consumers.messages import field_error
from consumers.staff.authorization import Act, Actor, Authorizer
from consumers.staff.policy import Person, Verdict
from consumers.staff.sessions import SignedIn
from contracts.desk.editorial import Order
from contracts.editorial import ItemState
from contracts.errors import Conflict

Store = Callable[[], Awaitable[ItemState]]


class OrderingPerson(Protocol):
    """Who gives an order."""

    @property
    def actor(self) -> Actor: ...

    @property
    def account(self) -> Person | None:
        """None for a name in place of an account."""
        ...

    async def decide(self, act: Act) -> Actor | None:
        """The person in the role that allows *act*; None if it waits for a second person.

        Raises Unauthorized, Forbidden.
        """
        ...

    async def require_still(self, act: Act) -> None:
        """Raises Forbidden if the person, as the account is now, has lost the right meanwhile."""
        ...

    async def record(self, order: Order, actor: Actor, store: Store) -> ItemState:
        """Do *store*, with the records that it takes beside the editorial log."""
        ...

    async def use_up(self, act: Act) -> None:
        """Remove the agreements to *act*, which is done."""
        ...


@dataclass(frozen=True)
class Orders:
    """Checks an order, decides who may give it, and stores its act."""

    acts: ItemActs
    rules: OrderRules

    async def perform(
        self, order: Order, state: ItemState, person: OrderingPerson
    ) -> ItemState | None:
        """Do an act on the item of *state*; None if it waits for a second person.

        What two agreed to is used up when the act is stored: one that was not is done by the
        second person's repeat. Raises Unauthorized, Forbidden, Conflict, Invalid.
        """
        if self.acts.is_stored(order, state):  # its answer was lost; it takes no right anew
            return await self.acts.perform(order, person.actor)
        await self.rules.check(order, state, person.account)
        await self.acts.check(order, person.actor, state)
        act = await self.rules.act_of(order, state)
        open_act = act._replace(require_open=partial(self._require_unmoved, order, act, person))
        actor = await person.decide(open_act)
        if actor is None:
            return None
        still = partial(self._require_still, order, person)
        store = partial(self.acts.perform, order, actor, still)
        stored = await person.record(order, actor, store)
        await person.use_up(act)
        return stored

    async def _require_unmoved(self, order: Order, act: Act, person: OrderingPerson) -> None:
        """Raise Conflict where two others have done *act* meanwhile: nothing waits then."""
        state = (await self.acts.log.read(order.content_id)).state
        if (await self.rules.act_of(order, state)).arguments != act.arguments:
            await person.use_up(act)
            raise Conflict(field_error("hash", "text_changed"))

    async def _require_still(self, order: Order, person: OrderingPerson, state: ItemState) -> None:
        """Raises Forbidden unless the order is allowed on the item as it is when it is stored."""
        await person.require_still(await self.rules.act_of(order, state))


@dataclass(frozen=True)
class SessionPerson:
    """The account of a session."""

    rules: Authorizer
    signed_in: SignedIn

    @property
    def actor(self) -> Actor:
        return Actor.of(self.signed_in)

    @property
    def account(self) -> Person:
        return self.signed_in.account

    async def decide(self, act: Act) -> Actor | None:
        ruling = await self.rules.decide(self.signed_in, act)
        return Actor.of(self.signed_in, ruling) if ruling.verdict is Verdict.ALLOWED else None

    async def require_still(self, act: Act) -> None:
        await self.rules.require_still(self.signed_in.account.id, act)

    async def record(self, order: Order, actor: Actor, store: Store) -> ItemState:  # noqa: ARG002
        return await store()

    async def use_up(self, act: Act) -> None:
        await self.rules.use_up(act)
