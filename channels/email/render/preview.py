"""A mail to look at before anybody gets it: a real one's bytes, for a reader who is made up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from channels.base import Recipient
from channels.email.parsing import body_text, header_text
from channels.email.render.build import MailContext
from channels.email.render.digest import RenderedDigest
from channels.email.render.publication import RenderedPublication
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication
from contracts.subscriptions.digest import Digest

SAMPLE_ID = "nguoi-nhan-mau"
SAMPLE_NAME = "Nguyễn Văn Mẫu"
SAMPLE_ADDRESS = "nguoi-nhan-mau@example.com"
PREVIEW_SIGNER = HmacSigner(b"of nobody, so that a preview ends no subscription")
FOR_NEW, FOR_EARLIER, FOR_DIGEST = "new", "earlier", "digest"
_DOUBLED = re.compile(rb"(?m)^\.\.")


@dataclass(frozen=True, slots=True)
class Preview:
    """One mail; `eml` is what the reader's mail program would get."""

    eml: bytes

    @property
    def html(self) -> str:
        return body_text(self.eml, "html")

    @property
    def text(self) -> str:
        return body_text(self.eml, "plain")

    @property
    def subject(self) -> str:
        return header_text(self.eml, "Subject")

    @property
    def sender(self) -> str:
        return header_text(self.eml, "From")


def publication_previews(
    publication: Publication,
    context: MailContext,
    *,
    has_earlier: bool,
    digest: PlanKey | None = None,
) -> Mapping[str, Preview]:
    """The mail for new readers and, where it has *followed* another, for those who had that one.

    Also for those who had it in *digest*. A withdrawal goes to those alone. Raises guard.Unsafe.
    """
    earlier = sample_recipient(publication, correction=True)
    rows = {FOR_NEW: sample_recipient(publication)} if publication.action != "withdrawn" else {}
    rows |= {FOR_EARLIER: earlier} if has_earlier else {}
    rows |= (
        {FOR_DIGEST: replace(earlier, earlier_mails=(digest,))} if has_earlier and digest else {}
    )
    rendered = RenderedPublication(publication, context)
    return {
        kind: Preview(remove_dot_stuffing(rendered.envelope(one).body))
        for kind, one in rows.items()
    }


def digest_preview(digest: Digest, context: MailContext, picks: int) -> Preview:
    """The mail of a digest with the chosen items, a bit mask. Raises guard.Unsafe."""
    issue = digest.issue
    key = keys.delivery_key(issue.digest_id, issue.revision, ChannelName.EMAIL, SAMPLE_ID)
    nobody = Recipient(SAMPLE_ID, key, SAMPLE_ADDRESS, SAMPLE_NAME, picks=picks)
    return Preview(remove_dot_stuffing(RenderedDigest(digest, context).envelope(nobody).body))


def sample_recipient(
    publication: Publication, correction: bool = False, address: str = SAMPLE_ADDRESS
) -> Recipient:
    """A reader who is nobody."""
    content_id, revision = publication.content_id, publication.revision
    key = keys.delivery_key(content_id, revision, ChannelName.EMAIL, SAMPLE_ID)
    return Recipient(SAMPLE_ID, key, address, SAMPLE_NAME, correction)


def remove_dot_stuffing(body: bytes) -> bytes:
    """A mail as it arrives: without the dots that DATA doubles."""
    return _DOUBLED.sub(b".", body)
