"""A mail to look at before anybody gets it: a real one's bytes, for a reader who is made up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from channels.base import Recipient
from channels.email.build import House
from channels.email.digest import RenderedDigest
from channels.email.maildrop import content, header
from channels.email.render import Rendered
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from contracts.digest import Digest
from contracts.publication import Publication

READER = "nguoi-nhan-mau"
NAME = "Nguyễn Văn Mẫu"
ADDRESS = "nguoi-nhan-mau@example.com"
SIGNER = HmacSigner(b"of nobody, so that a preview ends no subscription")
NEW, EARLIER, GATHERED = "new", "earlier", "digest"
_DOUBLED = re.compile(rb"(?m)^\.\.")


@dataclass(frozen=True, slots=True)
class Preview:
    """One mail; `eml` is what the reader's mail program would get."""

    eml: bytes

    @property
    def html(self) -> str:
        return content(self.eml, "html")

    @property
    def text(self) -> str:
        return content(self.eml, "plain")

    @property
    def subject(self) -> str:
        return header(self.eml, "Subject")

    @property
    def sender(self) -> str:
        return header(self.eml, "From")


def previews(
    publication: Publication, house: House, *, followed: bool, digest: PlanKey | None = None
) -> Mapping[str, Preview]:
    """The mail for new readers and, where it has *followed* another, for those who had that one.

    Also for those who had it in *digest*. A withdrawal goes to those alone. Raises guard.Unsafe.
    """
    earlier = row(publication, correction=True)
    rows = {NEW: row(publication)} if publication.action != "withdrawn" else {}
    rows |= {EARLIER: earlier} if followed else {}
    rows |= {GATHERED: replace(earlier, had=(digest,))} if followed and digest else {}
    rendered = Rendered(publication, house)
    return {kind: Preview(plain(rendered.envelope(one).body)) for kind, one in rows.items()}


def digest_preview(digest: Digest, house: House, picks: int) -> Preview:
    """The mail of a digest with the chosen items, a bit mask. Raises guard.Unsafe."""
    issue = digest.issue
    key = keys.delivery_key(issue.digest_id, issue.revision, ChannelName.EMAIL, READER)
    nobody = Recipient(READER, key, ADDRESS, NAME, picks=picks)
    return Preview(plain(RenderedDigest(digest, house).envelope(nobody).body))


def row(publication: Publication, correction: bool = False, address: str = ADDRESS) -> Recipient:
    """A reader who is nobody."""
    content_id, revision = publication.content_id, publication.revision
    key = keys.delivery_key(content_id, revision, ChannelName.EMAIL, READER)
    return Recipient(READER, key, address, NAME, correction)


def plain(body: bytes) -> bytes:
    """A mail as it arrives: without the dots that DATA doubles."""
    return _DOUBLED.sub(b".", body)
