"""Case notices on a Zalo account: one of each kind, delivered as the ledger does."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.base import Outcome, Recipient
from channels.case_notice_texts import APOLOGY
from channels.zalo.quota.counter import WindowCount
from contracts import keys
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from sandbox.zalo.state.templates import Param, Template, shipped_routes
from tests.support.clock import FakeClock
from tests.support.zalo_account import ZaloAccount, open_zalo_account

PHONE, USER_ID = "84912345678", "8042311234567890123"
TO_USER = f"zalo:{USER_ID}"
BY_PHONE, BY_USER_ID = "business.template", "oa.template"
SERVING = shipped_routes()
"""The sandbox's template for each kind of notice."""
OTP = "100004"
"""A template of the sandbox for one-time passwords: its parameter is in no notice."""
LOST = ["drop_after", "html_after", "truncate_after", "empty_after", "error_after"]
FACTS: dict[str, Any] = {
    "case_code": "H42.20-20260609-0092637",
    "procedure_code": "1.010195",
    "procedure_name": "Thủ tục cấp bản sao và chứng thực tài liệu lưu trữ",
    "authority": "Sở Nội vụ tỉnh Ninh Bình",
    "receiving_unit": "H42.20",
    "occurred_at": datetime(2026, 6, 9, 1, 30, tzinfo=UTC),
    "applicant_name": "Nguyễn Văn A***",
    "applicant_kind": "citizen",
    "submitted_at": datetime(2026, 6, 9, 1, 30, tzinfo=UTC),
    "received_at": datetime(2026, 6, 9, 18, 0, tzinfo=UTC),
    "received_by": "Trần Thị B",
    "handled_by": "Lê Văn C",
    "due_at": datetime(2026, 6, 29, 17, 0, tzinfo=UTC),
    "new_due_at": datetime(2026, 7, 14, 10, 0, tzinfo=UTC),
    "documents": ("Bản sao quyết định.", "Giấy xác nhận;"),
    "documents_due_at": datetime(2026, 6, 20, 16, 59, tzinfo=UTC),
    "fee": 1250000,
    "payment_place": "Bộ phận Một cửa",
    "pickup": "Trung tâm Phục vụ hành chính công tỉnh Ninh Bình.",
    "reason": "Hồ sơ thiếu chữ ký của người nộp",
    "detail_url": "https://dichvucong.gov.vn/ho-so",
}


def sample_notice(of: str = "2", **changes: Any) -> CaseNotice:
    """One of kind *of* that says everything it can."""
    apology = {"notice": APOLOGY, "status": 4}
    kind = apology if of == APOLOGY else {"status": int(of)}
    return CaseNotice.model_validate(FACTS | kind | changes)


class ZaloNotices:
    """One dossier after the other; each notice is a row of its own."""

    def __init__(self, account: ZaloAccount) -> None:
        self.account = account
        self.clock = account.clock
        self.revision = 0
        account.elsewhere = account.stores
        self.sent = account.elsewhere.message_ids

    async def start(self, **settings: Any) -> None:
        """A new process, with these settings (`money_per_day=...`)."""
        account = self.account.sandbox.settings.model_copy(update=settings)
        channel = self.account.start_channel(account)
        await channel.api.tokens.access_token()

    @property
    def channel(self) -> Any:
        return self.account.channel

    @property
    def templates(self) -> Any:
        return self.channel.notices.templates

    @property
    def budget(self) -> Any:
        return self.channel.notices.budget

    async def amount_reserved(self, of: str) -> int:
        """The amount reserved of today's `notices`, of the money of `today` or of the `month`."""
        count: WindowCount = getattr(await self.budget.shared.read(), of)
        return count.used

    def row(self, revision: int, address: str) -> Recipient:
        key = keys.delivery_key("case-x", revision, ChannelName.ZALO, keys.SOLE_RECIPIENT)
        return Recipient(keys.SOLE_RECIPIENT, key, address)

    async def send(
        self, notice: CaseNotice | None = None, address: str = PHONE, *, again: bool = False,
        **deadline: Any,
    ) -> Outcome:  # fmt: skip
        """The next notice's first try, or the last one's *again*."""
        self.revision += not again
        rendered = self.channel.render(notice or sample_notice())
        expired = deadline.get("expired", lambda: False)
        async with self.channel.session() as session:
            rows = [self.row(self.revision, address)]
            [outcome] = await session.send(rendered, rows, expired)
        return outcome

    async def resolve(self, notice: CaseNotice | None = None, address: str = PHONE) -> Outcome:
        """The last one's doubt."""
        rendered = self.channel.render(notice or sample_notice())
        async with self.channel.session() as session:
            [outcome] = await session.resolve(rendered, [self.row(self.revision, address)])
        return outcome

    async def set_template(self, of: str = "2", **changes: Any) -> Template:
        """Change the template for *of*, as Zalo would."""
        world = self.account.sandbox.world
        now = world.templates.templates[SERVING[of]].model_copy(update=changes)
        world.record("template_set", template=now.model_dump(mode="json"))
        await self.templates.sync()
        return now

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every template message that Zalo took, by its own log of effects."""
        facts = self.account.sandbox.world.journal.facts()
        return [fact["message"] for fact in facts if fact["kind"] == "template_sent"]

    def set_time(self, text: str) -> None:
        """Zalo's clock and ours: Vietnam's time, on 16 January 2027 or the day that is named."""
        day, _, time = text.rpartition(" ")
        moment = datetime.fromisoformat(f"{day or '2027-01-16'}T{time}+07:00")
        self.clock.now = moment.timestamp()
        self.account.sandbox.world.tokens.expires = 1e12


def add_person(account: ZaloAccount, **facts: Any) -> None:
    """A person who has just written to the Official Account."""
    person = {"user_id": USER_ID, "phone": PHONE, "last_interaction": account.clock()} | facts
    account.sandbox.world.record("person_set", person=person)


def add_template(notices: ZaloNotices, *params: Param) -> None:
    """The account has a template `7` with these parameters from now on."""
    template = Template(id="7", name="Mẫu mới", title="x", text="<ma_ho_so> x", params=params)
    notices.account.sandbox.world.record("template_set", template=template.model_dump(mode="json"))


def count_calls(notices: ZaloNotices) -> Counter[str]:
    """How often which call is made from now on, by its last word."""
    calls = Counter[str]()
    notices.account.before_request = lambda request: calls.update([request.url.rpartition("/")[2]])
    return calls


@asynccontextmanager
async def open_zalo_notices(folder: Path, clock: FakeClock) -> AsyncIterator[ZaloNotices]:
    """Noon; the sandbox's templates serve every kind."""
    async with open_zalo_account(folder, clock) as account:
        notices = ZaloNotices(account)
        account.new_channel()
        await account.consent()
        await notices.templates.register(SERVING)
        yield notices
