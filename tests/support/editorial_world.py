"""People who act on one item, at the same time, twice and with lost answers; and who judges it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from contracts import events
from contracts.editorial import (
    Action,
    ActionKind,
    EditorialText,
    ItemState,
    Status,
    name_hash,
    state_after,
)
from contracts.editorial.action import AUTOMATIC_RELEASE, GIVEN_UP, RULE, UNIT_SYSTEM
from contracts.errors import ContractError
from contracts.vocabulary import REJECTIONS

UNIT = "vu-cchc"
NAMES = {"nv-an": "Lê An", "nv-binh": "Lê Bình", "nv-chi": "Lê Chi", "nv-dung": "Lê Dũng"}
NAMES |= {"nv-giang": "Lê Giang"}
"""The name of each account."""
PEOPLE = tuple(NAMES)
START = datetime(2026, 11, 2, 8, tzinfo=UTC)
K, S = ActionKind, Status
USUAL: dict[Status | None, tuple[ActionKind, ...]] = {
    None: (K.RECEIVE, K.SAVE),
    S.DRAFT: (K.SUBMIT, K.SAVE),
    S.RETURNED: (K.SUBMIT, K.SAVE),
    S.SUBMITTED: (K.CONFIRM, *(K.APPROVE,) * 3, K.EDIT, K.PROPOSE, K.REJECT),
    S.UNIT_CONFIRMED: (K.EDIT, K.PROPOSE, K.RETURN),
    S.IN_EDIT: (K.EDIT, K.PROPOSE, K.RETURN, K.COMMENT),
    S.PENDING_APPROVAL: (K.APPROVE, K.APPROVE, K.EDIT, K.REJECT),
    S.APPROVED: (*(K.PUBLISH,) * 3, K.SCHEDULE, K.EDIT, K.SUPERSEDE),
    S.SCHEDULED: (K.PUBLISH, K.EDIT),
    S.PUBLISHED: (K.PUBLISH, *(K.RECEIVE,) * 3, K.SAVE, K.WITHDRAW),
    S.CORRECTED: (K.RECEIVE, K.WITHDRAW, K.PUBLISH),
    S.WITHDRAWN: (K.RECEIVE, K.SAVE),
    S.REJECTED: (K.RECEIVE, K.SAVE, K.SETTLE, K.WITHDRAW),
}
ROLES = {
    K.RECEIVE: (UNIT_SYSTEM,),
    K.PUBLISH: (RULE,),
    K.SETTLE: (RULE,),
    K.SUPERSEDE: (RULE,),
    K.REJECT: ("", "lanh-dao-duyet", RULE),
    K.SCHEDULE: ("", "bien-tap", RULE),
    K.WITHDRAW: ("", "lanh-dao-duyet", UNIT_SYSTEM),
}
"""As what an act may be done; every other by a person alone, whose role has any other name."""
WRITES = (K.RECEIVE, K.SAVE, K.EDIT)
CHECKS = (K.CONFIRM, K.PROPOSE, K.APPROVE)
DECIDES = {K.SUBMIT, K.CONFIRM, K.EDIT, K.PROPOSE, K.APPROVE, K.RETURN, K.REJECT}


def fold(actions: Iterable[Action]) -> ItemState:
    """The state after *actions*, in their order. Raises as `state_after`."""
    state = ItemState()
    for action in actions:
        state = state_after(state, action)
    return state


def a_text(words: str, author: str | None = None) -> EditorialText:
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data={"body": words}, author=author)


def spelled(person: str, chance: Random) -> str:
    """A person's name as it may be written; rarely none at all."""
    return chance.choice((*(person,) * 12, person.upper(), person.replace("-", " "), "***"))


@cache
def same(name: str) -> str:
    """Common form of all spellings of a name and of the id of its account."""
    letters = _letters(name)
    return next((_letters(id) for id, own in NAMES.items() if letters == _letters(own)), letters)


def _letters(name: str) -> str:
    return "".join(one for one in name.casefold() if one.isalnum())


