"""Preview of mails before release: the real bytes, for a sample recipient."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

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

_SAMPLE_ID = "nguoi-nhan-mau"
SAMPLE_NAME = "Nguyễn Văn Mẫu"
SAMPLE_ADDRESS = "nguoi-nhan-mau@example.com"
PREVIEW_SIGNER = HmacSigner(b"of nobody, so that a preview ends no subscription")
_FOR_NEW, _FOR_EARLIER, _FOR_DIGEST = "new", "earlier", "digest"
_DOUBLED = re.compile(rb"(?m)^\.\.")
_DARK_SCREEN = re.compile(r"@media ?\(prefers-color-scheme: ?dark\)")
_EITHER_SCHEME = re.compile(r"(color-scheme(?:: ?|\" content=\"))light dark")
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Preview:
    """One mail; `eml` has the bytes that a mail program gets."""

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
    """Mails for new recipients and, if *has_earlier*, for those of an earlier mail.

    With *digest* also for those who had the item there. A withdrawal has no new recipients. Raises
    UnsafeHeader.
    """
    earlier = sample_recipient(publication, correction=True)
    rows = {_FOR_NEW: sample_recipient(publication)} if publication.action != "withdrawn" else {}
    rows |= {_FOR_EARLIER: earlier} if has_earlier else {}
    if has_earlier and digest:
        rows[_FOR_DIGEST] = replace(earlier, earlier_mails=(digest,))
    rendered = RenderedPublication(publication, context)
    bodies = {kind: rendered.envelope(row).body for kind, row in rows.items()}
    return {kind: Preview(remove_dot_stuffing(body)) for kind, body in bodies.items()}


def digest_preview(digest: Digest, context: MailContext, picks: int) -> Preview:
    """Mail of a digest with the items of the bit mask *picks*. Raises UnsafeHeader."""
    issue = digest.issue
    key = keys.delivery_key(issue.digest_id, issue.revision, ChannelName.EMAIL, _SAMPLE_ID)
    recipient = Recipient(_SAMPLE_ID, key, SAMPLE_ADDRESS, SAMPLE_NAME, picks=picks)
    return Preview(remove_dot_stuffing(RenderedDigest(digest, context).envelope(recipient).body))


def sample_recipient(
    publication: Publication, correction: bool = False, address: str = SAMPLE_ADDRESS
) -> Recipient:
    """A made-up recipient."""
    content_id, revision = publication.content_id, publication.revision
    key = keys.delivery_key(content_id, revision, ChannelName.EMAIL, _SAMPLE_ID)
    return Recipient(_SAMPLE_ID, key, address, SAMPLE_NAME, correction)


def in_scheme(html: str, scheme: Scheme) -> str:
    """The mail as a program with light or dark screens shows it, on any screen."""
    asked = "@media all" if scheme == "dark" else "@media not all"
    return _EITHER_SCHEME.sub(rf"\1{scheme}", _DARK_SCREEN.sub(asked, html))


def remove_dot_stuffing(body: bytes) -> bytes:
    """The mail as received: without the dots that DATA doubles."""
    return _DOUBLED.sub(b".", body)
