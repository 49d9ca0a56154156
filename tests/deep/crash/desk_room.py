"""People at the desk of a Loa that dies between a page's POST and its answer, or behind it.

    python -m tests.deep.crash.desk_room

Each presses a button, Loa is killed at a point of what that does, and when it is back the same form
is sent once more, as a browser does that loads the page again. `desk_stories` has who presses what.
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx2

from consumers.audit.chain import Step
from consumers.dead_letters.store import DeadLetterStore
from consumers.editorial.log import EditorialLog
from consumers.key_file import KeyFile
from consumers.staff import totp
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import Session, SessionStore, token_key
from consumers.staff.sign_in import SignIn
from contracts import subjects
from contracts.base.times import utc_now
from contracts.desk.kept_texts import NEW_ITEM
from contracts.editorial.action import GIVEN_UP, RULE
from contracts.staff.sign_in import Activation
from producers.bus import Bus, records
from producers.desk.rendering import desk_texts
from producers.desk.web_session import SessionCookie, form_seal
from producers.object_store import ObjectStore
from tests.deep.crash.campaign import log_errors_only
from tests.deep.crash.desk_stories import (
    BEGINNINGS,
    BEHIND,
    KEEP,
    PEOPLE,
    STEP_UP,
    STORIES,
    UNIT_OF,
    Press,
)
from tests.deep.crash.environment import CampaignFailed, Environment, wait
from tests.deep.crash.launch import ANYWHERE, NEXT_DEATH, TOLD
from tests.deep.crash.receiver import read_record
from tests.deep.crash.setup import DESK_UNIT, UNIT, register_unit
from tests.deep.crash.short_waits import KEEPS_AUDIT
from tests.deep.crash.workload import Workload
from tests.support.desk_app import hidden_fields
from tests.support.ports import free_port
from tests.support.staff import PASSWORD, SECRET, cheap_hasher

COOKIE, TEXTS = SessionCookie(is_https=False).name, desk_texts()["item"]
AT_MOST = {("an", "Đã xếp lịch")}
"""Told of an approval unless the publication follows at once."""
PATIENCE_S = 120.0
_ACT_LINE = re.compile(r"<li>[^<]+: <strong>([^<]+)</strong>")


class Cell(NamedTuple):
    """A death: the story, the place of its press there, and the point."""

    story: str
    press: int
    point: str

    def __str__(self) -> str:
        pressed = STORIES[self.story][self.press]
        return f"{self.story}, {self.press} {pressed.action}, {self.point}"


CELLS = [
    Cell(story, number, point)
    for story, presses in STORIES.items()
    for number, press in enumerate(presses)
    for point in press.points
]
Faults = dict[tuple[str, int], list[str]]
"""Errors after each press; a press that was not reached is not in it."""


@dataclass
class DeskRoom:
    """One Loa on *folder*, its people, and the item on which they work."""

    environment: Environment
    item: str = ""
    author: str = ""
    letters: list[int] = field(default_factory=list)
    account: str = ""
    items: int = 0
    files: int = 0
    approvals: int = 0
    acts: list[str] = field(default_factory=list)
    """Acts on the item."""
    audited: Counter[str] = field(default_factory=Counter)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    clients: dict[str, httpx2.Client] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)

    def open(self, stack: ExitStack) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment.environ |= {"LOA_DESK_HTTP_PORT": str(port), KEEPS_AUDIT: "yes"}
        self.start()
        tokens = self.environment.bus(self.hire)
        for login, token in tokens.items():
            client = httpx2.Client(base_url=self.url, headers=self.headers, timeout=60)
            client.cookies.set(COOKIE, token, "127.0.0.1")
            self.clients[login] = stack.enter_context(client)
        self.send_clashing()
        self.items = self.environment.bus(count_items)

    @property
    def headers(self) -> dict[str, str]:
        return {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}

    def start(self) -> None:
        self.environment.up(TOLD)
        if not self.environment.ready():
            raise CampaignFailed("an unarmed Loa died")

    @property
    def keys(self) -> KeyFile:
        return KeyFile.open(self.environment.data / "vault.key")

    async def hire(self, bus: Bus) -> dict[str, str]:
        """Accounts with mail addresses, each signed in; the tokens by sign-in name."""
        accounts = AccountStore(bus, time.time)
        return {login: await self.sign_in(accounts, login) for login in PEOPLE}

    async def sign_in(self, accounts: AccountStore, login: str) -> str:
        name, role = PEOPLE[login]
        grants = (Grant(role=role),)
        unit = UNIT_OF.get(login, DESK_UNIT)
        wanted = NewAccount(login=login, name=name, unit=unit, grants=grants)
        added, invitation = await accounts.add(wanted, by="test")
        door = SignIn(accounts, self.keys.derive, Passwords(cheap_hasher()))
        given = Activation(login, invitation, PASSWORD, SECRET, code_now())
        await door.activate(given, default_policy())
        address = StaffAddresses(self.keys.derive).encrypt(added.id, address_of(login))
        account = await accounts.set_mail(added.id, address=address)
        self.account = account.id if login == "giang" else self.account
        return await SessionStore(accounts.bus, accounts, time.time).start(account)

    def send_clashing(self) -> None:
        """Let a unit's system send two texts that are refused, so that there are dead letters."""
        work = Workload(self.environment, Random(0))
        work.ground.keys[UNIT] = self.environment.bus(partial(register_unit, UNIT, "automatic"))
        for _ in range(2):
            work.clash(work.item("portal"))
        work.repeat()
        wait(lambda: len(self.environment.bus(self.find_letters)) == 2, "two dead letters")

    async def find_letters(self, bus: Bus) -> list[int]:
        self.letters = [one.id async for one in DeadLetterStore(bus).letters()]
        return self.letters

    # --- pressing

    def play(self, story: str) -> None:
        """Who comes next has got the mail; what is told no more when a text moves on is told."""
        self.item, self.acts = "", []
        for number, press in enumerate(STORIES[story]):
            try:
                wrong = [*self.press(press), *self.judge(press)]
            except (CampaignFailed, LookupError) as failed:
                self.faults[story, number] = [str(failed)]
                self.start_anew()
                return
            self.faults[story, number] = wrong
        self.faults[story, number] += self.judge_publications() if self.item else []

    def start_anew(self) -> None:
        """Let the next story find a Loa that lives."""
        (self.environment.folder / NEXT_DEATH).unlink(missing_ok=True)
        self.environment.kill()
        self.start()

    def press(self, press: Press) -> list[str]:
        """Press, lose each answer, and press again when Loa is back; returns a wrong answer."""
        if STEP_UP in press.points:
            self.environment.bus(self.let_step_up_be_due)
        form = self.form(press)
        for point in press.points:
            self.die_at(point, press, form)
        if self.environment.dead:
            self.start()
        said = self.said(press, self.form_again(press, form))
        if press.says not in said:
            return [f"{press.action} again: {said}"[:300]]
        if press.page in BEGINNINGS:
            self.item, self.author = said.removesuffix("/ban-tin"), press.login
        return []

    def die_at(self, point: str, press: Press, form: Mapping[str, str]) -> None:
        known = len(self.environment.deaths)
        told = self.environment.folder / NEXT_DEATH
        if point in BEHIND:
            told.write_text(ANYWHERE + point)
            self.environment.up(TOLD)
        else:
            if self.environment.dead:
                self.start()
            told.write_text(point)
            if said := self.said(press, form):
                raise CampaignFailed(f"{press.action} did not pass {point}: {said[:300]}")
        wait(lambda: self.environment.dead, f"the death at {point}", PATIENCE_S)
        told.unlink()
        if self.environment.deaths[known:] != [point]:
            raise CampaignFailed(f"died at {self.environment.deaths[known:]}, and not at {point}")

    def form(self, press: Press) -> dict[str, str]:
        """The form as the person fills it in."""
        client, action = self.clients[press.login], self.at(press.action)
        page = client.get(self.at(press.page))
        if page.status_code != 200:
            raise CampaignFailed(f"{press.page}: {page.status_code}")
        if press.action == KEEP.action:
            return {**press.fields, "seal": self.seal(press, action)}
        form = {**hidden_fields(page.text, action), **press.fields}
        if press.offers:
            self.keep(press, form)
        return form

    def keep(self, press: Press, form: Mapping[str, str]) -> None:
        """Keep the form of a new text, as its page does while it is typed."""
        path = f"/soan/{NEW_ITEM}/giu-tam"
        sealed = {**form, "seal": self.seal(press, path)}
        self.clients[press.login].post(path, data=sealed).raise_for_status()

    def form_again(self, press: Press, form: Mapping[str, str]) -> Mapping[str, str]:
        """The same form, or that of what was kept. Raises CampaignFailed if none is offered."""
        if not press.offers:
            return form
        page = self.clients[press.login].get(press.offers).text
        hidden = hidden_fields(page, press.action)
        if "used" not in hidden or press.fields["body"] not in page:
            raise CampaignFailed(f"{press.offers} offers nothing")
        return {**hidden, **press.fields}

    def seal(self, press: Press, action: str) -> str:
        """Token that a page's own script sends a form with."""
        token = self.clients[press.login].cookies[COOKIE]
        return form_seal(self.keys.derive("desk forms"), token, action)

    def at(self, path: str) -> str:
        keep = self.item.replace("/tin/", "/soan/") + "/giu-tam"
        letter, other = self.letters
        facts = {"letter": letter, "other": other, "account": self.account}
        return path.format(item=self.item, keep=keep, **facts)

    def said(self, press: Press, form: Mapping[str, str]) -> str:
        """Where the answer to a form leads, or its text; empty when the process died before it."""
        if STEP_UP in press.points:
            self.environment.bus(self.let_code_be_fresh)
            form = {**form, "code": code_now()}
        files = {"tep": ("lich.pdf", press.file)} if press.file else None
        with suppress(httpx2.TransportError):
            client = self.clients[press.login]
            answer = client.post(self.at(press.action), data=form, files=files)
            return str(answer.headers.get("location") or main_text(answer.text))
        return ""

    async def let_step_up_be_due(self, bus: Bus) -> bool:
        """Let the approver's last code be ten minutes old."""
        sessions = bus.bucket(subjects.SESSIONS.name)
        key = token_key(self.clients["dung"].cookies[COOKIE])

        def age(known: Session | None) -> Session:
            before = utc_now(time.time) - timedelta(minutes=10)
            return records.require(known).model_copy(update={"second_factor": before})

        await records.update(sessions, key, Session, age)
        return await self.let_code_be_fresh(bus)

    async def let_code_be_fresh(self, bus: Bus) -> bool:
        """Let the app show a code that was not given yet, without half a minute's wait."""
        accounts = AccountStore(bus, time.time)
        account = await accounts.require("dung")

        def forget(known: Account) -> Account:
            local = records.require(known.local).model_copy(update={"used_step": 0})
            return known.model_copy(update={"local": local})

        await accounts.change(account.id, forget)
        return True

    # --- judging

    def judge(self, press: Press) -> list[str]:
        """Losses and repeats, by the item's page, the log, the files and the mails."""
        self.acts += [press.act] if press.act else []
        self.items += press.page in BEGINNINGS
        self.approvals += press.act == "approve"
        self.files += bool(press.file)
        self.audited += Counter([press.audit] if press.audit else [])
        self.told.update(press.told)
        of_item = (*self.judge_page(), *self.environment.bus(self.judge_log)) if self.item else ()
        judges = (self.judge_items, self.judge_files, self.judge_audit)
        rest = [fault for judge in judges for fault in self.environment.bus(judge)]
        return [*of_item, *rest, *self.judge_mails()]

    def judge_page(self) -> list[str]:
        lines = Counter(_ACT_LINE.findall(self.clients[self.author].get(self.item).text))
        wanted = Counter(name_of(act) for act in self.acts)
        return [
            f"the page has {name} {lines[name]} times"
            for name, count in wanted.items()
            if lines[name] != count
        ]

    async def judge_log(self, bus: Bus) -> list[str]:
        acts = (await EditorialLog(bus).history(self.item.removeprefix("/tin/")))[1]
        by_people = [act for act in acts if act.role != RULE]
        kinds = ["give_up" if act.code == GIVEN_UP else act.kind.value for act in by_people]
        return [] if kinds == self.acts else [f"the log has {kinds}"]

    async def judge_items(self, bus: Bus) -> list[str]:
        count = await count_items(bus)
        return [] if count == self.items else [f"{count} items in place of {self.items}"]

    async def judge_files(self, bus: Bus) -> list[str]:
        count = len([one async for one in ObjectStore(bus).objects()])
        return [] if count == self.files else [f"{count} files are kept"]

    async def judge_audit(self, bus: Bus) -> list[str]:
        """Whether the audit log has an act as done more than once."""
        records = [json.loads(one.data) async for one in bus.scan(subjects.AUDIT.name)]
        done = Counter(one["action"] for one in records if one["step"] == Step.DONE)
        more = [name for name, count in self.audited.items() if done[name] > count]
        return [f"the audit log has {name} {done[name]} times" for name in more]

    def judge_mails(self) -> list[str]:
        """Wait until each mail is there; one that is there twice is a fault."""
        with suppress(CampaignFailed):
            wait(lambda: not self.told - self.mails(), "the mails to staff", PATIENCE_S)
        lacks, more = self.told - (found := self.mails()), found - self.told
        self.told = found  # what is wrong is said once
        return [f"mails: lacks {lacks}, too many {more}"] if lacks or more else []

    def judge_publications(self) -> list[str]:
        """Whether readers got each text, and its withdrawal, once."""
        wanted = sum(act in ("approve", "withdraw") for act in self.acts)
        with suppress(CampaignFailed):
            wait(lambda: self.environment.bus(self.published) == wanted, "the publications")
        count = self.environment.bus(self.published)
        return [] if count == wanted else [f"published {count} times in place of {wanted}"]

    async def published(self, bus: Bus) -> int:
        """How many messages readers got of the item."""
        content_id = self.item.removeprefix("/tin/")
        found = await bus.count_by_subject(
            subjects.PUBLICATIONS.name, f"publication.*.{content_id}"
        )
        return sum(found.values())

    def mails(self) -> Counter[tuple[str, str]]:
        """Who was told what, by mail; copies of one letter that the ledger declares count once."""
        seen = {one.message_id: one for one in read_record(self.environment.record)}
        by_address = {address_of(login): login for login in PEOPLE}
        told = Counter(
            (by_address[one.address], one.subject.partition(":")[0])
            for one in seen.values()
            if one.is_accepted and one.address in by_address
        )
        return Counter(
            {one: n for one, n in told.items() if one not in AT_MOST or n > self.approvals}
        )


