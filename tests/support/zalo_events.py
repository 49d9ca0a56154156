"""Who handles an event of a person at Zalo, with the sandbox behind and the webhook in front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from channels.zalo.account.followers import FollowerApi
from channels.zalo.account.replies import ReplySender
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.stand_in import OA_ID
from channels.zalo.texts import catalog_text
from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.suppression.store import SuppressionStore
from consumers.zalo.auto_reply import AutoReply
from consumers.zalo.erasure import Erasure
from consumers.zalo.followers import FollowerStore
from consumers.zalo.stores import BusKeyValueStore
from consumers.zalo.webhook_handler import ZaloEventHandler
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.zalo_webhook import PHONE, USER, open_webhook

ZALO = ChannelName.ZALO
TEXT = catalog_text(
    "reply", "text", portal="https://cong.example", lookup="https://tra.example"
).strip()
KEY = "message-call.zalo.sandbox-app"
CS, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"


@dataclass
class ZaloEventHarness:
    """The handler with its parts, the sandbox as Zalo, and the webhook between them."""

    webhook: object
    calls: list = field(default_factory=list)
    paused: bool = False

    def __post_init__(self):
        self.zalo, self.account, self.bus = (
            self.webhook.sandbox_client,
            self.webhook.sandbox_client.account,
            self.webhook.bus,
        )
        self.account.after_request = lambda request: self.calls.append(request.url)
        self.people = self.new_process()

    def new_process(self) -> ZaloEventHandler:
        """A new process: only the bus remembers."""
        bus, api = self.bus, self.account.channel.api
        followers = FollowerStore(bus, b"secret")
        suppressions = SuppressionStore(bus, b"secret")
        replies = ReplySender(api, BusKeyValueStore(bus, subjects.CONTROL.name), KEY)
        greeting = AutoReply(bus, followers, replies, TEXT, lambda: self.paused, self.account.clock)
        erasure = Erasure(bus, followers, suppressions, FollowerApi(api))
        return ZaloEventHandler(followers, suppressions, erasure, greeting, self.templates)

    @property
    def templates(self) -> TemplateRegistry:
        return self.account.channel.notices.templates

    def now(self):
        return datetime.fromtimestamp(self.account.clock(), UTC)

    async def consume_all(self) -> None:
        """Handle all stored webhook events, as the queue would."""
        for told in await self.webhook.post_due_events():
            await self.people.on_event(ZaloEvent.model_validate(told))

    async def handle(self, kind: str, user_id: str = USER, **more) -> None:
        await self.people.on_event(self.event(kind, user_id, **more))

    def event(self, kind: str, user_id: str = USER, *, ago_s: float = 0, **more) -> ZaloEvent:
        at = datetime.fromtimestamp(self.account.clock() - ago_s, UTC)
        facts = {"key": "k", "at": at, "user_id": user_id, "oa_id": OA_ID}
        return ZaloEvent(kind=EventKind(kind), **(facts | more))

    def sent(self) -> list[dict]:
        return [fact["message"] for fact in self.zalo.facts("cs_sent")]

    def call_paths(self) -> list[str]:
        """Which of the two message calls were made."""
        return [url[url.index("/v") :] for url in self.calls if "/message" in url]


@asynccontextmanager
async def open_zalo_events(
    bus: Bus, folder: Path, clock: FakeClock
) -> AsyncIterator[ZaloEventHarness]:
    """One person is known to Zalo; so far nothing was said."""
    async with open_webhook(bus, folder, clock) as line:
        harness = ZaloEventHarness(line)
        await harness.zalo.said("/_sandbox/people", {"user_id": USER, "phone": PHONE})
        await harness.zalo.settle()
        yield harness
