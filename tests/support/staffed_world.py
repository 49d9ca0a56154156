"""The people of random stories with roles that are given and taken while they act."""

from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from consumers.desk.access import item_facts
from consumers.desk.orders.rules import action_of
from consumers.staff.authorization import Act, Authorizer
from consumers.staff.policy import Grant, ObjectFacts, Verdict, default_policy
from contracts.editorial import Action, ActionKind, ItemState
from contracts.editorial.action import GIVEN_UP
from contracts.errors import Forbidden
from tests.support.editorial_world import NAMES, PEOPLE, UNIT, Attempt, EditorialWorld, told_wrong

K = ActionKind
POLICY = default_policy()
OFFICER, LEADER, EDITOR, APPROVER = (
    "nguoi-gui-tin", "lanh-dao-don-vi", "bien-tap-vien", "lanh-dao-duyet"
)  # fmt: skip
ROLES = (OFFICER, LEADER, EDITOR, APPROVER)
WRITERS = {OFFICER, LEADER, EDITOR}
MAY: Mapping[ActionKind, set[str]] = {
    K.SAVE: WRITERS,
    K.SUBMIT: WRITERS,
    K.CONFIRM: {LEADER},
    K.EDIT: {EDITOR},
    K.PROPOSE: {EDITOR},
    K.APPROVE: {APPROVER},
    K.SCHEDULE: {APPROVER},
    K.REJECT: {APPROVER},
    K.WITHDRAW: {APPROVER},
    K.RETURN: {LEADER, EDITOR, APPROVER},
    K.COMMENT: {*ROLES},
}
"""The roles of which one does an act, told without the roles file."""
OF_A_UNIT = {OFFICER, LEADER}
WROTE = {K.SAVE, K.EDIT, K.SUBMIT}
_STEPS = 80
_USUALLY = (OFFICER, LEADER, EDITOR, APPROVER, APPROVER)


@dataclass(frozen=True)
class Account:
    """What decisions depend on."""

    id: str
    name: str
    unit: str = UNIT
    grants: tuple[Grant, ...] = ()
    is_active: bool = True


class StaffedWorld(EditorialWorld):
    """A random story in which who acts by an account needs a role for it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.accounts = {
            id: Account(id, NAMES[id], grants=(Grant(role=role),))
            for id, role in zip(PEOPLE, _USUALLY, strict=True)
        }
        self.before: dict[str, Account] = {}
        self.authorizer = Authorizer(self, POLICY, lambda: self.now.timestamp())
        self.wrong: list[str] = []

    async def find(self, id: str) -> Account:
        """The account as it is now, for the product's last look."""
        return self.accounts[id]

    def attempt(self, attempt: Attempt, seen: ItemState) -> None:
        if self.random.random() < 0.1:
            self.change_rights()
        if not attempt.name_hash or self.is_allowed(attempt, self.states[-1]):
            super().attempt(attempt, seen)

    def change_rights(self) -> None:
        """One account gets another role or unit, is disabled, or is as at first."""
        chance, id = self.random, self.random.choice(PEOPLE)
        usual = _USUALLY[PEOPLE.index(id)]
        role = chance.choice((usual, usual, *ROLES))
        self.before[id] = self.accounts[id]
        self.accounts[id] = Account(
            id,
            NAMES[id],
            chance.choice((*(UNIT,) * 5, "vu-khac")),
            (Grant(role=role),) if chance.random() < 0.8 else (),
            is_active=chance.random() < 0.9,
        )

    def is_allowed(self, attempt: Attempt, now: ItemState) -> bool:
        """Whether the product lets the account: when its page is opened, and when it is stored."""
        facts = item_facts(now)
        if now.text is None:
            facts = replace(facts, unit=UNIT)
        action = action_of(attempt.kind, now)
        ruling = POLICY.is_allowed(self.account_at_first(attempt), action, facts)
        return ruling.verdict is Verdict.ALLOWED and self.is_still_allowed(attempt, action, facts)

    def account_at_first(self, attempt: Attempt) -> Account:
        """The account as it is now, or as it was when a page was opened."""
        id = _id(attempt)
        return (
            self.before.get(id, self.accounts[id]) if self.was_open(attempt) else self.accounts[id]
        )

    def was_open(self, attempt: Attempt) -> bool:
        """Whether the page was opened before the account's last change; of every third."""
        return int(attempt.id.rpartition("-")[2]) % 3 == 0

    def is_still_allowed(self, attempt: Attempt, action: str, facts: ObjectFacts) -> bool:
        try:
            run_at_once(self.authorizer.require_still(_id(attempt), Act(action, facts)))
        except Forbidden:
            return False
        return True

    def stored(self, attempt: Attempt, state: ItemState) -> None:
        super().stored(attempt, state)
        if attempt.name_hash and attempt.kind in MAY:
            self.judge_right(attempt)

    def judge_right(self, attempt: Attempt) -> None:
        account = self.accounts[_id(attempt)]
        may = WRITERS if attempt.code == GIVEN_UP else MAY[attempt.kind]
        roles = {one.role for one in account.grants} & may
        if account.unit != UNIT:
            roles -= OF_A_UNIT - self.of_own_items(attempt)
        if not (account.is_active and roles):
            self.wrong.append(f"{attempt.kind} without a right: {attempt.by}")

    def of_own_items(self, attempt: Attempt) -> set[str]:
        """The roles that read, and remark on, what their account wrote, from any unit."""
        wrote = {_id(one) for one in self.log.actions if one.kind in WROTE}
        return {OFFICER} if attempt.kind is K.COMMENT and _id(attempt) in wrote else set()


def run_at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run what waits for nothing."""
    with suppress(StopIteration):
        work.send(None)


def _id(attempt: Attempt | Action) -> str:
    letters = "".join(one for one in attempt.by.casefold() if one.isalnum())
    return next((id for id in PEOPLE if id.replace("-", "") == letters), PEOPLE[0])


def staffed_story(seed: int) -> list[str]:
    """What is wrong after a whole story."""
    return staffed_story_of(StaffedWorld(seed))


def staffed_story_of(world: StaffedWorld) -> list[str]:
    """As `staffed_story`; the world stays to be looked at."""
    wrong = world.run(_STEPS)
    return [*wrong, *world.wrong, *told_wrong(world)]
