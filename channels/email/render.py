"""A publication rendered once; a reader's mail is then a matter of putting bytes together."""

import html
import re

from channels.base import Recipient
from channels.email import guard, headers
from channels.email.build import House, build, threaded
from channels.email.letter import called
from channels.email.mould import Mould, Slot, value
from channels.email.window import Envelope
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication

EARLIER_MAX = 10
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,300}")
_KEY = re.compile(r"[a-z0-9]{32,64}")


class Rendered:
    """One publication, compiled at first use: for new readers, and for those who had another."""

    def __init__(self, publication: Publication, house: House) -> None:
        self.publication = publication
        self.house = house
        self.domain = house.settings.domain
        self.moulds: dict[tuple[bool, str], Mould] = {}
        item, now = publication.content_id, publication.revision
        self.earlier = [
            PlanKey(ChannelName.EMAIL, item, past) for past in range(max(1, now - EARLIER_MAX), now)
        ]

    def envelope(self, row: Recipient) -> Envelope:
        """The mail of one reader. Raises guard.Unsafe, before anything is sent."""
        address = guard.recipient(row.address)
        values = own_values(row, self.house, self.domain)
        if threaded(self.publication, row.correction):
            values |= self.thread(row)
        return Envelope(address, self.mould(row.correction, last_digest(row)).fill(values))

    def mould(self, correction: bool, digest_id: str = "") -> Mould:
        """*digest_id*: the digest in which the readers had what is corrected, if it was one."""
        key = correction, digest_id
        if key not in self.moulds:
            self.moulds[key] = build(self.publication, correction, self.house, digest_id)
        return self.moulds[key]

    def thread(self, row: Recipient) -> dict[Slot, bytes]:
        """The Message-IDs of what this reader got, or may have got, of the item before."""
        deliveries = [
            keys.delivery_key(mail.content_id, mail.revision, ChannelName.EMAIL, row.id)
            for mail in row.had[-EARLIER_MAX:] or self.earlier
        ]
        ids = [keys.message_id(delivery, self.domain).encode() for delivery in deliveries]
        return {Slot.THREAD: b"\r\n ".join(ids), Slot.LAST: ids[-1]}


def last_digest(row: Recipient) -> str:
    """The digest that brought this reader the text before this one; empty if a mail alone did."""
    name = row.had[-1].content_id if row.had else ""
    return name if keys.is_digest(name) else ""


def own_values(row: Recipient, house: House, domain: str = "") -> dict[Slot, bytes]:
    """What is a reader's own in every mail.

    *domain*: the settings' own, for whoever keeps it: it is parsed out of an address each time.
    """
    token = matched("token", _TOKEN, house.signer.token(row.id)).encode()
    key, name = matched_key(row.delivery_key), called(row.name)
    return {
        Slot.TO: headers.mailbox("To", row.name, row.address).encode(),
        Slot.MESSAGE_ID: keys.message_id(key, domain or house.settings.domain).encode(),
        Slot.LINK: token,
        Slot.LINK_BODY: value(token),
        Slot.NAME_TEXT: value(name.encode()),
        Slot.NAME_HTML: value(html.escape(name).encode()),
    }


def matched_key(delivery_key: str) -> str:
    return matched("delivery key", _KEY, delivery_key)


def matched(field: str, pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise guard.Unsafe(field)
    return text
