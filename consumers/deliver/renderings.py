"""Cache of one channel's rendered contents: each is read from its stream and rendered once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic

from channels.base import Content, Rendered
from consumers.digests.current_revision import load_traced
from consumers.digests.earlier_mails import EarlierMails
from consumers.digests.store import DigestStore
from consumers.ledger.codec import BatchRows
from consumers.ledger.errors import LedgerError
from consumers.ledger.row_ref import DIGEST_KIND, NOTICE_KIND, PUBLICATION_KIND
from consumers.ledger.store import Ledger
from consumers.seals.publications import PublicationSeals
from contracts import envelope, events, keys, subjects
from contracts.base.tracing import Carrier
from contracts.case import AcceptedNotice
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from contracts.subjects import StreamSpec
from contracts.subscriptions.digest import Digest
from contracts.subscriptions.transactional import TransactionalMail
from producers.bus import Bus, Message

CACHE_SIZE = 64
_DELETED_EXPIRED_AT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RenderedContent(Generic[Rendered]):
    """A publication, a case notice, a mail or a digest as its channel sends it."""

    rendered: Rendered | None
    """None once the content is deleted; then it has expired."""
    expires_at: datetime | None = None
    kind: str = PUBLICATION_KIND
    """Of its row references: personal content has NOTICE_KIND."""
    stream_seq: int = 0
    """Its sequence in its stream; 0 for content in none."""
    event_id: str = ""
    """Of the event that a publication came from."""
    mends_earlier_texts: bool = False
    """Whether it corrects or withdraws what recipients were sent; they get it while paused, too."""
    origins: tuple[Carrier, ...] = ()
    """The traces of the events that it came from: several for a digest."""

    @property
    def is_personal(self) -> bool:
        return self.kind == NOTICE_KIND

    def require(self) -> Rendered:
        """The rendered content. Raises LedgerError if it is deleted."""
        if self.rendered is None:
            raise LedgerError("the content is deleted")
        return self.rendered


class RenderCache(Generic[Rendered]):
    """The rendered contents that one channel used last, kept in memory."""

    def __init__(
        self,
        bus: Bus,
        ledger: Ledger,
        render: Callable[[Content], Rendered],
        seals: PublicationSeals | None = None,
    ) -> None:
        self.bus = bus
        self.seals = seals
        self.ledger = ledger
        self.render = render
        self.cache: OrderedDict[tuple[PlanKey, int], RenderedContent[Rendered]] = OrderedDict()
        self.earlier_mails = EarlierMails(ledger, DigestStore(bus))

    async def rows(self, batch: BatchKey) -> BatchRows:
        """A batch's recipients; for mail, with the earlier mails that a correction corrects."""
        rows = await self.ledger.rows(batch)
        if batch.channel is not ChannelName.EMAIL:
            return rows
        earlier = await self.earlier_mails.received_by(batch, rows)
        return replace(rows, earlier_mails=earlier) if earlier else rows

    async def content(self, plan: PlanKey, stream_seq: int = 0) -> RenderedContent[Rendered]:
        """The rendered content of *plan*; *stream_seq* locates the event of a case notice.

        Raises LedgerError when a plan, its publication or an event is missing.
        """
        key = plan, stream_seq
        if key not in self.cache:
            self.cache[key] = await self.load(plan, stream_seq)
            if len(self.cache) > CACHE_SIZE:
                self.cache.popitem(last=False)
        self.cache.move_to_end(key)
        return self.cache[key]

    async def load(self, plan: PlanKey, stream_seq: int) -> RenderedContent[Rendered]:
        if keys.is_case(plan.content_id):
            message = await self.require_message(subjects.CONTENT, stream_seq)
            notice, origins = self.render(_read_case_notice(message)), (message.headers,)
            return RenderedContent(notice, kind=NOTICE_KIND, stream_seq=stream_seq, origins=origins)
        if keys.is_transactional(plan.content_id):
            return await self.render_transactional(plan.content_id)
        if keys.is_digest(plan.content_id):
            return await self.render_digest(plan)
        return await self.render_publication(plan)

    async def render_publication(self, plan: PlanKey) -> RenderedContent[Rendered]:
        """A publication, from the sequence in PUBLICATIONS that its plan names."""
        cursor = await self.ledger.plan(plan)
        if cursor is None:
            raise LedgerError(f"plan.{plan} is missing")
        source = cursor.value.source
        item, headers = await load_traced(self.bus, source, self.seals)
        return RenderedContent(
            self.render(item),
            item.expires_at,
            stream_seq=source,
            event_id=item.event_id,
            mends_earlier_texts=item.action != "published",
            origins=(headers,),
        )

    async def render_transactional(self, content_id: str) -> RenderedContent[Rendered]:
        """A transactional mail from bucket `notices`; a deleted one counts as expired."""
        value = await self.bus.bucket(subjects.NOTICES.name).get(content_id)
        if value is None:
            return RenderedContent(None, _DELETED_EXPIRED_AT, kind=NOTICE_KIND)
        mail = TransactionalMail.model_validate_json(value.data)
        return RenderedContent(self.render(mail), mail.expires_at, kind=NOTICE_KIND)

    async def render_digest(self, plan: PlanKey) -> RenderedContent[Rendered]:
        """A digest issue with its publications; it expires with the first of them."""
        stored = await DigestStore(self.bus).issue(plan.content_id, plan.revision)
        if stored is None:
            raise LedgerError(f"issue.{plan.content_id}.{plan.revision} is missing")
        issue, seq = stored
        texts: dict[int, Publication] = {}
        origins: list[Carrier] = []
        for number, item in enumerate(issue.items):
            if not item.out:
                texts[number], headers = await load_traced(self.bus, item.seq, self.seals)
                origins.append(headers)
        rendered = self.render(Digest(issue, texts))
        return RenderedContent(rendered, issue.expires_at, DIGEST_KIND, seq, origins=tuple(origins))

    async def require_message(self, stream: StreamSpec, seq: int) -> Message:
        message = await self.bus.get_message(stream.name, seq)
        if message is None:
            raise LedgerError(f"{stream.name} {seq} is missing")
        return message


def _read_case_notice(message: Message) -> AcceptedNotice:
    """A case notice, with the time at which its stream accepted it."""
    notice = events.parse_case_notice(envelope.decode(None, message.headers, message.data))
    return AcceptedNotice(**dict(notice), accepted_at=message.time)
