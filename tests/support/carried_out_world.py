"""Random stories of people at one item on a real bus; people and intake die in between."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from itertools import chain, takewhile
from random import Random
from typing import Any, NamedTuple

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator
from consumers.dead_letters.store import DeadLetterStore
from consumers.desk.editorial import EditorialDesk, PersonAtDesk
from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.intake import items
from consumers.intake.handler import Intake
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.authorization import Authorizer
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import Session, SignedIn
from consumers.uploads.kept import NAME, find_kept
from consumers.uploads.unused import UnusedFiles
from contracts import subjects
from contracts.base.times import utc_now
from contracts.desk.editorial import NewItem, Order
from contracts.desk.uploads import UploadAddress, named_by_fields
from contracts.editorial import Action, ActionKind, ItemState, Status
from contracts.editorial.action import DESK_ACT, RULE
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT, REJECTIONS
from producers.bus import Bus
from producers.bus.records import require
from producers.object_store import ObjectStore
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.dead_letters import buried
from tests.support.editorial_world import judge
from tests.support.events import UNIT, released_publications
from tests.support.staffed_world import MAY

K, S = ActionKind, Status
ROLES = {
    "an": "nguoi-gui-tin",
    "binh": "lanh-dao-don-vi",
    "chi": "bien-tap-vien",
    "dung": "lanh-dao-duyet",
    "giang": "lanh-dao-duyet",
}
"""The role of each person."""
WRITER, LEADER, EDITOR, APPROVER, SECOND = PEOPLE = tuple(ROLES)
USUAL: dict[Status | None, tuple[tuple[ActionKind, str], ...]] = {
    S.DRAFT: ((K.SUBMIT, WRITER), (K.SUBMIT, WRITER), (K.SAVE, WRITER)),
    S.RETURNED: ((K.SUBMIT, WRITER), (K.SAVE, WRITER)),
    S.SUBMITTED: ((K.CONFIRM, LEADER),) * 3 + ((K.RETURN, LEADER),),
    S.UNIT_CONFIRMED: ((K.PROPOSE, EDITOR), (K.EDIT, EDITOR)),
    S.IN_EDIT: ((K.PROPOSE, EDITOR),) * 2 + ((K.COMMENT, EDITOR),),
    S.PENDING_APPROVAL: ((K.APPROVE, APPROVER), (K.APPROVE, SECOND)) * 4
    + ((K.EDIT, EDITOR), (K.REJECT, APPROVER)),
    S.APPROVED: ((K.EDIT, EDITOR), (K.EDIT, EDITOR), (K.WITHDRAW, APPROVER)),
    S.SCHEDULED: ((K.EDIT, EDITOR), (K.WITHDRAW, APPROVER)),
    S.PUBLISHED: ((K.SAVE, WRITER),) * 2 + ((K.WITHDRAW, APPROVER),),
    S.CORRECTED: ((K.SAVE, WRITER), (K.WITHDRAW, APPROVER)),
    S.WITHDRAWN: ((K.SAVE, WRITER),),
    S.REJECTED: ((K.SAVE, WRITER),),
    S.EXPIRED: ((K.SAVE, WRITER),),
}
"""Next act, and its usual author."""
_STEPS = 30
_MOST_CALLS = 14
_LAST_PASSES = 2


class Tried(NamedTuple):
    """An order, and the sign-in name of who gives it."""

    order: Order
    login: str

    @property
    def act(self) -> str:
        """The id of its act."""
        return f"{DESK_ACT}{self.order.act_id}.{self.order.kind}"


async def sign_in_people(bus: Bus, clock: FakeClock) -> Mapping[str, SignedIn]:
    """An account for each person, as it is when they sign in."""
    accounts, now = AccountStore(bus, clock), utc_now(clock)
    found = {}
    for login, role in ROLES.items():
        grants = (Grant(role=role),)
        added, _ = await accounts.add(
            NewAccount(login=login, name=login, unit=UNIT, grants=grants), "test"
        )
        account = await accounts.change(added.id, _active)
        session = Session(account=account.id, generation=account.generation, started=now, used=now)
        found[login] = SignedIn(session, account)
    return found


def _active(account: Account) -> Account:
    return account.model_copy(update={"state": "active"})


class Visit(NamedTuple):
    signed_in: SignedIn


Happening = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Happen not at all."""


