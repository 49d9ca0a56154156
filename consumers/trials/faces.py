"""The faces of trials, by the renderers of the channels, each marked; and the counts of mails."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
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
from contracts.trials.faces import TrialFace
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
        """The guests' mails by their outcome. Raises BusError, LedgerError."""
        statuses, missing = Counter[Status](), 0
        for guest in record.mailed:
            batch = BatchKey(ChannelName.EMAIL, record.letter_id(guest), 1, 0)
            state = await self.ledger.state(batch)
            missing += state is None
            statuses.update(state.value.count_by_status() if state else {})
        counts = StatusCounts(
            **{status.value: statuses[status] for status in Status},
            expected=len(record.mailed),
            missing=missing,
            complete=record.is_done and not any(statuses[status] for status in OPEN),
        )
        return counts.model_dump()

    async def face(self, record: TrialEvent, name: str) -> TrialFace:
        """One face of a trial with a publication. Raises BusError."""
        publication = record.publication
        if publication is None:
            raise LookupError("a trial without a publication has no face")
        if name == "portal.html":
            earlier = await self.store.earlier(record)
            page = await asyncio.to_thread(self.portal.page, publication, earlier)
            return TrialFace(_HTML, mark_trial(page), self._portal_host, self._portal_host)
        if name == "zalo.json":
            return TrialFace(_JSON, await asyncio.to_thread(self._article, publication))
        mail = await asyncio.to_thread(self._mail, record)
        if name == "mail.txt":
            return TrialFace(_TEXT, mail.text)
        return TrialFace(_HTML, mail.html, _INLINE, self._portal_host)

    @property
    def _portal_host(self) -> str:
        parts = urlsplit(self.article.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    def _article(self, publication: Publication) -> str:
        article = preview_payload(publication, self.article)
        return json.dumps({"trial": True, "article": article}, ensure_ascii=False)

    def _mail(self, record: TrialEvent) -> Preview:
        """The mail that a guest gets, to a made-up one; of several forms the commonest."""
        corrections = Counter(record.mailed.values())
        is_correction = corrections[True] > corrections[False]
        mail = trial_mail(
            record, SAMPLE_ADDRESS, self.mail.vocabulary, record.at, is_correction=is_correction
        )
        assert record.publication  # noqa: S101 -- `face` has looked
        row = sample_recipient(record.publication)
        body = RenderedTransactionalMail(mail, self.mail).envelope(row).body
        return Preview(remove_dot_stuffing(body))
