"""A mail to look at before anybody gets it: a real one's bytes, for a reader who is made up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from channels.base import Recipient
from channels.email.build import House
from channels.email.maildrop import content, header
from channels.email.render import Rendered
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.delivery import ChannelName
from contracts.publication import Publication

READER = "nguoi-nhan-mau"
NAME = "Nguyễn Văn Mẫu"
ADDRESS = "nguoi-nhan-mau@example.com"
SIGNER = HmacSigner(b"of nobody, so that a preview ends no subscription")
NEW, EARLIER = "new", "earlier"
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


def previews(publication: Publication, house: House, *, followed: bool) -> Mapping[str, Preview]:
    """The mail for new readers and, where it has *followed* another, for those who had that one.

    A withdrawal goes to those alone. Raises guard.Unsafe.
    """
    wanted = [NEW] if publication.action != "withdrawn" else []
    wanted += [EARLIER] if followed else []
    rendered = Rendered(publication, house)
    return {kind: preview(rendered, correction=kind == EARLIER) for kind in wanted}


def preview(rendered: Rendered, *, correction: bool) -> Preview:
    return Preview(plain(rendered.envelope(row(rendered.publication, correction)).body))


def row(publication: Publication, correction: bool = False, address: str = ADDRESS) -> Recipient:
    """A reader who is nobody."""
    content_id, revision = publication.content_id, publication.revision
    key = keys.delivery_key(content_id, revision, ChannelName.EMAIL, READER)
    return Recipient(READER, key, address, NAME, correction)


def plain(body: bytes) -> bytes:
    """A mail as it arrives: without the dots that DATA doubles."""
    return _DOUBLED.sub(b".", body)
