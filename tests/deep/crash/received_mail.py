"""What the relay has met: a line per mail that came to its end, with its time and what it said."""

import email
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.header import decode_header, make_header
from email.message import Message
from hashlib import sha256
from pathlib import Path

MARK = re.compile(r"Bản ([a-z0-9-]+\.[a-z0-9-]+)\.")
"""In every body that senders write here stands which text it is: `Bản tin-5.2.`"""

TAKEN, CUT, LATER = "taken", "cut", "later"
"""How a mail ended: accepted; accepted, and the answer was lost; put off."""


def mark(content_id: str, text: object) -> str:
    """The line that tells the texts of an item apart."""
    return f"Bản {content_id}.{text}."


def marks(text: str) -> tuple[str, ...]:
    """The texts that *text* consists of, each once."""
    return tuple(sorted(set(MARK.findall(text))))


@dataclass(frozen=True)
class ReceivedMail:
    """One mail as the relay met it; `began` when its recipient was named, in seconds."""

    address: str
    message_id: str
    reply: str
    began: float = 0.0
    ended: float = 0.0
    subject: str = ""
    marks: tuple[tuple[str, ...], ...] = ()  # of each of its parts
    digest: str = ""
    sender: str = ""  # its return path

    @property
    def is_accepted(self) -> bool:
        return self.reply in (TAKEN, CUT)

    @property
    def key(self) -> str:
        """What its Message-ID holds of a delivery key."""
        return self.message_id.strip("<>").partition("@")[0]

    def line(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode() + b"\n"


def parsed_mail(data: bytes) -> dict[str, object]:
    """What a mail says, read as a reader's program does."""
    mail = email.message_from_bytes(data)
    parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    return {
        "subject": str(make_header(decode_header(mail["Subject"] or ""))),
        "marks": tuple(marks(text(part)) for part in parts),
        "digest": sha256(data).hexdigest(),
    }


def text(part: Message) -> str:
    body = part.get_payload(decode=True)
    return body.decode(part.get_content_charset("utf-8")) if isinstance(body, bytes) else ""


def read_record(record: Path) -> list[ReceivedMail]:
    """What a record holds, in the order of arrival; a line that is being written is none yet."""
    lines = record.read_text().rpartition("\n")[0].splitlines() if record.exists() else []
    return list(_read(lines))


def _read(lines: list[str]) -> Iterator[ReceivedMail]:
    for line in lines:
        said = json.loads(line)
        yield ReceivedMail(**{**said, "marks": tuple(map(tuple, said["marks"]))})
