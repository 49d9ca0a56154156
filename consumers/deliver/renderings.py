"""Cache of one channel's rendered contents: each is read from its stream and rendered once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic

from channels.base import Content, Rendered
from consumers.digests.current_revision import load_publication, load_publications
from consumers.digests.earlier_mails import EarlierMails
from consumers.digests.store import DigestStore
from consumers.ledger.codec import BatchRows
from consumers.ledger.errors import LedgerError
from consumers.ledger.row_ref import DIGEST_KIND, NOTICE_KIND, PUBLICATION_KIND
from consumers.ledger.store import Ledger
from consumers.seals.publications import PublicationSeals
from contracts import envelope, events, keys, subjects
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
        self.cache: OrderedDict[PlanKey, RenderedContent[Rendered]] = OrderedDict()
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
        if plan not in self.cache:
            self.cache[plan] = await self.load(plan, stream_seq)
            if len(self.cache) > CACHE_SIZE:
                self.cache.popitem(last=False)
        self.cache.move_to_end(plan)
        return self.cache[plan]

    async def load(self, plan: PlanKey, stream_seq: int) -> RenderedContent[Rendered]:
        if keys.is_case(plan.content_id):
            notice = self.render(await self.find_case_notice(stream_seq))
            return RenderedContent(notice, kind=NOTICE_KIND, stream_seq=stream_seq)
        if keys.is_transactional(plan.content_id):
            return await self.render_transactional(plan.content_id)
        if keys.is_digest(plan.content_id):
            return await self.render_digest(plan)
        item, seq = await self.find_publication(plan)
        rendered, event_id = self.render(item), item.event_id
        return RenderedContent(rendered, item.expires_at, stream_seq=seq, event_id=event_id)

    async def find_publication(self, plan: PlanKey) -> tuple[Publication, int]:
        """A publication, and its sequence in PUBLICATIONS."""
        cursor = await self.ledger.plan(plan)
        if cursor is None:
            raise LedgerError(f"plan.{plan} is missing")
        source = cursor.value.source
        return await load_publication(self.bus, source, self.seals), source

    async def find_case_notice(self, stream_seq: int) -> AcceptedNotice:
        """A case notice, with the time at which its stream accepted it."""
        message = await self.require_message(subjects.CONTENT, stream_seq)
        notice = events.parse_case_notice(envelope.decode(None, message.headers, message.data))
        return AcceptedNotice(**dict(notice), accepted_at=message.time)

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
        rendered = self.render(Digest(issue, await load_publications(self.bus, issue, self.seals)))
        return RenderedContent(rendered, issue.expires_at, DIGEST_KIND, seq)

    async def require_message(self, stream: StreamSpec, seq: int) -> Message:
        message = await self.bus.get_message(stream.name, seq)
        if message is None:
            raise LedgerError(f"{stream.name} {seq} is missing")
        return message
