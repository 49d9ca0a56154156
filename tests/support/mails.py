"""Parts of the mail tests: a channel, readers, a publication with everything in it, a sending."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from html.parser import HTMLParser

from channels.base import Recipient
from channels.email.channel import EmailChannel
from channels.email.settings import EmailSettings, Tls
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.delivery import ChannelName
from contracts.subscriptions.digest import Digest, DigestItem, Issue
from tests.support.publications import a_publication

PUBLIC_URL = "https://thong-bao.moha.example"
SIGNER = HmacSigner(b"k" * 32)
LONG_BODY = """# Điểm mới

Từ ngày **01/01/2027**, người dân nộp hồ sơ [trực tuyến](https://dichvucong.example/nop?a=1&b=2).

- Không cần *bản sao* giấy tờ
- Trả kết quả
  1. tại nhà
  2. qua VNeID

> Mọi thắc mắc xin gọi tổng đài.

| Bước | Thời hạn |
|---|---|
| Tiếp nhận | 1 ngày |
| Trả kết quả | 3 ngày |

![Sơ đồ quy trình](https://moha.example/so-do.png)

```
mã <b>hồ sơ</b>
```

.dòng bắt đầu bằng dấu chấm
"""


def email_channel(port=0, signer=SIGNER, **changes):
    fields = {"host": "127.0.0.1", "port": port or 1, "tls": Tls.NONE}
    fields |= {"from_": "thong-bao@moha.example"} | changes
    return EmailChannel(EmailSettings(**fields), PUBLIC_URL, signer)


def mail_recipient(number=0, publication=None, **changes):
    publication = publication or a_publication()
    id = changes.pop("id", f"nguoi-nhan-{number:06d}")
    key = keys.delivery_key(publication.content_id, publication.revision, ChannelName.EMAIL, id)
    fields = {"address": f"a{number}@example.com", "name": f"Nguyễn Văn {number}"}
    return Recipient(**({"id": id, "delivery_key": key} | fields | changes))


def a_full_publication(**changes):
    return a_publication(
        **{
            "title": "Quy định mới về nộp hồ sơ trực tuyến & trả kết quả <tại nhà>",
            "body": LONG_BODY,
            "author": "Trần Thị B",
            "links": [{"url": "https://moha.example/van-ban", "title": "Toàn văn quy định"}],
            "attachments": [{"url": "https://moha.example/mau.pdf", "title": "Mẫu đơn số 01"}],
        }
        | changes
    )


def sent_mail(publication=None, row=None, channel=None):
    """The mail one reader gets, as it leaves (dots doubled) and as it arrives."""
    publication = publication or a_full_publication()
    row = row or mail_recipient(publication=publication)
    envelope = (channel or email_channel()).render(publication).envelope(row)
    return envelope.body, message_from_bytes(
        without_dot_stuffing(envelope.body), policy=policy.default
    )


def never_expired() -> bool:
    return False


def recipients(count, publication=None):
    return [mail_recipient(n, publication) for n in range(count)]


def verdicts(outcomes):
    return [outcome.verdict for outcome in outcomes]


async def deliver(channel, some, expired=never_expired, publication=None):
    rendered = channel.render(publication or a_publication())
    async with channel.session() as session:
        outcomes = await session.send(rendered, some, expired)
    await channel.close()
    return outcomes


def without_dot_stuffing(body):
    lines = body.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b"..") else line for line in lines)


def part(mail, kind):
    return mail.get_body((kind,)).get_content().replace("\r\n", "\n")


def decoded_header(mail, field):
    """A header's text as RFC 2047 decoders hear it."""
    return str(make_header(decode_header(raw_header(mail, field))))


def decoded_name(mail, field):
    return str(make_header(decode_header(parseaddr(raw_header(mail, field))[0])))


def raw_header(mail, field):
    return next(str(value) for name, value in mail.raw_items() if name.lower() == field.lower())


class VisibleText(HTMLParser):
    """The words a person sees of a page, in order."""

    INLINE = ("a", "strong", "em", "code", "span")

    def __init__(self, html):
        super().__init__()
        self.text, self.hidden = "", 0
        self.feed(html)
        self.words = self.text.split()

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("style", "title") or ("class", "preview") in attrs
        self.text += "" if tag in self.INLINE else " "

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "title") or (tag == "div" and self.hidden > 0)
        self.text += "" if tag in self.INLINE else " "

    def handle_data(self, data):
        self.text += "" if self.hidden else data


AT = datetime(2026, 11, 26, 0, 0, 30, tzinfo=UTC)
DUE = AT - timedelta(seconds=30)


def a_digest(*texts, **changes):
    items = [
        DigestItem(content_id=one.content_id, revision=one.revision, seq=number + 1)
        for number, one in enumerate(texts)
    ]
    fields = {"digest_id": "digest-daily-2026-11-26", "revision": 1, "frequency": "daily"}
    window = {"after": 0, "upto": 9, "since": DUE - timedelta(days=1), "at": AT, "issued": AT}
    return Digest(Issue(due=DUE, items=items, **fields | window | changes), dict(enumerate(texts)))


def named(number, **changes):
    return a_publication(content_id=f"tin-{number}", title=f"Tin số {number}", **changes)
