"""The Zalo channel with a real sandbox over sockets, and stores that outlive a crash."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.fernet import Fernet

from channels.base import Deadline, Outcome, Recipient, Verdict
from channels.errors import Unreachable
from channels.zalo.channel import ZaloChannel
from channels.zalo.client.store import KeyValueStore, StoredValue
from channels.zalo.client.transport import AiohttpTransport, HttpResponse, Request
from channels.zalo.clock import Jitter, Timing
from channels.zalo.errors import StaleValue
from channels.zalo.factory import ChannelParts, ChannelStores
from channels.zalo.publications.record import ArticleRecord, ArticleStore
from channels.zalo.publications.render import ArticleDefaults
from channels.zalo.settings import ZaloSettings
from contracts import keys
from contracts.delivery import ChannelName
from contracts.publication import Publication
from sandbox.zalo import server
from sandbox.zalo.controls.faults import Fault
from sandbox.zalo.server import Sandbox
from tests.support.clock import FakeClock
from tests.support.publications import a_publication

SITE = ArticleDefaults("https://cong.example", "https://cong.example/bia/mac-dinh.png")
ARTICLE, BROADCAST = "article", "broadcast"
BEFORE = ["drop_before", "hang_before", "html_before"]
"""A call fails, and nothing has come of it."""
AFTER = ["drop_after", "hang_after", "html_after", "truncate_after", "empty_after", "error_after"]
"""A call has had its effect, and its answer does not say so."""
SHORT_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=0.1)
LONG_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=20)
NOON = 1_800_000_000.0 - 3 * 3600
"""12:00 in Vietnam, a Friday."""
OA_SECRET = "oa-secret-of-the-tests"


class SimulatedKill(Exception):
    """The process died here."""


class MemoryKeyValueStore:
    """A key-value store whose next answers can be lost."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredValue] = {}
        self.swaps = 0
        self.before_swap: Callable[[int], None] = lambda number: None
        self.after_swap: Callable[[int], None] = lambda number: None

    async def get(self, key: str) -> StoredValue | None:
        return self.stored.get(key)

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        self.swaps += 1
        self.before_swap(self.swaps)
        held = self.stored.get(key)
        if (held.revision if held else 0) != revision:
            raise StaleValue
        self.stored[key] = StoredValue(data, revision + 1)
        self.after_swap(self.swaps)
        return revision + 1


