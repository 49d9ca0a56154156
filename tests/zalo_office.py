"""Who handles an event of a person at Zalo, with the sandbox behind and the webhook in front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from channels.zalo.census import Lists
from channels.zalo.events import EventKind, ZaloEvent
from channels.zalo.replies import Replies
from channels.zalo.sandbox.oauth import OA_ID
from channels.zalo.wording import words
from consumers.suppressions import Suppressions
from consumers.vault import BusVault
from consumers.zalo.erasure import Erasure
from consumers.zalo.followers import Followers
from consumers.zalo.greeting import Greeting
from consumers.zalo.people import People
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus
from tests.conftest import Clock
from tests.zalo_hook import PHONE, USER, connected

ZALO = ChannelName.ZALO
TEXT = words("reply", "text", portal="https://cong.example", lookup="https://tra.example").strip()
KEY = "message-call.zalo.sandbox-app"
CS, V2 = "/v3.0/oa/message/cs", "/v2.0/oa/message"


@dataclass
class Office:
    """The handler with its parts, the sandbox as Zalo, and the webhook between them."""

    line: object
    heard: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    paused: bool = False

    def __post_init__(self):
        self.zalo, self.stage, self.bus = self.line.zalo, self.line.zalo.stage, self.line.bus
        self.stage.after_request = lambda request: self.calls.append(request.url)
        self.people = self.open()

    def open(self) -> People:
        """A process: nothing but what is on the bus is remembered."""
        bus, api = self.bus, self.stage.channel.api
        followers = Followers(bus)
        suppressions = Suppressions(bus, b"secret")
        replies = Replies(api, BusVault(bus, subjects.CONTROL.name), KEY)
        greeting = Greeting(bus, followers, replies, TEXT, lambda: self.paused, self.stage.clock)
        erasure = Erasure(bus, followers, suppressions, Lists(api))
        heard = self.take, self.take_quota
        return People(followers, suppressions, erasure, greeting, *heard)

    async def take(self, template_id, *, state="", quality=""):
        self.heard.append((template_id, state, quality))

    async def take_quota(self, daily, at):
        self.heard.append((daily, at))

    def now(self):
        return datetime.fromtimestamp(self.stage.clock(), UTC)

    async def on_all(self) -> None:
        """Handle what the webhook has heard so far, as the queue would."""
        for told in await self.line.heard():
            await self.people.on_event(ZaloEvent.model_validate(told))

    def event(self, kind: str, user_id: str = USER, *, ago_s: float = 0, **more) -> ZaloEvent:
        at = datetime.fromtimestamp(self.stage.clock() - ago_s, UTC)
        facts = {"key": "k", "at": at, "user_id": user_id, "oa_id": OA_ID}
        return ZaloEvent(kind=EventKind(kind), **(facts | more))

    def sent(self) -> list[dict]:
        return [fact["message"] for fact in self.zalo.facts("cs_sent")]

    def paths(self) -> list[str]:
        """Which of the two message calls were made."""
        return [url[url.index("/v") :] for url in self.calls if "/message" in url]


@asynccontextmanager
async def an_office(bus: Bus, folder: Path, clock: Clock) -> AsyncIterator[Office]:
    """One person is known to Zalo; so far nothing was said."""
    async with connected(bus, folder, clock) as line:
        office = Office(line)
        await office.zalo.said("/_sandbox/people", {"user_id": USER, "phone": PHONE})
        await office.zalo.settle()
        yield office