@dataclass
class MemoryLog:
    """The acts of one item, in the order in which they were stored."""

    bodies: list[bytes] = field(default_factory=list)

    def append(self, body: bytes, expected: int) -> bool:
        """Store, if nothing was stored since *expected* acts were read."""
        if len(self.bodies) != expected:
            return False
        self.bodies.append(body)
        return True

    @property
    def actions(self) -> list[Action]:
        return [Action.model_validate_json(body) for body in self.bodies]


@dataclass
class Attempt:
    """An act that a person means to do, in the state that the item has when it is tried."""

    kind: ActionKind
    by: str
    name_hash: str
    role: str
    id: str
    revision: int
    hash: str
    text: EditorialText | None
    note: str
    code: str
    rule: str = ""
    is_clean: bool | None = None

    def on(self, state: ItemState, at: datetime) -> Action:
        return Action(
            id=self.id, at=at, by=self.by, name_hash=self.name_hash, role=self.role,
            kind=self.kind, revision=self.revision, hash=self.hash, text=self.text,
            note=self.note, code=self.code, rule=self.rule, is_clean=self.is_clean, prev=state.head,
        )  # fmt: skip


class EditorialWorld:
    """A random story of some dozen acts."""

    def __init__(self, seed: int) -> None:
        self.random, self.rules = Random(seed), Random(-1 - seed)
        self.promises = Random(f"promises {seed}")
        self.kept_from = self.promises.choice((0, 0, 0, self.promises.randrange(40)))
        """The first act of a version that keeps promises."""
        self.log = MemoryLog()
        self.states = [ItemState()]
        self.now = START
        self.lost: list[Attempt] = []
        self.accepted_texts: list[EditorialText] = []
        self.tried = 0

    def run(self, steps: int = 40) -> list[str]:
        """Play; returns what was wrong."""
        for _ in range(steps):
            self.now += timedelta(minutes=1)
            if self.lost and self.random.random() < 0.5:
                self.attempt(self.lost.pop(), self.states[-1])
            else:
                seen = self.states[-1 - min(self.random.choice((0, 0, 0, 1, 2)), len(self) - 1)]
                self.attempt(self.imagine(seen), seen)
        return [*judge(self.log.actions), *self.missing_texts()]

    def __len__(self) -> int:
        return len(self.states)

    def imagine(self, seen: ItemState) -> Attempt:
        """An act that is usual in the state that a person has seen; or any other."""
        chance = self.random
        kinds = USUAL[seen.status] if chance.random() < 0.85 else tuple(ActionKind)
        kind, person = chance.choice(kinds), chance.choice(PEOPLE)
        self.tried += 1
        text = self.text_for(kind)
        role, by, hash_of_name = self.actor(kind, person)
        revision = self.revision_for(kind, seen)
        return Attempt(
            kind=kind,
            by=by,
            name_hash=hash_of_name,
            role=role,
            id=f"viec-{self.tried}",
            revision=revision,
            hash=text.hash if text else self.hash_for(kind, seen, revision),
            text=text,
            note=chance.choice(("", " ", *("Sai tên cơ quan.",) * 3)),
            code=self.code_for(seen) if kind is K.REJECT else "",
            rule=self.rule_for(kind),
            is_clean=self.promise_for(kind) if self.tried >= self.kept_from else None,
        )

    def promise_for(self, kind: ActionKind) -> bool:
        """Whether a person promises that a text is clean; rarely not where that is asked."""
        return kind in CHECKS and self.promises.random() > 0.05

    def code_for(self, seen: ItemState) -> str:
        """The code of a rejection: a text that is not sent is given up."""
        is_unsent = seen.status in (S.DRAFT, S.RETURNED)
        return GIVEN_UP if is_unsent else self.random.choice(("", "khong-co", *REJECTIONS))

    def rule_for(self, kind: ActionKind) -> str:
        """The rule that approves what a system sends; rarely on an act that none may approve."""
        is_approved = self.rules.random() < (0.25 if kind is K.RECEIVE else 0.02)
        return self.rules.choice((*(AUTOMATIC_RELEASE,) * 9, "khong-co")) if is_approved else ""

    def actor(self, kind: ActionKind, person: str) -> tuple[str, str, str]:
        """The role, the name and its hash of an act; rarely not the ones that it demands.

        A person acts with an account, which tells its name, or rarely by the name alone.
        """
        chance = self.random
        role = chance.choice(ROLES.get(kind, ("",)))
        if chance.random() < 0.05:
            role = chance.choice(("", UNIT_SYSTEM, RULE))
        usual = {UNIT_SYSTEM: UNIT, RULE: "loa"}.get(role)
        if usual and chance.random() < 0.95:
            return role, usual, ""
        if chance.random() < 0.2:
            return role, spelled(NAMES[person], chance), ""
        return role, spelled(person, chance), name_hash(NAMES[person])

    def text_for(self, kind: ActionKind) -> EditorialText | None:
        """A new text, or one that was there before; some edits change nothing."""
        chance = self.random
        if kind not in WRITES or (kind is K.EDIT and chance.random() < 0.2):
            return None
        if self.accepted_texts and chance.random() < 0.2:
            return chance.choice(self.accepted_texts[-3:])
        return a_text(f"Nội dung {self.tried}", chance.choice((None, *NAMES.values())))

    def revision_for(self, kind: ActionKind, seen: ItemState) -> int:
        is_open = seen.status in (S.DRAFT, S.RETURNED)
        usual = seen.revision + (kind is K.RECEIVE or (kind is K.SAVE and not is_open))
        if kind in (K.PUBLISH, K.SUPERSEDE) and seen.approved:
            usual = self.random.choice(sorted(seen.approved))
        if kind is K.WITHDRAW and self.random.random() < 0.5:
            usual = max(seen.going_out, default=usual)
        return max(usual + self.random.choice((0,) * 8 + (1, -1)), 1)

    def hash_for(self, kind: ActionKind, seen: ItemState, revision: int) -> str:
        if self.random.random() < 0.1 and self.accepted_texts:
            return self.random.choice(self.accepted_texts).hash
        return seen.hash_of(revision) or seen.hash

    def attempt(self, attempt: Attempt, seen: ItemState) -> None:
        """Try it on the state that was seen; after a conflict on what is there, once more."""
        for state in (seen, self.states[-1]):
            try:
                action = attempt.on(state, self.now)
                new = state_after(state, action)
            except ContractError:
                return
            if new is state or self.store(attempt, action, state, new):
                return

    def store(self, attempt: Attempt, action: Action, state: ItemState, new: ItemState) -> bool:
        """Add an act to *state*; False if another one has followed it."""
        if not self.log.append(action.encode(), self.states.index(state)):
            return False
        self.stored(attempt, new)
        return True

    def stored(self, attempt: Attempt, state: ItemState) -> None:
        self.states.append(state)
        if attempt.text:
            self.accepted_texts.append(attempt.text)
        if self.random.random() < 0.3:  # the answer is lost, or the person dies before it
            self.lost.append(attempt)

    def judged(self) -> "Judge":
        """Judgement by the acts alone."""
        judging = Judge()
        for action in self.log.actions:
            list(judging.read(action))
        return judging

    def missing_texts(self) -> list[str]:
        kept = {action.hash for action in self.log.actions if action.text}
        return [f"text lost: {one.hash}" for one in self.accepted_texts if one.hash not in kept]


