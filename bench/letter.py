"""The mail that every contestant sends: one publication, and as many readers as wanted."""

from datetime import UTC, datetime
from functools import cache

from channels.base import Recipient
from channels.email.channel import EmailChannel
from channels.email.render.publication import RenderedPublication
from channels.email.settings import EmailSettings, Tls
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.delivery import ChannelName
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT

UNIT = next(iter(DEFAULT.units))
TOPICS = [name for name, topic in DEFAULT.topics.items() if topic.is_subscribable]
SENDER = "loa@example.com"
TITLE = "Danh mục thủ tục hành chính được sửa đổi, bổ sung năm 2026"
SUMMARY = "Áp dụng từ ngày 01 tháng 12 năm 2026."
BODY = "Bộ Nội vụ thông báo danh mục thủ tục hành chính được sửa đổi, bổ sung."
"""Short: the frames of text and HTML alone come near 9 KB; the table prints what a mail is."""


def publication(content_id: str = "danh-muc") -> Publication:
    at = datetime(2026, 12, 1, 8, tzinfo=UTC)
    return Publication(
        content_id=content_id,
        revision=1,
        topic=TOPICS[0],
        title=TITLE,
        summary=SUMMARY,
        body=BODY,
        channels=frozenset({ChannelName.EMAIL}),
        action="published",
        unit=UNIT,
        first_released_at=at,
        released_at=at,
        event_id=content_id,
    )


def channel(port: int, connections: int = 8) -> EmailChannel:
    """The channel as `loa up` makes it, with a relay on *port* of this machine."""
    settings = EmailSettings(
        host="127.0.0.1", port=port, tls=Tls.NONE, from_=SENDER, connections=connections
    )
    return EmailChannel(settings, "https://loa.example", HmacSigner(bytes(32)))


@cache
def rendered() -> RenderedPublication:
    """The publication, compiled."""
    made = channel(25).render(publication())
    assert isinstance(made, RenderedPublication)
    return made


def reader(number: int) -> Recipient:
    """One row as the worker hands it to the channel."""
    item, id = rendered().publication, f"reader{number:012d}"
    key = keys.delivery_key(item.content_id, item.revision, ChannelName.EMAIL, id)
    return Recipient(id, key, f"reader{number}@example.com", f"Người đọc {number}")


@cache
def length() -> int:
    """Bytes of one mail: the other senders send as many."""
    return len(rendered().envelope(reader(0)).body)
