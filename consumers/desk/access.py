"""What an account may do with one item, by the facts of its editorial log."""

from dataclasses import dataclass

from consumers.staff.accounts import AccountStore
from consumers.staff.policy import ObjectFacts, Policy, Verdict
from contracts.editorial import ItemState
from contracts.errors import Forbidden

READ = "read-drafts"


def item_facts(state: ItemState) -> ObjectFacts:
    """What decisions depend on, of the newest text of an item."""
    text = state.text
    if text is None:
        return ObjectFacts()
    topic = str(text.data.get("topic", ""))
    return ObjectFacts(text.unit, topic, state.writers, state.last_editor)


@dataclass(frozen=True)
class ItemAccess:
    """Decides about reading; what a second person has to agree to is the authorizer's."""

    accounts: AccountStore
    policy: Policy

    async def require(self, account_id: str, action: str, facts: ObjectFacts) -> None:
        """Raises Forbidden."""
        account = await self.accounts.find(account_id)
        if account is None:
            raise Forbidden
        ruling = self.policy.is_allowed(account, action, facts)
        if ruling.verdict is not Verdict.ALLOWED:
            raise Forbidden(ruling.as_error(action))
