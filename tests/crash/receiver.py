"""A mail relay in a process of its own that outlives every kill, moody by recipient.

    python -m tests.crash.receiver PORTFILE RECORD

`hoan-...` is put off at every other attempt, `dut-...` is cut off behind the end of every other
mail (which is taken by then), `tuchoi-...` is refused for good, `cham-...` is put off for ever.
"""

import asyncio
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.smtp_receiver import Act, Receiver

LATER = b"451 4.7.1 try again later"
NEVER = b"550 5.1.1 no such mailbox"


@dataclass
class Moody(Receiver):
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def act(self, stage: str, recipient: str) -> bytes | Act | None:
        self.asked[stage, recipient] += 1
        times = self.asked[stage, recipient]
        odd = (times if stage == "RCPT" else (times + 1) // 2) % 2 == 1  # "end" is asked twice
        match stage, recipient.partition("-")[0]:
            case "RCPT", "tuchoi":
                return NEVER
            case "RCPT", "cham":
                return LATER
            case "RCPT", "hoan" if odd:
                return LATER
            case "end", "dut" if odd:
                return Act.RECORD_CUT
        return None


async def serve(port_file: Path, record: Path) -> None:
    receiver = Moody(record=record, keep=False)
    await receiver.start()
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(receiver.port))
    fresh.replace(port_file)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
