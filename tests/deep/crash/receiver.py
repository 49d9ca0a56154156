"""A mail relay in a process of its own that outlives every kill, moody by recipient.

    python -m tests.deep.crash.receiver PORTFILE RECORD

`hoan-...` is put off at every other attempt, `muon-...` at the end of a mail, once or twice, and
`cham-...` there for ever; of four mails to `dut-...` two are cut off behind their end (they are
taken by then), `tuchoi-...` is refused for good. `received_mail` reads RECORD.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.deep.crash.received_mail import CUT, LATER, TAKEN, ReceivedMail, parsed_mail
from tests.support.smtp_conversation import Mail, ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver, announce_and_wait

PUT_OFF = b"451 4.7.0 try again later"
NEVER = b"550 5.1.1 no such mailbox"
SAID = {None: TAKEN, ScriptedAction.RECORD_CUT: CUT, PUT_OFF: LATER}
TWICE = 8


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
        said = parsed_mail(mail.data) | {"sender": mail.sender}
        got = ReceivedMail(address, mail.message_id, SAID[act], began, now, **said)
        with self.notes.open("ab") as file:
            file.write(got.line())
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
