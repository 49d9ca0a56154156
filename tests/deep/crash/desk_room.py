"""People at the desk of a Loa that dies between a page's POST and its answer.

    python -m tests.deep.crash.desk_room

Each presses a button, Loa is killed at a point of what that does, and when it is back the same form
is sent once more, as a browser does that loads the page again.
"""

import re
import socket
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
from typing import NamedTuple

import httpx2

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
from contracts.editorial.action import RULE
from contracts.staff.sign_in import Activation
from producers.bus import Bus, records
from producers.desk.rendering import desk_texts
from producers.desk.web_session import SessionCookie, form_seal
from producers.object_store import ObjectStore
from tests.deep.crash.campaign import log_errors_only
from tests.deep.crash.environment import CampaignFailed, Environment, wait
from tests.deep.crash.launch import NEXT_DEATH, TOLD
from tests.deep.crash.receiver import read_record
from tests.deep.crash.setup import DESK_UNIT, TOPIC
from tests.support.desk_app import hidden_fields
from tests.support.staff import PASSWORD, SECRET, cheap_hasher
from tests.support.uploaded_files import pdf

COOKIE, TEXTS = SessionCookie(is_https=False).name, desk_texts()["item"]
PEOPLE = {
    "an": ("Lê An", "nguoi-gui-tin"),
    "binh": ("Trần Bình", "lanh-dao-don-vi"),
    "chi": ("Vũ Chi", "bien-tap-vien"),
    "dung": ("Đỗ Dung", "lanh-dao-duyet"),
}
TITLE = "Lịch trả kết quả hồ sơ tháng 12"
TEXT = {
    "unit": DESK_UNIT, "title": TITLE, "body": "Đoạn một.", "topic": TOPIC, "channels": "portal",
    "lane": "normal",
}  # fmt: skip
EDITED = TEXT | {"body": "Đoạn một, đã sửa."}
KINDS = {
    "/tin/moi": "save", "{item}/gui": "submit", "{item}/tra-lai": "return",
    "{item}/xac-nhan": "confirm", "{item}/sua": "edit", "{item}/gop-y": "comment",
    "{item}/trinh": "propose", "{item}/duyet": "approve", "{item}/go": "withdraw",
}  # fmt: skip
"""The act that each button adds."""
MAILS = {
    "{item}/gui": {("binh", "Chờ xác nhận")},
    "{item}/tra-lai": {("an", "Trả lại để hoàn thiện")},
    "{item}/xac-nhan": {("chi", "Chờ biên tập"), ("an", "Đơn vị đã xác nhận")},
    "{item}/sua": {("an", "Đang biên tập")},
    "{item}/trinh": {("dung", "Chờ duyệt"), ("an", "Đã trình duyệt")},
    "{item}/se-toi-ai": {("chi", "BẢN THỬ")},
    "{item}/duyet": {("an", "Đã duyệt"), ("an", "Đã đăng")},
    "{item}/go": {("an", "Đã gỡ")},
}
"""Who is told of what a button does, by the beginning of the mail's subject."""
AT_MOST = {("an", "Đã xếp lịch")}
"""Told unless the publication follows at once."""
WHY = "Còn thiếu số liệu."
STORED = "editorial.stored"
PATIENCE_S = 60.0
_ACT_LINE = re.compile(r"<li>[^<]+: <strong>([^<]+)</strong>")


class Press(NamedTuple):
    """A button that *login* presses: the page that has it, its address, and where Loa dies.

    `{item}` is the item's path. `says`: how the answer's address, or its text, ends or begins.
    """

    login: str
    page: str
    action: str
    point: str
    says: str
    fields: Mapping[str, str] = {}
    file: bytes = b""


