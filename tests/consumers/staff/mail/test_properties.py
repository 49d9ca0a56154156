"""Random histories of people at one item, worked through in random passes: no person is missed."""

from collections import Counter
from random import Random

import pytest

from consumers.staff.accounts import Account
from consumers.staff.mail.item_history import HistoryEntry, MailRules, history_of, mails_of
from consumers.staff.policy import Grant, default_policy
from contracts.desk.deadlines import default_deadlines
from contracts.desk.staff_mail import StaffMailKind
from contracts.editorial import Action, ActionKind, ItemState, Status, name_hash, state_after
from contracts.errors import ContractError
from tests.support.editorial_world import NAMES, PEOPLE, START, UNIT, EditorialWorld, same

STORIES = 300
K, S, M = ActionKind, Status, StaffMailKind
ROLES = ("nguoi-gui-tin", "lanh-dao-don-vi", "bien-tap-vien", "lanh-dao-duyet", "lanh-dao-duyet")
ACCOUNTS = [
    Account(
        id=id, login=id, name=NAMES[id], unit=UNIT, grants=(Grant(role=role),), state="active",
        created=START,
    )
    for id, role in zip(PEOPLE, ROLES, strict=True)
]  # fmt: skip
RULES = MailRules(ACCOUNTS, default_policy(), default_deadlines(), START)
SURE = {
    K.APPROVE: {M.APPROVED},
    K.PUBLISH: {M.PUBLISHED, M.CORRECTED},
    K.RETURN: {M.RETURNED},
    K.REJECT: {M.REJECTED},
    K.WITHDRAW: {M.WITHDRAWN},
}
"""Mails to those who wrote or sent a text, by act of another."""
NEXT = {
    "confirm": ("lanh-dao-don-vi", K.CONFIRM),
    "edit": ("bien-tap-vien", K.PROPOSE),
    "approve": ("lanh-dao-duyet", K.APPROVE),
}


def worked_through(acts: list[Action], chance: Random) -> dict[tuple[str, str], set[StaffMailKind]]:
    """Mails of each act, by account; a pass sees some acts, a dead one is repeated."""
    found: dict[tuple[str, str], set[StaffMailKind]] = {}
    ids, done = Counter[str](), 0
    while done < len(acts):
        seen = chance.randint(done, len(acts))
        history = history_of("tin-1", enumerate(acts[:seen]))
        for entry in history[done:]:
            if chance.random() < 0.1:  # the process dies before this act is written
                break
            for account, mail in mails_of(entry, history, RULES).items():
                ids[mail.id] += 1
                found[entry.action.id, account] = {mail.line.kind}
            done += 1
    assert {*ids.values()} <= {1}
    return found


def may(state: ItemState, kind: ActionKind, account: Account) -> bool:
    """Whether the log takes the act from this account."""
    act = Action(
        id="thu", at=START, by=account.id, name_hash=name_hash(account.name), kind=kind,
        revision=state.revision, hash=state.hash, prev=state.head,
    )  # fmt: skip
    try:
        state_after(state, act)
    except ContractError:
        return False
    return True


def missed_writers(history: list[HistoryEntry], found) -> list[str]:
    """Acts whose writers were not told, or whose doer was."""
    wrong = []
    for _, action, after, *_ in history:
        writers = {same(one) for one in after.writers_of.get(action.revision, ())}
        for account in ACCOUNTS:
            names = {same(account.id), same(account.name)}
            entry = found.get((action.id, account.id), set())
            if same(action.by) in names:
                wrong += [f"{account.id} of the own {action.kind}"] if entry else []
            elif names & writers and action.kind in SURE and not entry & SURE[action.kind]:
                wrong.append(f"{account.id} of {action.kind}")
    return wrong


def missed_waits(history: list[HistoryEntry], found) -> list[str]:
    """Who may take the step that the item waits for now, and was not told since that began."""
    waits = [one.line.step for one in history[-1].notices if one.permission]
    last = next((n for n in range(len(history) - 1, -1, -1) if _begins(history, n)), None)
    if last is None or not _step(history[-1].state):
        return [f"waits for nobody: {waits}"] if waits else []
    role, kind = NEXT[_step(history[-1].state)]
    entitled = [
        one for one in ACCOUNTS
        if one.grants[0].role == role and may(history[last].state, kind, one)
        and may(history[-1].state, kind, one)
    ]  # fmt: skip
    act = history[last].action.id
    told = {M.WAITS, M.OVERTAKEN}
    return [one.id for one in entitled if not told & found.get((act, one.id), set())]


def _step(state: ItemState) -> str:
    if state.status is S.SUBMITTED:
        return "edit" if state.unit_checker else "confirm"
    steps = {S.UNIT_CONFIRMED: "edit", S.IN_EDIT: "edit", S.PENDING_APPROVAL: "approve"}
    return steps.get(state.status, "") if state.status else ""


def _begins(history: list[HistoryEntry], number: int) -> bool:
    before = history[number - 1].state if number else ItemState()
    after = history[number].state
    return (_step(before), before.revision) != (_step(after), after.revision)


@pytest.mark.parametrize("chunk", range(4))
def test_each_act_is_told_once_to_each_whom_it_concerns(chunk):
    entry = Counter[StaffMailKind]()
    for seed in range(chunk * STORIES // 4, (chunk + 1) * STORIES // 4):
        world = EditorialWorld(seed)
        world.run()
        acts = world.log.actions
        found, history = worked_through(acts, Random(seed)), history_of("tin-1", enumerate(acts))
        assert missed_writers(history, found) == [], seed
        assert missed_waits(history, found) == [], seed
        entry.update(kind for kinds in found.values() for kind in kinds)
    assert {*entry} >= {M.WAITS, M.PROGRESS, *(kind for kinds in SURE.values() for kind in kinds)}
