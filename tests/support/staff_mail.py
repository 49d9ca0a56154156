"""The mail to staff with everything behind it on a real bus; people who act on items."""

from datetime import datetime, timedelta
from pathlib import Path

from consumers.editorial.log import EditorialLog
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.item_history import QUIET_SPAN
from consumers.staff.mail.outbox import StaffOutbox
from consumers.staff.mail.sender import StaffMailSender
from consumers.staff.mail.service import StaffMailService
from consumers.staff.policy import Grant, default_policy
from contracts import events
from contracts.base.times import utc_now
from contracts.delivery import PlanKey
from contracts.desk.deadlines import default_deadlines
from contracts.editorial import UNSENT, Action, ActionKind, EditorialText, ItemState
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.trace import StatusCounts
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.signup_app import KEYS, NOON, SignupApp

UNIT, OTHER_UNIT, TOPIC = "vu-cai-cach-hanh-chinh", "vu-phap-che", "cai-cach-hanh-chinh"
DESK_URL = "https://ban-duyet.example.gov.vn"
TITLE = "Lịch nghỉ Ngày Văn hóa Việt Nam"
STAFF = {
    "soan": "nguoi-gui-tin",
    "truong": "lanh-dao-don-vi",
    "bien": "bien-tap-vien",
    "duyet": "lanh-dao-duyet",
}
"""People by login, and their roles; the first two are of UNIT."""


def address_of(login: str) -> str:
    return f"{login}@example.gov.vn"


def draft(words: str = "Nội dung", **data: object) -> EditorialText:
    whole = {"title": TITLE, "topic": TOPIC, "body": words} | data
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data=whole)


class StaffMailApp(SignupApp):
    """One process that mails staff, with a mail worker."""

    def __init__(self, bus: Bus, folder: Path, clock: FakeClock) -> None:
        super().__init__(bus, folder, clock)
        self.accounts = AccountStore(bus, clock)
        self.addresses = StaffAddresses(KEYS.derive)
        self.log, outbox = EditorialLog(bus), StaffOutbox(bus)
        sender = StaffMailSender(
            self.mailer,
            self.accounts,
            self.addresses,
            outbox,
            lambda: DESK_URL,
            clock,
            self.log,
            default_policy(),
        )
        self.service = StaffMailService(
            self.log,
            self.accounts,
            default_policy(),
            default_deadlines(),
            outbox,
            sender,
            self.counts,
            self.issues_telling,
            clock,
        )
        self.people: dict[str, Account] = {}
        self.delivered: dict[PlanKey, StatusCounts] = {}
        """Counts of the ledger, by plan."""
        self.issues: dict[str, list[str]] = {}
        """The issues that tell of an item."""

    @classmethod
    async def staffed(cls, bus: Bus, folder: Path, *, started: bool = True) -> "StaffMailApp":
        """With an account for each role of `STAFF`; if *started*, it has run before."""
        app = cls(bus, folder, FakeClock(NOON.timestamp()))
        for login, role in STAFF.items():
            await app.hire(login, role)
        if started:
            await app.service.follow()
        return app

    async def hire(self, login: str, role: str, unit: str = UNIT, **more: object) -> Account:
        """An active account; with an address, unless *more* says otherwise."""
        wanted = NewAccount(login=login, name=f"Ông {login}", unit=unit, grants=(Grant(role=role),))
        account, _ = await self.accounts.add(wanted, by="test")
        address = self.addresses.encrypt(account.id, address_of(login))
        changes = {"state": "active", "address": address} | more
        self.people[login] = await self.accounts.set_mail(account.id, **changes)
        return self.people[login]

    async def counts(self, plan: PlanKey) -> StatusCounts | None:
        return self.delivered.get(plan)

    async def issues_telling(self, content_id: str) -> list[str]:
        return self.issues.get(content_id, [])

    @property
    def now(self) -> datetime:
        return utc_now(self.clock)

    async def act(
        self,
        kind: ActionKind,
        login: str,
        item: str = "tin-1",
        text: EditorialText | None = None,
        **more: str,
    ) -> Action:
        """Let a person act on an item's newest revision; *login* may be another actor's name."""
        by = self.people[login].id if login in self.people else login
        made: list[Action] = []

        def decide(state: ItemState) -> Action:
            is_saved = kind is ActionKind.SAVE and state.status not in UNSENT
            begins = kind is ActionKind.RECEIVE or is_saved
            made.append(
                Action(
                    id=f"{kind}.{len(state.ids)}",
                    at=self.now,
                    by=by,
                    kind=kind,
                    revision=state.revision + begins,
                    hash=text.hash if text else state.hash,
                    text=text,
                    prev=state.head,
                    **more,
                )
            )
            return made[-1]

        await self.log.act(item, decide)
        return made[-1]

    async def told(self) -> list[tuple[str, str]]:
        """Let time pass, and send; who was told what: login and kind."""
        return [(mail.address.partition("@")[0], mail.lines[0].kind) for mail in await self.mails()]

    async def mails(self) -> list[TransactionalMail]:
        """Let time pass, and send; the mails to staff that left."""
        self.clock.advance((QUIET_SPAN + timedelta(seconds=1)).total_seconds())
        await self.service.follow()
        await self.service.remind()
        await self.service.judge()
        await self.service.send()
        sent = await self.send_mails()
        return [mail for mail in sent if mail.kind is TransactionalKind.STAFF]