QUICK = (
    Press("an", "/tin/moi", "/tin/moi", STORED, "/tin/", TEXT),
    Press("an", "{item}", "{item}/gui", STORED, "?xong=submit"),
    Press("binh", "{item}", "{item}/tra-lai", STORED, "?xong=return", {"note": WHY}),
    Press("an", "{item}", "{item}/gui", "editorial.decided", "?xong=submit"),
    Press("binh", "{item}", "{item}/xac-nhan", STORED, "?xong=confirm", {"clean": "1"}),
    Press("chi", "{item}/sua", "{item}/sua", STORED, "/tin/", EDITED),
    Press("chi", "{item}", "{item}/trinh", STORED, "?xong=propose", {"clean": "1"}),
    Press("dung", "{item}", "{item}/duyet", STORED, "?xong=approve"),
    Press("dung", "{item}", "{item}/go", STORED, "?xong=withdraw", {"note": WHY}),
)
"""The whole way of an item: each of its acts once, and a return."""
KEPT = Press("chi", "{item}/sua", "{keep}", "desk.text_kept", "Đã giữ tạm", EDITED)
UPLOADS = (
    Press("chi", "/tep", "/tep", "uploads.pieces_stored", "Đã nhận tệp", file=pdf()),
    Press("chi", "/tep", "/tep", "uploads.stored", "Đã nhận tệp", file=pdf(b"/Lang(vi)")),
)
REMARK = Press("chi", "{item}", "{item}/gop-y", STORED, "?xong=comment", {"note": WHY})
TRIAL = Press("chi", "{item}/se-toi-ai", "{item}/se-toi-ai", "letter.stored", "xong=thu")
STEP_UP = Press("dung", "{item}", "{item}/duyet", "session.renewed", "?xong=approve")
WHOLE = (*QUICK[:5], KEPT, *UPLOADS, QUICK[5], REMARK, TRIAL, QUICK[6], STEP_UP, QUICK[8])


