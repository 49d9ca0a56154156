"""The templates of case notices: which serves what, and how Zalo judges each now.

All processes share one value in a store with compare-and-set; a look at it is a minute old at most.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from channels.errors import Unreachable
from channels.notices import certain
from channels.zalo import codes
from channels.zalo.api import ZaloApi
from channels.zalo.codes import Refused
from channels.zalo.envelope import text_of, whole
from channels.zalo.rate import Alone
from channels.zalo.template_book import DELETE, Book, Template
from channels.zalo.vault import NEVER, Stale, Vault

log = structlog.get_logger()
INFO = "/template/info/v2"
QUOTA, QUALITY = "/message/quota", "/quality"
FRESH_S = 60.0
TRIES = 50


class Unfit(Exception):
    """A template wants what not every notice of that kind can say: `names` are its parameters."""

    def __init__(self, kind: str, template_id: str, names: list[str]) -> None:
        super().__init__(f"{template_id} for {kind}: {', '.join(names)}")
        self.kind = kind
        self.template_id = template_id
        self.names = names


class Templates:
    """The registry of one app. What it asks Zalo are reads; *key* is its place in *store*."""

    def __init__(self, api: ZaloApi, store: Vault | None, key: str) -> None:
        self.api = api
        self.store = store or Alone()
        self.key = key
        self.clock = api.clock.clock
        self.seen = Book()
        self.seen_at = float("-inf")
        self.doubts: dict[str, float] = {}

    async def book(self) -> Book:
        """As it stood within the last minute. Raises Unreachable."""
        if not 0 <= self.clock() - self.seen_at < FRESH_S:
            self.keep((await self.read())[0])
        return self.seen

    async def register(self, routes: Mapping[str, str]) -> Book:
        """Let templates serve kinds: *routes* is kind → template id.

        Raises Unfit, Refused for what Zalo does not know, ChannelError; then nothing is registered.
        """
        known = {id: await self.info(id) for id in sorted(set(routes.values()))}
        for kind, id in routes.items():
            check(kind, known[id])
        return await self.change(lambda book: book.with_routes(routes, known.values()))

    async def remove(self, kind: str) -> bool:
        """Whether there was one. Raises Unreachable."""
        there = kind in (await self.read())[0].routes
        await self.change(lambda book: book.without(kind))
        return there

    async def sync(self) -> Book:
        """Ask Zalo how every registered template stands. Raises Refused, ChannelError."""
        book, _ = await self.read()
        if not book.routes:
            return book
        asked_at = self.clock()
        found = [await self.look(id) for id in sorted(set(book.routes.values()))]
        daily = whole((await self.hint(QUOTA)).get("dailyQuota"))
        quality = text_of(await self.hint(QUALITY), "oaCurrentQuality")

        def move(book: Book) -> Book:
            now = book.learned(found).with_daily(daily, asked_at)
            return replace(now, quality=quality, synced_at=self.clock())

        return await self.change(move)

    async def hint(self, path: str) -> Mapping[str, Any]:
        """What is good to know. A refusal stops nothing: `loa zalo status` asks too, and tells."""
        try:
            return await self.ask(path)
        except Refused:
            return {}

    async def heard(self, template_id: str, *, state: str = "", quality: str = "") -> None:
        """A webhook told of a change; one of a template that serves nothing is passed over.

        Raises Unreachable.
        """

        def move(book: Book) -> Book:
            known = book.templates.get(template_id)
            if known is None:
                return book
            now = replace(known, state=state or known.state, quality=quality or known.quality)
            return book.learned([now])

        await self.change(move)

    async def heard_quota(self, daily: int | None, at: float) -> None:
        """A webhook told of another daily quota, at that time. Raises Unreachable."""
        await self.change(lambda book: book.with_daily(daily, at))

    async def doubted(self, id: str) -> None:
        """Zalo refused a template that we took for good: ask how it stands, once a minute.

        Raises Refused, ChannelError.
        """
        if self.clock() - self.doubts.get(id, 0.0) >= FRESH_S:
            self.doubts[id] = self.clock()
            now = await self.look(id)
            await self.change(lambda book: book.learned([now]))

    async def look(self, id: str) -> Template:
        """How one stands; one that Zalo knows no more is deleted."""
        try:
            return await self.info(id)
        except Refused as refused:
            if refused.ruling.reason != codes.TEMPLATE_GONE:
                raise
            return Template(id, state=DELETE)

    async def info(self, id: str) -> Template:
        said = await self.ask(INFO, template_id=id)
        if not text_of(said, "status"):
            raise Unreachable("a template without its state")
        return Template.read(id, said)

    async def ask(self, path: str, **query: str) -> Mapping[str, Any]:
        answer = await self.api.ask(self.api.get(path, query))
        return answer.data if isinstance(answer.data, Mapping) else {}

    async def change(self, move: Callable[[Book], Book]) -> Book:
        """Apply *move* to what stands there, whoever wrote it, and tell what it changed."""
        for _ in range(TRIES):
            before, revision = await self.read()
            after = move(before)
            if after != before:
                try:
                    await self.store.swap(self.key, after.encode(), revision)
                except Stale:
                    continue
            self.keep(after)
            tell(before, after)
            return after
        raise Unreachable("everybody writes the templates", retry_after_s=1.0)

    async def read(self) -> tuple[Book, int]:
        found = await self.store.get(self.key)
        return Book.decode(found.data if found else b""), found.revision if found else NEVER

    def keep(self, book: Book) -> None:
        self.seen, self.seen_at = book, self.clock()


def check(kind: str, template: Template) -> None:
    """Raises Unfit."""
    wanted = {blank.name for blank in template.blanks if blank.require}
    if unknown := sorted(wanted - certain(kind)):
        raise Unfit(kind, template.id, unknown)


def tell(before: Book, after: Book) -> None:
    """One line for each template that Zalo judges otherwise than before."""
    for id, now in after.templates.items():
        was = before.templates.get(id)
        if was and (was.state, was.quality) != (now.state, now.quality):
            log.warning(
                "zalo_template_changed", template=id, kinds=after.kinds(id),
                was=was.state, state=now.state, quality=now.quality,
            )  # fmt: skip
