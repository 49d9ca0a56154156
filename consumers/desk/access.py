"""The rights of an account to one item, by the facts of its editorial log."""

from dataclasses import dataclass, replace
from typing import Protocol

from consumers.intake.items import Item, Position
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.authorization import ReadingRight
from consumers.staff.policy import ObjectFacts, Policy, Verdict
from contracts.campaigns.composition import plan_in
from contracts.editorial import ItemState
from contracts.errors import Forbidden


def item_facts(
    state: ItemState, item: Item | None = None, position: Position | None = None
) -> ObjectFacts:
    """The facts for decisions by the newest text of an item; without one, of its records."""
    text = state.text
    if text is None and position:
        named = {position.author, position.submitter}
        return ObjectFacts(position.unit, position.topic, frozenset(filter(None, named)))
    if text is None:
        return ObjectFacts(item.unit, item.topic) if item else ObjectFacts()
    topic = str(text.data.get("topic", ""))
    plan = plan_in(text.data)
    return ObjectFacts(
        *(text.unit, topic, state.writers, state.last_editor),
        earlier_writers=frozenset[str]().union(*state.writers_of.values()),
        partners=plan.units if plan else (),
    )


def acting_facts(state: ItemState) -> ObjectFacts:
    """The facts for decisions about an act: the units of a plan only read the campaign."""
    return replace(item_facts(state), partners=())


class Access(Protocol):
    """Decides who may read an item."""

    @property
    def policy(self) -> Policy: ...

    async def require(self, account_id: str, facts: ObjectFacts, *actions: str) -> None:
        """Require that one of *actions* is allowed. Raises Forbidden."""
        ...


@dataclass(frozen=True)
class TerminalAccess:
    """The right of the person at a terminal, which was asked for once."""

    right: ReadingRight

    @property
    def policy(self) -> Policy:
        return self.right.policy

    async def require(self, account_id: str, facts: ObjectFacts, *actions: str) -> None:  # noqa: ARG002
        """Raises Forbidden."""
        self.right.require(facts)


@dataclass(frozen=True)
class ItemAccess:
    """Decides about reading; what a second person has to agree to is the authorizer's."""

    accounts: AccountStore
    policy: Policy

    async def require(self, account_id: str, facts: ObjectFacts, *actions: str) -> None:
        """Require that one of *actions* is allowed. Raises Forbidden."""
        account = await self.accounts.find(account_id)
        if account is None:
            raise Forbidden
        if not self.allows(account, facts, *actions):
            ruling = self.policy.is_allowed(account, actions[0], facts)
            raise Forbidden(self.policy.refusal(ruling, actions[0]))

    def allows(self, account: Account, facts: ObjectFacts, *actions: str) -> bool:
        """Whether one of *actions* is allowed."""
        rulings = (self.policy.is_allowed(account, action, facts) for action in actions)
        return any(one.verdict is Verdict.ALLOWED for one in rulings)