@dataclass
class Judged:
    """Knowledge of a judge about an item's revision, without the product's fold."""

    writers: set[str] = field(default_factory=set)
    editors: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    is_edited_proposal: bool = False
    hash: str = ""
    approved: str = ""
    published: int = 0
    is_leaving: bool = False
    is_sent: bool = False
    is_by_rule: bool = False


@dataclass
class Judge:
    """Reads the acts of an item alone, and says what breaks a hard rule."""

    revisions: dict[int, Judged] = field(default_factory=dict)
    wrote: dict[str, set[str]] = field(default_factory=dict)
    """Who wrote each text, by its hash."""
    out: int = 0
    ended: int = 0

    @property
    def center_checker(self) -> str:
        """Who answered at the Center for the newest text."""
        checks = self.revisions[max(self.revisions)].checks[1:] if self.revisions else []
        return checks[0] if checks else ""

    def read(self, action: Action) -> Iterator[str]:
        yield from _judge_who(action)
        action = action.model_copy(update={"by": same(action.by)})
        newest = max(self.revisions, default=0)
        if action.kind in (K.SAVE, K.RECEIVE) and action.revision < newest:
            yield f"older revision: {action.id}"
        if action.revision not in self.revisions:
            self.revisions[action.revision] = self.begin(action, self.revisions.get(newest))
        one = self.revisions[action.revision]
        yield from self.judge_act(action, one)
        self.note(action, one)

    def begin(self, action: Action, before: Judged | None) -> Judged:
        """A new revision; who wrote one that never was out may have written this one, too."""
        is_made_of_it = before and not before.published and not before.is_sent
        if before and action.kind is K.SAVE:
            is_made_of_it = not before.published
        return Judged(writers={*before.writers, *before.editors[-1:]} if is_made_of_it else set())

    def judge_act(self, action: Action, one: Judged) -> Iterator[str]:
        yield from _judge_reason(action)
        yield from _judge_giving_up(action, one)
        yield from _judge_rule(action, one)
        if action.kind is K.APPROVE:
            yield from _judge_approval(action, one)
            if action.by in self.wrote.get(action.hash, ()):
                yield f"approved by who wrote this very text: {action.by}"
        elif action.kind is K.PUBLISH:
            yield from _judge_release(action, one)
        elif action.kind is K.WITHDRAW:
            yield from self.judge_end(action)
        else:
            yield from _judge_check(action, one)
        if action.kind not in (K.SUPERSEDE, *WRITES) and action.hash != one.hash:
            yield f"concerns another text: {action.id}"

    def judge_end(self, action: Action) -> Iterator[str]:
        if action.revision < max(self.out, self.ended + 1):
            yield f"ended, and a later one was out or ended: {action.id}"
        if self.out and action.by in self.revisions[self.out].writers:
            yield f"withdrawn by its writer: {action.by}"

    def note(self, action: Action, one: Judged) -> None:
        if action.text:
            self.wrote.setdefault(action.hash, set()).add(action.by)
        if action.kind is K.WITHDRAW:
            self.out, self.ended = 0, action.revision
            one.is_sent = True
        elif action.kind is K.PUBLISH and action.revision > self.ended:
            self.out = max(self.out, action.revision)
        _note(action, one)


