"""Lists of one person: items that wait for the person, and those that may be read."""

from collections.abc import Iterator
from dataclasses import replace

from consumers.staff.accounts import Account
from consumers.staff.policy import Condition, Grant, Policy
from contracts.desk.deadlines import Step
from contracts.desk.index import ItemFilter, NamedIn, Order, Scope
from contracts.desk.roles import READ_DRAFTS
from contracts.editorial import UNSENT, Status

_ACTION_OF_STEP = {Step.CONFIRM: "confirm", Step.EDIT: "edit", Step.APPROVE: "approve"}
_NOBODY = Scope(units=("",))


def _names(account: Account) -> tuple[str, ...]:
    """Under which names records have a person."""
    return (account.id, account.name)


def waiting_for(policy: Policy, account: Account) -> ItemFilter:
    """Items that wait for a step that the person may do, the nearest deadline first."""
    scopes = tuple(
        scope
        for step, action in _ACTION_OF_STEP.items()
        for scope in _scopes(policy, account, action, frozenset({step}))
    )
    return ItemFilter(scopes=scopes or (_NOBODY,), not_barred=_names(account), order=Order.URGENT)


def own_items(account: Account, *, unsent: bool = False) -> ItemFilter:
    """Items that the person wrote, sent, checked or edited; or the unsent ones of them."""
    statuses = UNSENT if unsent else frozenset[Status]()
    units = {account.unit, *(unit for grant in account.grants for unit in grant.units)}
    named = NamedIn(account.name, tuple(sorted(units)))
    return ItemFilter(person=(account.id,), named=named, statuses=statuses)


def readable(policy: Policy, account: Account) -> ItemFilter:
    """Items that the person may read: all that grants reach, and own items for roles of these."""
    scopes = tuple(_scopes(policy, account, READ_DRAFTS, frozenset()))
    permissions = [policy.permissions.get((one.role, READ_DRAFTS)) for one in account.grants]
    if any(one and Condition.OWN_ITEM in one.conditions for one in permissions):
        return replace(own_items(account), scopes=scopes, adds_own=bool(scopes))
    return ItemFilter(scopes=scopes or (_NOBODY,))


def _scopes(
    policy: Policy, account: Account, action: str, steps: frozenset[Step]
) -> Iterator[Scope]:
    """The units and topics for which grants allow *action* on any person's items."""
    for grant in account.grants:
        permission = policy.permissions.get((grant.role, action))
        if permission is None or Condition.OWN_ITEM in permission.conditions:
            continue
        is_own_unit = Condition.OWN_UNIT in permission.conditions
        units = _units(grant, account, is_own_unit)
        yield Scope(steps, units, grant.topics, with_partners=action == READ_DRAFTS)


def _units(grant: Grant, account: Account, is_own_unit: bool) -> tuple[str, ...]:
    return grant.units or ((account.unit,) if is_own_unit else ())