async def count_items(bus: Bus) -> int:
    """How many items the editorial log has."""
    return len(await bus.count_by_subject(subjects.EDITORIAL.name))


def code_now() -> str:
    return totp.one_time_code(SECRET, totp.current_step(time.time()))


def address_of(login: str) -> str:
    return f"{login}@example.com"


def name_of(act: str) -> str:
    """An act as the item's page names it."""
    return str(TEXTS["act_of_code"][GIVEN_UP] if act == "give_up" else TEXTS["act"][act])


def main_text(page: str) -> str:
    """The words of a page's main part, or of a part of a page."""
    _, begin, rest = page.partition("<main")
    return " ".join(re.sub("<[^>]+>", " ", f"{begin}{rest}" if rest else page).split())


def play(folder: Path, stories: Sequence[str] = tuple(STORIES)) -> Faults:
    """Play the stories one after the other on a fresh folder; returns what was wrong."""
    with ExitStack() as stack:
        room = DeskRoom(stack.enter_context(Environment(folder)))
        room.open(stack)
        for story in stories:
            room.play(story)
        room.environment.stop()
        return room.faults


def main() -> int:
    log_errors_only()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="loa-desk-") as folder:
        faults = play(Path(folder), sys.argv[1:] or tuple(STORIES))
    for (story, number), found in faults.items():
        for fault in found:
            sys.stdout.write(f"FAILED {story}, {STORIES[story][number].action}: {fault}\n")
    kills = sum(len(STORIES[story][number].points) for story, number in faults)
    failures = sum(map(len, faults.values()))
    took = f"{failures} failures, {time.monotonic() - began:.0f} s"
    sys.stdout.write(f"{kills} kills at the buttons of the desk, {took}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