def judge(actions: list[Action]) -> Iterator[str]:
    """Breaks of hard rules, by reading the acts alone."""
    prev, seen, judging = "", set[str](), Judge()
    for action in actions:
        if action.prev != prev:
            yield f"chain: {action.id}"
        if action.id in seen:
            yield f"twice: {action.id}"
        yield from judging.read(action)
        prev = action.digest
        seen.add(action.id)


def _judge_who(action: Action) -> Iterator[str]:
    roles = ROLES.get(action.kind, ("",))
    if action.role not in roles and ("" not in roles or action.role in (UNIT_SYSTEM, RULE)):
        yield f"{action.kind} as {action.role}"
    if not same(action.by):
        yield f"no name: {action.by}"
    if action.kind is K.RECEIVE and action.by != UNIT:
        yield f"sent by another: {action.by}"


def _judge_check(action: Action, one: Judged) -> Iterator[str]:
    if action.kind is K.CONFIRM and action.by in one.writers:
        yield f"confirmed by its writer: {action.by}"
    if action.kind in (K.CONFIRM, K.PROPOSE) and action.is_clean is False:
        yield f"checked without a promise: {action.id}"
    if action.kind is K.PROPOSE and action.by in one.checks[:1]:
        yield f"one person checked twice: {action.by}"
    if action.kind in (K.EDIT, K.PROPOSE) and not one.checks:
        yield f"taken before the unit confirmed it: {action.id}"
    if action.kind is K.EDIT and one.is_leaving:
        yield f"edited while it leaves: {action.id}"
    is_same = action.kind is K.EDIT and action.hash == one.hash
    if is_same and (action.text or one.approved):
        yield f"edited, and changed nothing: {action.id}"


def _judge_rule(action: Action, one: Judged) -> Iterator[str]:
    if action.rule and (action.kind is not K.RECEIVE or action.rule != AUTOMATIC_RELEASE):
        yield f"{action.kind} approved by rule {action.rule}"
    if one.is_by_rule and action.kind in DECIDES:
        yield f"{action.kind} on what a rule approved: {action.id}"