class MemoryArticleStore:
    """An article store in memory; a hook may kill or silence it before or after a write."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.revisions: dict[str, int] = {}
        self.writes = 0
        self.before: Callable[[int], None] = lambda number: None
        self.after: Callable[[int], None] = lambda number: None

    async def read(self, content_id: str) -> ArticleRecord:
        revision = self.revisions.get(content_id, 0)
        return ArticleRecord.decode(self.pages.get(content_id, b""), revision)

    async def all(self) -> AsyncIterator[tuple[str, ArticleRecord]]:
        for content_id in list(self.pages):
            yield content_id, await self.read(content_id)

    async def write(self, content_id: str, note: ArticleRecord) -> ArticleRecord:
        self.writes += 1
        self.before(self.writes)
        if note.at != self.revisions.get(content_id, 0):
            raise Unreachable("the note was changed meanwhile")
        self.pages[content_id] = note.encode()
        self.revisions[content_id] = note.at + 1
        self.after(self.writes)
        return replace(note, at=note.at + 1)

    def record(self, content_id: str = "lich-nghi-tet-2027") -> ArticleRecord:
        return ArticleRecord.decode(self.pages[content_id])


class MemoryMessageIds:
    """The ids of sent messages, in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, str] = {}

    async def save(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        self.saved[tracking_id] = message_id

    async def message_id(self, tracking_id: str) -> str:
        return self.saved.get(tracking_id, "")


def memory_stores(
    grants: KeyValueStore | None = None, articles: ArticleStore | None = None, key: bytes = b""
) -> ChannelStores:
    """Stores in memory, but for the given ones."""
    return ChannelStores(
        grants or MemoryKeyValueStore(),
        articles or MemoryArticleStore(),
        key or Fernet.generate_key(),
        MemoryKeyValueStore(),
        MemoryMessageIds(),
    )


def kill_at(number: int) -> Callable[[int], None]:
    def killing(count: int) -> None:
        if count == number:
            raise SimulatedKill

    return killing


def silence_at(*numbers: int) -> Callable[[int], None]:
    def silent(count: int) -> None:
        if count in numbers:
            raise Unreachable("bus")

    return silent


def fail_with(error: Exception) -> Callable[[int], None]:
    def fail(_: int) -> None:
        raise error

    return fail


class FaultyTransport(AiohttpTransport):
    """The real network, in a process that may die around any request."""

    def __init__(self, account: "ZaloAccount") -> None:
        super().__init__()
        self.account = account

    async def exchange(self, request: Request) -> HttpResponse:
        self.account.before_request(request)
        self.timeout = SHORT_TIMEOUT if self.account.will_hang else LONG_TIMEOUT
        reply = await super().exchange(request)
        self.account.after_request(request)
        return self.account.edit_reply(request, reply)


@dataclass
class ZaloAccount:
    """One sandbox, one set of stores, and as many channels (processes) as a test starts."""

    sandbox: Sandbox
    clock: FakeClock
    token_vault: MemoryKeyValueStore = field(default_factory=MemoryKeyValueStore)
    article_store: MemoryArticleStore = field(default_factory=MemoryArticleStore)
    key: bytes = field(default_factory=Fernet.generate_key)
    slept: list[float] = field(default_factory=list)
    started: list[ZaloChannel] = field(default_factory=list)
    site: ArticleDefaults = SITE
    elsewhere: ChannelStores | None = None
    before_request: Callable[[Request], None] = lambda request: None
    after_request: Callable[[Request], None] = lambda request: None
    edit_reply: Callable[[Request, HttpResponse], HttpResponse] = lambda request, reply: reply
    jitter: Jitter = lambda: 0.5

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    @property
    def stores(self) -> ChannelStores:
        return self.elsewhere or memory_stores(self.token_vault, self.article_store, self.key)

    @property
    def timing(self) -> Timing:
        return Timing(sleep=self.sleep, clock=self.clock, jitter=self.jitter)

    def new_channel(self) -> ZaloChannel:
        """A new process: nothing but the stores is remembered."""
        return self.start_channel(self.sandbox.settings)

    def start_channel(self, settings: ZaloSettings) -> ZaloChannel:
        parts = ChannelParts(settings, self.stores, FaultyTransport(self), self.timing)
        self.started.append(parts.channel(self.site))
        return self.started[-1]

    @property
    def channel(self) -> ZaloChannel:
        return self.started[-1] if self.started else self.new_channel()

    async def consent(self) -> None:
        tokens = self.channel.api.tokens
        await tokens.seed(self.sandbox.grant())

    async def send(
        self,
        publication: Publication,
        row: str = ARTICLE,
        *,
        expired: Deadline = lambda: False,
        correction: bool = False,
    ) -> Outcome:
        async with self.channel.session() as session:
            rows = [replace(recipient(publication, row), correction=correction)]
            [outcome] = await session.send(self.channel.render(publication), rows, expired)
        return outcome

    async def resolve(
        self, publication: Publication, row: str = ARTICLE, *, correction: bool = False
    ) -> Outcome:
        async with self.channel.session() as session:
            rows = [replace(recipient(publication, row), correction=correction)]
            [outcome] = await session.resolve(self.channel.render(publication), rows)
        return outcome

    def fault(self, route: str, kind: str, **more: Any) -> None:
        self.sandbox.faults.planned.append(Fault(route=route, kind=kind, **more))

    def replace_body(self, path: str, body: bytes) -> None:
        """Every answer of this call has *body* from now on."""

        def edit(request: Request, reply: HttpResponse) -> HttpResponse:
            return replace(reply, body=body) if request.url.endswith(path) else reply

        self.edit_reply = edit

    @property
    def will_hang(self) -> bool:
        """Whether a call is going to hang, so that waiting for it is only a waste of time."""
        planned = self.sandbox.faults.planned
        return any(fault.kind.startswith("hang") and fault.times > 0 for fault in planned)

    def set_rules(self, **changes: Any) -> None:
        world = self.sandbox.world
        world.rules = world.rules.model_copy(update=changes)

    @property
    def articles(self) -> list[Any]:
        return list(self.sandbox.world.articles.values())

    @property
    def visible(self) -> list[Any]:
        return [item for item in self.articles if item.visible]

    @property
    def broadcasts(self) -> list[Any]:
        return self.sandbox.world.broadcasts

    def effects(self, kind: str) -> int:
        return sum(fact["kind"] == kind for fact in self.sandbox.world.journal.facts())


def recipient(publication: Publication, row: str) -> Recipient:
    content_id, revision = publication.content_id, publication.revision
    return Recipient(row, keys.delivery_key(content_id, revision, ChannelName.ZALO, row))


@asynccontextmanager
async def open_zalo_account(folder: Path, clock: FakeClock) -> AsyncIterator[ZaloAccount]:
    """An account at noon, with an OA admin's consent."""
    clock.now = NOON
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "oa-secret").write_text(OA_SECRET)
    sandbox = await server.start("127.0.0.1", 0, folder, clock)
    account = ZaloAccount(sandbox, clock)
    try:
        await account.consent()
        yield account
    finally:
        for channel in account.started:
            await channel.close()
        await sandbox.close()


def sample_correction(revision: int = 2, **changes: Any) -> Publication:
    fields = {"action": "corrected", "title": "Đính chính: Lịch nghỉ Tết Nguyên đán năm 2027"}
    return a_publication(revision=revision, **(fields | changes))


def sample_withdrawal(revision: int = 3) -> Publication:
    reason = "Nội dung chưa chính xác"
    return a_publication(action="withdrawn", revision=revision, body="", reason=reason)


OPEN = (Verdict.DEFERRED, Verdict.HELD, Verdict.UNSENT)


async def deliver_row(
    account: ZaloAccount, publication: Publication, row: str, doubtful: bool = False
) -> Verdict:
    """Deliver one row as the ledger does, until it is final; time passes as requested."""
    for _ in range(120):
        try:
            outcome = await (account.resolve if doubtful else account.send)(publication, row)
        except SimulatedKill:
            account.new_channel()
            account.clock.advance(65)
            doubtful = True
            continue
        account.clock.advance((outcome.retry_after_s or 0) + 1)
        doubtful = outcome.verdict is Verdict.DOUBT
        if outcome.verdict not in (*OPEN, Verdict.DOUBT, Verdict.ABSENT, Verdict.RESEND):
            return outcome.verdict
    raise AssertionError(f"{row} never ended")