@dataclass
class DeskRoom:
    """One Loa on *folder*, its people, and the one item on which they work."""

    environment: Environment
    item: str = ""
    clients: dict[str, httpx2.Client] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def open(self, stack: ExitStack) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment.environ["LOA_DESK_HTTP_PORT"] = str(port)
        self.start()
        tokens = self.environment.bus(self.hire)
        for login, token in tokens.items():
            client = httpx2.Client(base_url=self.url, headers=self.headers, timeout=20)
            client.cookies.set(COOKIE, token, "127.0.0.1")
            self.clients[login] = stack.enter_context(client)

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
        wanted = NewAccount(login=login, name=name, unit=DESK_UNIT, grants=grants)
        added, invitation = await accounts.add(wanted, by="test")
        door = SignIn(accounts, self.keys.derive, Passwords(cheap_hasher()))
        given = Activation(login, invitation, PASSWORD, SECRET, code_now())
        await door.activate(given, default_policy())
        address = StaffAddresses(self.keys.derive).encrypt(added.id, address_of(login))
        account = await accounts.set_mail(added.id, address=address)
        return await SessionStore(accounts.bus, accounts, time.time).start(account)

    # --- pressing

    def play(self, presses: Sequence[Press]) -> None:
        """Who comes next has got the mail; what is told no more when a text moves on is told."""
        for number, press in enumerate(presses, 1):
            self.die_in(press)
            self.wait_for_mails(mails_of(presses[:number]))

    def die_in(self, press: Press) -> None:
        """Press, lose the answer, and press again when Loa is back."""
        if press.point == STEP_UP.point:
            self.environment.bus(self.let_step_up_be_due)
        told, known = self.environment.folder / NEXT_DEATH, len(self.environment.deaths)
        form = self.form(press)
        told.write_text(press.point)
        if self.send(press, form) is not None:
            raise CampaignFailed(f"{press.action} was answered and did not pass {press.point}")
        wait(lambda: self.environment.dead, f"the death at {press.point}")
        if self.environment.deaths[known:] != [press.point]:
            raise CampaignFailed(f"died at {self.environment.deaths[known:]}")
        told.unlink()
        self.start()
        if press.point == STEP_UP.point:
            self.environment.bus(self.let_code_be_fresh)
        self.judge_answer(press, self.send(press, form))

    def form(self, press: Press) -> dict[str, str]:
        """The form as the person fills it in."""
        client, action = self.clients[press.login], self.at(press.action)
        page = client.get(self.at(press.page))
        if page.status_code != 200:
            raise CampaignFailed(f"{press.page}: {page.status_code}")
        if press is KEPT:
            seal = form_seal(self.keys.derive("desk forms"), client.cookies[COOKIE], action)
            return {**press.fields, "seal": seal}
        code = {"code": code_now()} if press.point == STEP_UP.point else {}
        return hidden_fields(page.text, action) | press.fields | code

    def at(self, path: str) -> str:
        keep = self.item.replace("/tin/", "/soan/") + "/giu-tam"
        return path.format(item=self.item, keep=keep)

    def send(self, press: Press, form: Mapping[str, str]) -> httpx2.Response | None:
        """The answer to a form; None when the process died before it."""
        files = {"tep": ("lich.pdf", press.file)} if press.file else None
        try:
            return self.clients[press.login].post(self.at(press.action), data=form, files=files)
        except httpx2.TransportError:
            return None

    def judge_answer(self, press: Press, answer: httpx2.Response | None) -> None:
        said = answer and (answer.headers.get("location") or answer.text)
        if not said or press.says not in said:
            status = answer.status_code if answer else 0
            self.faults.append(f"{press.action} again: {status} {said or ''}"[:300])
        elif press is QUICK[0]:
            self.item = said

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

    def verdict(self, presses: Sequence[Press]) -> list[str]:
        """What was lost or done twice."""
        with suppress(CampaignFailed):  # intake carries the last act out behind its answer
            wait(lambda: self.publications() == 2, "the withdrawal", PATIENCE_S)
        if (count := self.publications()) != 2:
            self.faults.append(f"published {count} times")
        self.faults += self.environment.bus(partial(self.judge_log, presses))
        page = self.clients["an"].get(self.item).text
        lines = Counter(_ACT_LINE.findall(page))
        for kind, count in Counter(kinds_of(presses)).items():
            if lines[TEXTS["act"][kind]] != count:
                self.faults.append(f"the page has {kind} {lines[TEXTS['act'][kind]]} times")
        self.environment.stop()
        self.wait_for_mails(mails_of(presses))
        return self.faults

    def publications(self) -> int:
        """How many messages readers got of the item: its text, and its withdrawal."""

        async def count(bus: Bus) -> int:
            found = await bus.count_by_subject(subjects.PUBLICATIONS.name, "publication.>")
            return sum(found.values())

        return self.environment.bus(count)

    async def judge_log(self, presses: Sequence[Press], bus: Bus) -> list[str]:
        content_id = self.item.removeprefix("/tin/")
        _, acts = await EditorialLog(bus).history(content_id)
        kinds = [act.kind.value for act in acts if act.role != RULE]
        wanted = kinds_of(presses)
        faults = [] if kinds == wanted else [f"the log has {kinds}"]
        files = [one.info.name async for one in ObjectStore(bus).objects()]
        if len(files) != sum(bool(one.file) for one in presses):
            faults.append(f"{len(files)} files are kept")
        return faults

    def wait_for_mails(self, wanted: Counter[tuple[str, str]]) -> None:
        """Wait until each mail is there; one that is there twice is a fault."""
        if self.faults:
            return
        with suppress(CampaignFailed):
            wait(lambda: not wanted - self.mails(), "the mails to staff", PATIENCE_S)
        found = self.mails()
        if wanted != found:
            self.faults.append(f"mails: lacks {wanted - found}, too many {found - wanted}")

    def mails(self) -> Counter[tuple[str, str]]:
        """Who was told what, by mail; copies of one letter that the ledger declares count once."""
        seen = {one.message_id: one for one in read_record(self.environment.record)}
        by_address = {address_of(login): login for login in PEOPLE}
        told = Counter(
            (by_address[one.address], one.subject.partition(":")[0])
            for one in seen.values()
            if one.is_accepted and one.address in by_address
        )
        return Counter({one: n for one, n in told.items() if one not in AT_MOST or n > 1})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def code_now() -> str:
    return totp.one_time_code(SECRET, totp.current_step(time.time()))


def address_of(login: str) -> str:
    return f"{login}@example.com"


def kinds_of(presses: Sequence[Press]) -> list[str]:
    """The acts that *presses* add to the log."""
    return [KINDS[one.action] for one in presses if one.action in KINDS]


def mails_of(presses: Sequence[Press]) -> Counter[tuple[str, str]]:
    """Who is told what of *presses*."""
    return Counter(mail for one in presses for mail in MAILS.get(one.action, ()))


def play(folder: Path, presses: Sequence[Press]) -> list[str]:
    """Play all presses on a fresh folder; returns what was wrong."""
    with ExitStack() as stack:
        room = DeskRoom(stack.enter_context(Environment(folder)))
        room.open(stack)
        room.play(presses)
        return room.verdict(presses)


def main() -> int:
    log_errors_only()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="loa-desk-") as folder:
        faults = play(Path(folder), WHOLE)
    for fault in faults:
        sys.stdout.write(f"FAILED at the desk: {fault}\n")
    took = f"{len(faults)} failures, {time.monotonic() - began:.0f} s"
    sys.stdout.write(f"{len(WHOLE)} kills between a page's POST and its answer, {took}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