def _judge_reason(action: Action) -> Iterator[str]:
    if action.kind in (K.RETURN, K.WITHDRAW, K.COMMENT) and not action.note.strip():
        yield f"no reason: {action.kind}"
    codes = (*REJECTIONS, GIVEN_UP)
    is_explained = action.code in codes or (action.note.strip() and not action.code)
    if action.kind is K.REJECT and not is_explained:
        yield "rejected without code"


def _judge_giving_up(action: Action, one: Judged) -> Iterator[str]:
    if action.kind is K.REJECT and (action.code == GIVEN_UP) is one.is_sent:
        yield f"given up after it was sent, or rejected before: {action.id}"
    if action.code == GIVEN_UP and action.by not in one.writers:
        yield f"given up by another: {action.by}"


def _judge_release(action: Action, one: Judged) -> Iterator[str]:
    if not one.approved == action.hash == one.hash:
        yield f"published without approval: {action.id}"
    if one.published:
        yield f"published twice: {action.id}"


def _judge_approval(action: Action, one: Judged) -> Iterator[str]:
    if action.by in one.writers:
        yield f"approved by its writer: {action.by}"
    if action.by in one.editors[-1:]:
        yield f"approved by its editor: {action.by}"
    if action.hash != one.hash:
        yield f"another text approved: {action.id}"
    promises = action.is_clean if one.is_edited_proposal else not one.editors
    if len({*one.checks, *((action.by,) if promises else ())}) < 2:
        yield f"approved unchecked: {action.id}"
    if len(one.checks) < 2 and action.is_clean is False:
        yield f"approved without a promise: {action.id}"


def _note(action: Action, one: Judged) -> None:
    if action.text:
        one.hash = action.hash
    if action.kind in (K.SAVE, K.RECEIVE, K.SUBMIT):
        _note_writers(action, one)
    elif action.kind is K.EDIT and action.text:
        _note_edit(action, one)
    elif action.kind in CHECKS:
        one.checks = [*(() if action.kind is K.CONFIRM else one.checks), action.by]
    if action.kind in (K.RECEIVE, K.SAVE, K.SUBMIT, K.RETURN):
        one.is_sent = action.kind in (K.RECEIVE, K.SUBMIT)
    if action.rule or action.kind in (K.APPROVE, K.EDIT, K.SUPERSEDE):
        one.approved = action.hash if action.rule or action.kind is K.APPROVE else ""
    one.published += action.kind is K.PUBLISH
    one.is_leaving |= action.kind is K.SCHEDULE or bool(action.rule)
    one.is_by_rule |= bool(action.rule)


def _note_edit(action: Action, one: Judged) -> None:
    """The approver answers for an edited proposal; by an earlier version its editor did."""
    one.editors.append(action.by)
    one.is_edited_proposal |= bool(one.checks[1:])
    is_answered_for = one.checks[1:] and action.is_clean is None
    one.checks = [*one.checks[:1], *([action.by] if is_answered_for else [])]


def _note_writers(action: Action, one: Judged) -> None:
    """Who wrote or sent it; of a draft made of an edited text, also who edited that."""
    named = (action.text.author, action.text.submitter) if action.text else ()
    people = () if action.role == UNIT_SYSTEM else (action.by,)
    one.writers |= {same(name) for name in (*named, *people) if name}
    one.writers.update(one.editors[-1:] if action.kind is K.SAVE else ())
    one.checks = [action.by] if action.kind is K.RECEIVE else []
    one.is_edited_proposal = False


def story(seed: int) -> list[str]:
    """Errors after a whole story, also when its acts are folded anew."""
    return told_of(EditorialWorld(seed))


def told_of(world: EditorialWorld) -> list[str]:
    """As `story`; the world stays to be looked at."""
    return [*world.run(), *told_wrong(world)]


def told_wrong(world: EditorialWorld) -> list[str]:
    """Differences when the acts of a story are read again."""
    try:
        again = fold(world.log.actions)
    except ContractError as refused:
        return [f"refused when read again: {refused}"]
    judged = world.judged()
    wrong = [f"readers have {again.out}"] if again.out != judged.out else []
    if same(again.center_checker) != judged.center_checker:
        wrong.append(f"answered for by {again.center_checker}")
    return wrong if again == world.states[-1] else [*wrong, "another state when read again"]
