"""A mail relay in a process of its own that outlives every kill, moody by recipient; its record.

    python -m tests.deep.crash.receiver PORTFILE RECORD

`hoan-...` is put off at every other attempt, `muon-...` at the end of a mail, once or twice, and
`cham-...` there for ever; of four mails to `dut-...` two are cut off behind their end (they are
taken by then), `tuchoi-...` is refused for good. RECORD has a line per mail that came to its end.
"""

import asyncio
import email
import json
import os
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from email.header import decode_header, make_header
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.smtp_conversation import Mail, ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver, announce_and_wait

TAKEN, CUT, LATER = "taken", "cut", "later"
"""How a mail ended: accepted; accepted, and the answer was lost; put off."""
PUT_OFF = b"451 4.7.0 try again later"
NEVER = b"550 5.1.1 no such mailbox"
REPLIES = {None: TAKEN, ScriptedAction.RECORD_CUT: CUT, PUT_OFF: LATER}
TWICE = 8


# --- what is noted


MARK = re.compile(r"Bản ([a-z0-9-]+\.[a-z0-9-]+)\.")
"""In every body that senders write here stands which text it is: `Bản tin-5.2.`"""


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
        """Part of a delivery key that its Message-ID holds."""
        return self.message_id.strip("<>").partition("@")[0]


def parsed_mail(data: bytes) -> dict[str, Any]:
    """Fields of a mail, read as a reader's program does."""
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
    """Mails of a record, in the order of arrival; a line that is being written is none yet."""
    lines = record.read_text().rpartition("\n")[0].splitlines() if record.exists() else []
    notes = map(json.loads, lines)
    return [ReceivedMail(**note | {"marks": tuple(map(tuple, note["marks"]))}) for note in notes]


# --- the relay


@dataclass
class UnreliableRelay(SmtpReceiver):
    notes: Path = Path(os.devnull)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    began: dict[str, float] = field(default_factory=dict)

    def scripted_action(self, stage: str, recipient: str) -> bytes | ScriptedAction | None:
        self.asked[stage, recipient] += 1
        times = self.asked[stage, recipient]
        match stage, recipient.partition("-")[0]:
            case "RCPT", "tuchoi":
                return NEVER
            case "RCPT", "hoan" if times % 2:
                return PUT_OFF
            case "end", "dut" if times % 4 in (1, 2):
                return ScriptedAction.RECORD_CUT
        if stage == "RCPT":
            self.began[recipient] = time.time()
        return None

    def reply_for(self, mail: Mail) -> bytes | ScriptedAction | None:
        """Noted before it is said, as everything that a relay answers for."""
        act = self.mood(mail)
        address, now = mail.recipient, time.time()
        began = self.began.get(address, now)
        note = ReceivedMail(
            address, mail.message_id, REPLIES[act], began, now,
            sender=mail.sender, **parsed_mail(mail.data),
        )  # fmt: skip
        with self.notes.open("a") as file:
            file.write(json.dumps(asdict(note), ensure_ascii=False) + "\n")
        return act

    def mood(self, mail: Mail) -> bytes | ScriptedAction | None:
        match mail.recipient.partition("-")[0]:
            case "cham":
                return PUT_OFF
            case "muon":
                self.asked["mail", mail.message_id] += 1
                patience = 2 if sha256(mail.message_id.encode()).digest()[0] % TWICE == 0 else 1
                return PUT_OFF if self.asked["mail", mail.message_id] <= patience else None
        return super().reply_for(mail)


async def serve(port_file: Path, record: Path) -> None:
    receiver = UnreliableRelay(notes=record, keep=False)
    await receiver.start()
    await announce_and_wait(port_file, str(receiver.port))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
