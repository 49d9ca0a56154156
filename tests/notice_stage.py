"""Case notices on the Zalo stage: one of each kind, and what the ledger does with its only row."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.base import Outcome, Recipient
from channels.notices import APOLOGY
from channels.zalo.connect import Stores, open_channel
from channels.zalo.counts import Count
from channels.zalo.notices import InMemory
from channels.zalo.sandbox import shelf
from channels.zalo.sandbox.shelf import Template
from contracts import keys
from contracts.case import CaseNotice
from contracts.delivery import ChannelName
from tests.conftest import Clock
from tests.zalo_stage import MemoryVault, Stage, Unsteady, staged

PHONE, USER_ID = "84912345678", "8042311234567890123"
BY_PHONE, BY_USER_ID = "business.template", "oa.template"
SERVING = shelf.serving()
"""The sandbox's template for each kind of notice."""
OTP = "100004"
"""A template of the sandbox for one-time passwords: it wants what no notice has."""
LOST = ["drop_after", "html_after", "truncate_after", "empty_after", "error_after"]
FACTS: dict[str, Any] = {
    "case_code": "G09.20-20260609-0092637",
    "procedure_code": "1.005129",
    "procedure_name": "Thủ tục xét tặng Huân chương Lao động",
    "authority": "Sở Nội vụ tỉnh Ninh Bình",
    "receiving_unit": "G09.20",
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


def a_notice(of: str = "2", **changes: Any) -> CaseNotice:
    """One of kind *of* that says everything it can."""
    apology = {"notice": APOLOGY, "status": 4}
    kind = apology if of == APOLOGY else {"status": int(of)}
    return CaseNotice.model_validate(FACTS | kind | changes)


class NoticeStage:
    """One dossier after the other; each notice is a row of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.clock = stage.clock
        self.revision = 0
        self.sent = InMemory()
        pair = stage.sandbox.grant()
        self.pair = pair.access_token, pair.refresh_token, pair.life_s
        stage.elsewhere = Stores(stage.vault, stage.notebook, stage.key, MemoryVault(), self.sent)

    async def start(self, **settings: Any) -> None:
        """A new process, with these settings (`money_per_day=...`)."""
        account = self.stage.sandbox.settings.model_copy(update=settings)
        stage = self.stage
        channel = open_channel(account, stage.stores, stage.site, stage.pace, Unsteady(stage))
        stage.started.append(channel)
        await channel.api.tokens.access()

    @property
    def channel(self) -> Any:
        return self.stage.channel

    @property
    def templates(self) -> Any:
        return self.channel.notices.templates

    @property
    def purse(self) -> Any:
        return self.channel.notices.purse

    async def used(self, of: str) -> int:
        """What is set aside of today's `notices`, of the money of `today` or of the `month`."""
        count: Count = getattr(await self.purse.spent(), of)
        return count.used

    def row(self, revision: int, address: str) -> Recipient:
        key = keys.delivery_key("case-x", revision, ChannelName.ZALO, keys.PERSON)
        return Recipient(keys.PERSON, key, address)

    async def send(
        self, notice: CaseNotice | None = None, address: str = PHONE, *, again: bool = False,
        **deadline: Any,
    ) -> Outcome:  # fmt: skip
        """The next notice's first try, or the last one's *again*."""
        self.revision += not again
        rendered = self.channel.render(notice or a_notice())
        expired = deadline.get("expired", lambda: False)
        async with self.channel.session() as session:
            rows = [self.row(self.revision, address)]
            [outcome] = await session.send(rendered, rows, expired)
        return outcome

    async def resolve(self, notice: CaseNotice | None = None, address: str = PHONE) -> Outcome:
        """The last one's doubt."""
        rendered = self.channel.render(notice or a_notice())
        async with self.channel.session() as session:
            [outcome] = await session.resolve(rendered, [self.row(self.revision, address)])
        return outcome

    async def set_template(self, of: str = "2", **changes: Any) -> Template:
        """Zalo changes what it says of the template for *of*."""
        world = self.stage.sandbox.world
        now = world.shelf.templates[SERVING[of]].model_copy(update=changes)
        world.record("template_set", template=now.model_dump(mode="json"))
        await self.templates.sync()
        return now

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every template message that Zalo took, by its own log of effects."""
        facts = self.stage.sandbox.world.journal.facts()
        return [fact["message"] for fact in facts if fact["kind"] == "template_sent"]

    def at(self, text: str) -> None:
        """Zalo's clock and ours: Vietnam's time, on 16 January 2027 or the day that is named."""
        day, _, time = text.rpartition(" ")
        moment = datetime.fromisoformat(f"{day or '2027-01-16'}T{time}+07:00")
        self.clock.now = moment.timestamp()
        self.stage.sandbox.world.tokens.expires = 1e12


def person(stage: Stage, **facts: Any) -> None:
    """Somebody who wrote to the Official Account just now."""
    person = {"user_id": USER_ID, "phone": PHONE, "last_interaction": stage.clock()} | facts
    stage.sandbox.world.record("person_set", person=person)


def has(house: NoticeStage, template: Template) -> None:
    """The account has it from now on."""
    house.stage.sandbox.world.record("template_set", template=template.model_dump(mode="json"))


def counting(house: NoticeStage) -> Counter[str]:
    """How often which call is made from now on, by its last word."""
    calls = Counter[str]()
    house.stage.before_request = lambda request: calls.update([request.url.rpartition("/")[2]])
    return calls


@asynccontextmanager
async def noticing(folder: Path, clock: Clock) -> AsyncIterator[NoticeStage]:
    """Noon; the sandbox's templates serve every kind."""
    async with staged(folder, clock) as stage:
        house = NoticeStage(stage)
        stage.start()
        await stage.consent()
        await house.templates.register(SERVING)
        yield house
