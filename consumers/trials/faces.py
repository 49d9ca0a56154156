"""The faces of trials, by the renderers of the channels, each marked; and the counts of mails."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from channels.email.render.build import MailContext
from channels.email.render.personal import RenderedTransactionalMail
from channels.email.render.preview import (
    SAMPLE_ADDRESS,
    Preview,
    remove_dot_stuffing,
    sample_recipient,
)
from channels.portal.preview import PortalPreview, mark_trial
from channels.zalo.publications.render import ArticleDefaults, preview_payload
from consumers.ledger.store import Ledger
from consumers.trials.mails import trial_mail
from consumers.trials.store import TrialStore
from contracts.delivery import OPEN, BatchKey, ChannelName, Status
from contracts.publication import Publication
from contracts.trace import StatusCounts
from contracts.trials.faces import FACES, TrialFace
from contracts.trials.records import TrialEvent

_HTML, _TEXT, _JSON = "text/html", "text/plain", "application/json"
_INLINE = "'unsafe-inline'"
"""A mail has its styles in itself; its page has no script, and no origin."""


@dataclass(frozen=True)
class RenderedTrials:
    """Renders in threads, so that a long text keeps no other request waiting."""

    store: TrialStore
    ledger: Ledger
    portal: PortalPreview
    mail: MailContext
    article: ArticleDefaults

    async def counts(self, record: TrialEvent) -> Mapping[str, Any]:
        """The guests' mails by their outcome; one never begun is suppressed.

        Raises BusError, LedgerError.
        """
        statuses, missing = Counter[Status](), 0
        for guest in record.mailed:
            batch = BatchKey(ChannelName.EMAIL, record.letter_id(guest), 1, 0)
            if state := await self.ledger.state(batch):
                statuses.update(state.value.count_by_status())
            elif guest in record.unsent:
                statuses[Status.SUPPRESSED] += 1
            elif record.is_begun:
                missing += 1
            else:
                statuses[Status.PENDING] += 1
        is_open = missing or any(statuses[status] for status in OPEN)
        counts = StatusCounts(
            **{status.value: statuses[status] for status in Status},
            expected=len(record.mailed),
            missing=missing,
            complete=record.is_done and not is_open,
        )
        return counts.model_dump()

    async def face(self, record: TrialEvent, name: str) -> TrialFace:
        """One face of a trial with a publication. Raises BusError."""
        if record.publication is None:
            raise LookupError("a trial without a publication has no face")
        earlier = await self.store.earlier(record)
        corrections = Counter(record.mailed.values())
        has_had = corrections[True] > corrections[False]
        return await asyncio.to_thread(self._render, name, record.publication, earlier, has_had)

    async def of_publication(self, item: Publication) -> Mapping[str, str]:
        """All faces of an item that is not out, marked as a trial's are."""

        def render_all() -> Mapping[str, str]:
            return {name: self._render(name, item, (), has_had=False).body for name in FACES}

        return await asyncio.to_thread(render_all)

    def _render(
        self, name: str, item: Publication, earlier: Sequence[Publication], has_had: bool
    ) -> TrialFace:
        if name == "portal.html":
            page = mark_trial(self.portal.page(item, earlier))
            return TrialFace(_HTML, page, self._portal_host, self._portal_host)
        if name == "zalo.json":
            article = {"trial": True, "article": preview_payload(item, self.article)}
            return TrialFace(_JSON, json.dumps(article, ensure_ascii=False))
        mail = self._mail(item, has_had)
        if name == "mail.txt":
            return TrialFace(_TEXT, mail.text)
        return TrialFace(_HTML, mail.html, _INLINE, self._portal_host)

    @property
    def _portal_host(self) -> str:
        parts = urlsplit(self.article.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    def _mail(self, item: Publication, has_had: bool) -> Preview:
        """The mail to a made-up guest, who has had an earlier position if most had."""
        words = self.mail.vocabulary
        mail = trial_mail(item, SAMPLE_ADDRESS, words, item.released_at, is_correction=has_had)
        body = RenderedTransactionalMail(mail, self.mail).envelope(sample_recipient(item)).body
        return Preview(remove_dot_stuffing(body))