@dataclass(frozen=True)
class InterruptedActs(ItemActs):
    """The acts of the product; *before* one is stored, something else happens."""

    before: Happening = nothing

    async def perform(self, *order: Any, **more: Any) -> ItemState:
        await self.before()
        return await super().perform(*order, **more)


@dataclass(frozen=True)
class InterruptedDesk(EditorialDesk):
    before: Happening = nothing

    @property
    def acts(self) -> ItemActs:
        return InterruptedActs(self.log, self.vocabulary, self.rules.clock, before=self.before)


@dataclass
class CarriedOutWorld:
    """One item. People order acts; some orders come twice, or without an answer.

    In one story of three the text is urgent, and takes two people.
    """

    bus: Bus
    clock: FakeClock
    people: Mapping[str, SignedIn]
    seed: int
    item: str = ""
    lost: list[Tried] = field(default_factory=list)
    seen: list[ItemState] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    """Errors on the way."""
    answered: set[str] = field(default_factory=set)
    """The acts that people were told are done."""
    agreed: dict[str, set[str]] = field(default_factory=dict)
    """Who was told that a second person has to agree, by what the text had come to."""
    delivered: int = 0
    """The last act that intake has acknowledged, by its place in the log."""
    crashes: int = 0
    halves_lost: int = 0
    tried: int = 0

    uploaded: int = 0
    letter: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.log = EditorialLog(self.bus)

    @property
    def is_urgent(self) -> bool:
        return self.seed % 3 == 0

    @property
    def has_files(self) -> bool:
        """Whether each text names a file, which may not be uploaded yet."""
        return self.seed % 4 == 1

    @property
    def file(self) -> tuple[UploadAddress, bytes]:
        """The file that the newest text names, with its content."""
        content = b"%%PDF %d %d" % (self.seed, self.tried)
        return UploadAddress(sha256(content).hexdigest(), "a.pdf"), content

    async def run(self) -> list[str]:
        """Play; returns what was wrong."""
        if self.has_letter:
            await self.bury_letter()
        for _ in range(_STEPS):
            if self.has_letter and self.random.random() < 0.2:
                await self.end_letter()
            self.clock.advance(60)
            await self.someone_acts()
            if self.random.random() < 0.6:
                await self.intake_works()
        for _ in range(_LAST_PASSES):
            await self.deliver(Intake(self.bus, DEFAULT, self.clock), 0)
            await Intake(self.bus, DEFAULT, self.clock).decisions.finish_interrupted()
        return [*self.found, *[one async for one in self.wrong()]]

    # --- people

    async def someone_acts(self) -> None:
        """One order, or two at the same moment; now and then one whose answer was lost, again."""
        if self.item and self.has_files and self.random.random() < 0.5:
            await self.upload()
        if not self.item:
            await self.begin()
            return
        self.seen.append((await self.log.read(self.item)).state)
        if self.lost and self.random.random() < 0.5:
            await self.give(self.lost.pop(), may_die=False)
        elif self.random.random() < 0.2:
            await asyncio.gather(*(self.give(self.order(), may_die=False) for _ in range(2)))
        elif self.random.random() < 0.1:
            await self.lose_right(self.order())
        elif self.half_approved and self.random.random() < 0.5:
            await self.lose_first_half(self.order())
        else:
            await self.give(self.order(), may_die=True)

    async def upload(self) -> None:
        """Upload the file of the text that was written last; the process may die meanwhile."""
        address, content = self.named
        bus = self.mortal_bus() if self.random.random() < 0.3 else self.bus
        try:
            await ObjectStore(bus).put(address.hash, [content], {NAME: address.name})
        except SimulatedCrash:
            self.crashes += 1

    async def begin(self) -> None:
        """Save the first text, again and again until it has an answer."""
        new = NewItem(UNIT, f"{self.seed:016x}{0:016x}", self.text())
        try:
            self.item = await self.person(WRITER, self.mortal_bus()).begin(new)
        except SimulatedCrash:
            self.crashes += 1

    def person(self, login: str, bus: Any, before: Happening = nothing) -> PersonAtDesk:
        """A person at the desk of a process on *bus*; *before* an act is stored, that happens."""
        rules = Authorizer(AccountStore(bus, self.clock), default_policy(), self.clock)
        desk = InterruptedDesk(bus, EditorialLog(bus), rules, DEFAULT, before=before)
        return desk.of(Visit(self.people[login]))

    def order(self) -> Tried:
        """An order on a text that a person has seen, mostly the newest."""
        chance, self.tried = self.random, self.tried + 1
        seen = self.seen[-1] if chance.random() < 0.85 else chance.choice(self.seen[-3:])
        kind, person = chance.choice(USUAL[seen.status])
        if chance.random() < 0.15:
            person = chance.choice(PEOPLE)
        data = self.text() if kind in (K.SAVE, K.EDIT) else None
        code = next(iter(REJECTIONS)) if kind is K.REJECT else ""
        act_id = f"{self.seed:016x}{self.tried:016x}"
        shown = seen.out_hash if kind is K.WITHDRAW else seen.hash
        facts = (self.item, kind, act_id, shown, data, "Có sai sót.", code)
        is_clean = Random(act_id).random() > 0.1
        return Tried(Order(*facts, is_clean=is_clean), person)

    def text(self) -> dict[str, Any]:
        self.named = self.file
        url = f"https://thong-bao.example.gov.vn{self.named[0].path}"
        attached = [{"url": url, "title": "Văn bản"}] if self.has_files else []
        return {
            "attachments": attached,
            "title": "Lịch trả kết quả", "body": f"Nội dung {self.tried}.", "reason": "Sai ngày.",
            "topic": "cai-cach-hanh-chinh", "channels": ["portal"],
            "lane": "urgent" if self.is_urgent else "normal",
        }  # fmt: skip

    async def give(self, tried: Tried, *, may_die: bool, before: Happening = nothing) -> None:
        """Order an act; the process may die meanwhile, and then nothing is known of it."""
        dies = may_die and self.random.random() < 0.3
        known = (await self.log.read(self.item)).state
        try:
            bus = self.mortal_bus() if dies else self.bus
            is_done = await self.person(tried.login, bus, before).perform(tried.order)
        except SimulatedCrash:
            self.lost.append(tried)
            self.crashes += 1
        except ContractError as refused:
            if tried.act in known.ids:
                self.found.append(f"a repeat is refused: {tried.act}: {refused}")
            return
        else:
            self.note_answer(tried, known, is_done=is_done)
        if self.random.random() < 0.1:
            self.lost.append(tried)  # a second press

    def note_answer(self, tried: Tried, before: ItemState, *, is_done: bool) -> None:
        """Note what a person was told; an agreement counts until the text moves on."""
        if is_done:
            self.answered.add(tried.act)
            return
        agreed = self.agreed.setdefault(before.head, set())
        if agreed - {tried.login}:
            self.found.append(f"two agreed, and nothing was done: {tried.act}")
        agreed.add(tried.login)

    async def lose_right(self, tried: Tried) -> None:
        """Give an order by a session whose account has lost its role a moment before."""
        accounts, id = AccountStore(self.bus, self.clock), self.people[tried.login].account.id
        grants = (await accounts.require(tried.login)).grants
        await accounts.change(id, lambda one: one.model_copy(update={"grants": ()}))
        try:
            await self.give(tried, may_die=False)
        finally:
            await accounts.change(id, lambda one: one.model_copy(update={"grants": grants}))
        if tried.act in self.answered:
            self.found.append(f"acted without a role: {tried.act}")

    @property
    def half_approved(self) -> set[str]:
        """Who has agreed to the approval for which the item waits."""
        return self.agreed.get(self.seen[-1].head, set())

    async def lose_first_half(self, tried: Tried) -> None:
        """Give an order while those who agreed before lose their role, right before it is stored.

        Their agreement counts again with the role.
        """
        accounts, first = AccountStore(self.bus, self.clock), self.half_approved - {tried.login}

        async def set_roles(*roles: str) -> None:
            grants = tuple(Grant(role=role) for role in roles)
            for login in first:
                id = self.people[login].account.id
                await accounts.change(id, lambda one: one.model_copy(update={"grants": grants}))

        try:
            await self.give(tried, may_die=False, before=set_roles)
        finally:
            await set_roles(ROLES[APPROVER])
        if first and tried.order.kind is K.APPROVE and tried.act in self.answered:
            self.found.append(f"approved with one who had lost the role: {tried.act}")
        self.halves_lost += bool(first) and tried.order.kind is K.APPROVE

    # --- a dead letter

    @property
    def has_letter(self) -> bool:
        """Whether an operator ends a dead letter meanwhile."""
        return self.seed % 4 == 3

    @property
    def body(self) -> bytes:
        return b'{"seed": %d}' % self.seed

    async def bury_letter(self) -> None:
        letter = await buried(DeadLetterStore(self.bus), self.body)
        self.letter = letter.id

    async def end_letter(self) -> None:
        """Send the letter again or discard it; two may do so at once, and processes die."""
        count = self.random.choice((1, 2))
        buses = [self.random.choice((self.bus, self.mortal_bus())) for _ in range(count)]
        ended = await asyncio.gather(*map(self.decide, buses), return_exceptions=True)
        for error in ended:
            self.crashes += isinstance(error, SimulatedCrash)
            if error and not isinstance(error, (SimulatedCrash, ContractError)):
                raise error

    async def decide(self, bus: Any) -> None:
        store = DeadLetterStore(bus)
        decisions, letter = DeadLetterDecisions(store), await store.load(self.letter)
        end = self.random.choice((decisions.replay, decisions.discard))
        await end(letter, Operator("Lê Hải", "Đã báo đơn vị."))

    async def judge_letter(self) -> AsyncIterator[str]:
        """Whether its message was sent again once, or not at all where it was discarded."""
        store = DeadLetterStore(self.bus)
        with suppress(ContractError):  # an interrupted decision is carried out by its repeat
            await DeadLetterDecisions(store).replay(
                await store.load(self.letter), Operator("Lê Hải", "Đã báo đơn vị.")
            )
        ended = (await store.load(self.letter)).ended
        sent = [one async for one in self.bus.scan(subjects.CONTENT.name) if one.data == self.body]
        wanted = 1 if ended and ended.state == "discarded" else 2
        if ended is None or len(sent) != wanted:
            yield f"the letter is {ended and ended.state}, its message is there {len(sent)} times"

    # --- intake

    async def intake_works(self) -> None:
        """Deliver what is new, or again what was; it may die at any call, or be two at once."""
        start = self.delivered if self.random.random() < 0.8 else 0
        if self.random.random() < 0.2:
            both = (Intake(self.bus, DEFAULT, self.clock) for _ in range(2))
            await asyncio.gather(*(self.deliver(one, start) for one in both))
            return
        dies = self.random.random() < 0.5
        bus = self.mortal_bus() if dies else self.bus
        try:
            await self.deliver(Intake(bus, DEFAULT, self.clock), start)
        except SimulatedCrash:
            self.crashes += 1

    async def deliver(self, intake: Intake, start: int) -> None:
        """Hand acts over one by one, or several at once as the subscribers of one intake do."""
        subject = subjects.editorial(self.item)
        found = [one async for one in self.bus.scan(subjects.EDITORIAL.name, subject, start + 1)]
        waiting, done = iter(found), set[int]()

        async def subscriber() -> None:
            for message in waiting:
                await intake.on_act(message)
                done.add(message.seq)

        copies = (subscriber() for _ in range(self.random.choice((1, 4))))
        ends = await asyncio.gather(*copies, return_exceptions=True)
        acknowledged = takewhile(lambda message: message.seq in done, found)
        self.delivered = max((self.delivered, *(message.seq for message in acknowledged)))
        for error in filter(None, ends):
            raise error

    def mortal_bus(self) -> Any:
        calls = self.random.randint(1, _MOST_CALLS)
        return crashing_bus(self.bus, calls, after=self.random.random() < 0.5)

    # --- judging

    async def wrong(self) -> Any:
        """Differences between the log, the item's record and the publications."""
        state, acts = await self.log.history(self.item)
        published = await released_publications(self.bus, self.item)
        judged = judge(acts), self.judge_people(acts), judge_publications(acts, published)
        for one in chain(*judged):
            yield one
        async for one in self.judge_beside(state, acts):
            yield one
        if state.approved:
            yield f"approved, and not carried out: {[*state.approved]}"
        texts = {one["revision"] for one in published if one["action"] != "withdrawn"}
        if texts != {*state.published}:
            yield f"out by the log: {[*state.published]}; published: {texts}"
        record = await Intake(self.bus, DEFAULT, self.clock).repository.item(self.item)
        shown = items.visible_revision(require(record), utc_now(self.clock)) if record else 0
        if shown != state.out:
            yield f"readers see {shown}, and by the log {state.out}"

    async def judge_beside(self, state: ItemState, acts: list[Action]) -> AsyncIterator[str]:
        """Errors in the parts that the story has beside its item."""
        if self.has_files:
            async for one in self.judge_files(state, acts):
                yield one
        if self.has_letter:
            async for one in self.judge_letter():
                yield one

    async def judge_files(self, state: ItemState, acts: list[Action]) -> AsyncIterator[str]:
        """Whether readers got each text with its file, which is kept as long as it may be read."""
        files = {act.hash: named_by_fields(act.text.data) for act in acts if act.text}
        later = utc_now(self.clock) + timedelta(days=4000)
        unused = {one.info.name async for _, one in UnusedFiles(self.bus).find(later)}
        for number, hash in state.published.items():
            for _, address in files[hash]:
                self.uploaded += 1
                if await find_kept(ObjectStore(self.bus), address) is None:
                    yield f"out without its file: {number}"
                if state.out and address.hash in unused:
                    yield f"out, and its file is to be erased: {number}"

    def judge_people(self, acts: list[Action]) -> Iterator[str]:
        """Whether each act has its role, an approval its people, and what was answered is there."""
        logins = {one.account.id: login for login, one in self.people.items()}
        for act in acts:
            if act.by not in logins or act.role == RULE:
                continue
            if act.kind in MAY and ROLES[logins[act.by]] not in MAY[act.kind]:
                yield f"{act.kind} by {logins[act.by]}"
            agreed = {logins.get(one) for one in act.agreed} - {logins[act.by]}
            if act.kind is K.APPROVE and self.is_urgent and not agreed & {APPROVER, SECOND}:
                yield f"approved by one: {act.id}"
        yield from (f"answered, and lost: {id}" for id in self.answered - {act.id for act in acts})


def judge_publications(acts: list[Action], published: list[dict[str, Any]]) -> Iterator[str]:
    """Whether each is out once, as it was approved, and what was withdrawn is gone."""
    counts = Counter((one["revision"], one["action"] == "withdrawn") for one in published)
    yield from (f"published {count} times: {one}" for one, count in counts.items() if count > 1)
    bodies = {act.hash: act.text.data["body"] for act in acts if act.text}
    for one in published:
        if one["action"] != "withdrawn":
            approved = {act.hash for act in acts if _approves(act, one["revision"])}
            if one["body"].strip() not in {bodies[hash] for hash in approved}:
                yield f"not as it was approved: {one['revision']}"
    last = max((n for n, act in enumerate(acts) if act.kind is K.WITHDRAW), default=None)
    came_after = last is not None and any(act.kind is K.PUBLISH for act in acts[last:])
    if last is not None and not came_after and published and published[-1]["action"] != "withdrawn":
        yield "withdrawn, and still out"


def _approves(act: Action, revision: int) -> bool:
    return act.kind is K.APPROVE and act.revision == revision
