"""The people of random stories with roles that are given and taken while they act."""

from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from consumers.desk.access import item_facts
from consumers.desk.orders.rules import action_of
from consumers.desk.orders.service import Orders, SessionPerson
from consumers.staff.authorization import Act
from consumers.staff.policy import Grant, ObjectFacts, Verdict, default_policy
from consumers.staff.sessions import Session, SignedIn
from contracts.desk.editorial import Order
from contracts.editorial import Action, ActionKind, EditorialText, ItemState
from contracts.editorial.action import GIVEN_UP
from contracts.errors import ContractError, Forbidden
from tests.support.editorial_world import NAMES, PEOPLE, UNIT, Attempt, EditorialWorld, told_wrong
from tests.support.memory_orders import MemoryActs, MemoryAuthorizer, MemoryBus, MemoryRules

K = ActionKind
T = TypeVar("T")
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
_STEPS = 64
_USUALLY = (OFFICER, LEADER, EDITOR, APPROVER, APPROVER)


@dataclass(frozen=True)
class Account:
    """Facts of an account that decisions depend on."""

    id: str
    name: str
    unit: str = UNIT
    grants: tuple[Grant, ...] = ()
    is_active: bool = True


class StaffedWorld(EditorialWorld):
    """A random story in which who acts by an account needs a role for it.

    In every other one the texts are urgent, and an approval takes two.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.accounts = {
            id: Account(id, NAMES[id], grants=(Grant(role=role),))
            for id, role in zip(PEOPLE, _USUALLY, strict=True)
        }
        self.before: dict[str, Account] = {}
        self.bus, self.is_urgent = MemoryBus(), seed // 2 % 2 == 0
        self.authorizer = MemoryAuthorizer(self, POLICY, self.clock)
        self.order_rules = MemoryRules(self.bus, POLICY)
        self.agreed: dict[tuple[str, str], set[str]] = {}
        """Who agreed to an approval, by the state of the item."""
        self.wrong: list[str] = []
        self.approved_by_two = self.kept_from = 0

    def clock(self) -> float:
        return self.now.timestamp()

    def text_for(self, kind: ActionKind) -> EditorialText | None:
        text = super().text_for(kind)
        if text is None or not self.is_urgent:
            return text
        return text.model_copy(update={"data": {**text.data, "lane": "urgent"}})

    async def find(self, id: str) -> Account:
        """The account as it is now, for the product's last look."""
        return self.accounts[id]

    def attempt(self, attempt: Attempt, seen: ItemState) -> None:
        if self.random.random() < 0.1:
            self.change_rights()
        if attempt.name_hash and seen.text is not None:
            with suppress(ContractError):
                self.order(attempt, seen)
        elif not attempt.name_hash or self.is_allowed(attempt, self.states[-1]):
            super().attempt(attempt, seen)

    def order(self, attempt: Attempt, seen: ItemState) -> None:
        """Let the product decide on an order that an account gives. Raises ContractError."""
        data = attempt.text.data if attempt.text else None
        order = Order("tin", attempt.kind, attempt.id, attempt.hash, data)
        acts = MemoryActs(attempt, self.now, seen, self)
        person = SessionPerson(self.authorizer, self.session_of(attempt))
        work = Orders(acts, self.order_rules).perform(order, seen, person)
        if run_at_once(work) is None:
            self.agreed.setdefault(_place(seen), set()).add(_id(attempt))

    def newest(self) -> ItemState:
        return self.states[-1]

    def before_it_is_stored(self) -> None:
        if self.random.random() < 0.1:
            self.change_rights()

    def session_of(self, attempt: Attempt) -> SignedIn:
        account = self.account_at_first(attempt)
        session = Session(account=account.id, generation=0, started=self.now, used=self.now)
        return SignedIn(session, account)

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
        """Whether the product lets the account begin: at its page, and when it is stored."""
        facts = replace(item_facts(now), unit=UNIT)
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
        if attempt.kind is K.APPROVE and self.is_urgent:
            self.judge_agreement(attempt, account)

    def judge_agreement(self, attempt: Attempt, account: Account) -> None:
        self.approved_by_two += self.others_agreed(account)
        if not self.others_agreed(account):
            self.wrong.append(f"approved by one: {attempt.by}")

    def others_agreed(self, account: Account) -> bool:
        """Whether another one who may approve had agreed to what was approved last."""
        agreed = self.agreed.get(_place(self.states[-2]), set()) - {account.id}
        others = [self.accounts[id] for id in agreed]
        return any(one.is_active and Grant(role=APPROVER) in one.grants for one in others)

    def of_own_items(self, attempt: Attempt) -> set[str]:
        """The roles that read, and remark on, what their account wrote, from any unit."""
        wrote = {_id(one) for one in self.log.actions if one.kind in WROTE}
        return {OFFICER} if attempt.kind is K.COMMENT and _id(attempt) in wrote else set()


def run_at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("it waits")


def _place(state: ItemState) -> tuple[str, str]:
    """The text and the act that began its status, to which people agree."""
    return state.hash, state.last_change.id if state.last_change else ""


def _id(attempt: Attempt | Action) -> str:
    letters = "".join(one for one in attempt.by.casefold() if one.isalnum())
    return next((id for id in PEOPLE if id.replace("-", "") == letters), PEOPLE[0])


def staffed_story(seed: int) -> list[str]:
    """Errors after a whole story."""
    return staffed_story_of(StaffedWorld(seed))


def staffed_story_of(world: StaffedWorld) -> list[str]:
    """As `staffed_story`; the world stays to be looked at."""
    wrong = world.run(_STEPS)
    return [*wrong, *world.wrong, *told_wrong(world)]
