"""Sends mails with Loa's SMTP engine or with smtplib, alone in a process; prints what it took.

python -m bench.sender engine PORT MAILS CONNECTIONS WINDOW
"""

import asyncio
import json
import smtplib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import uvloop

from bench import letter
from channels.base import Recipient
from channels.email.relays import load_relays
from channels.email.smtp.connection import SmtpConnection
from channels.email.smtp.mail_result import MailStatus

Stopwatch = Callable[[], dict[str, float]]


def main(mode: str, port: int, mails: int, connections: int, window: int) -> dict[str, float]:
    """Seconds of the clock and of this process's CPU, without start and preparation."""
    readers = [letter.reader(number) for number in range(mails)]
    if mode == "smtplib":
        return with_smtplib(port, readers)
    return uvloop.run(with_engine(port, windows(readers, window), connections))


def stopwatch() -> Stopwatch:
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: {"s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


async def with_engine(
    port: int, rows: Iterator[Sequence[Recipient]], connections: int
) -> dict[str, float]:
    """Window by window, each mail filled as it is in a worker; every reply must be a yes."""
    [relay] = load_relays(letter.channel(port).context.settings)
    mould = letter.rendered()
    mould.envelope(letter.reader(0))  # compiled once, as in a worker
    opened = [await SmtpConnection.open(relay) for _ in range(connections)]
    took = stopwatch()

    async def work(connection: SmtpConnection) -> None:
        for window in rows:
            mails = [mould.envelope(row) for row in window]
            results = await connection.send_window(mails, lambda: False)
            assert {result.status for result in results} == {MailStatus.ACCEPTED}

    await asyncio.gather(*map(work, opened))
    found = took()
    for connection in opened:
        connection.close()
    return found


def windows(readers: Sequence[Recipient], size: int) -> Iterator[Sequence[Recipient]]:
    return (readers[first : first + size] for first in range(0, len(readers), size))


def with_smtplib(port: int, readers: Sequence[Recipient]) -> dict[str, float]:
    """The standard library over one connection that is kept, with the same bytes."""
    mails = list(map(letter.rendered().envelope, readers))
    with smtplib.SMTP("127.0.0.1", port, "bench.example") as relay:
        relay.ehlo()
        took = stopwatch()
        for mail in mails:
            relay.sendmail(letter.SENDER, [mail.recipient.decode()], mail.body)
        return took()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(int, sys.argv[2:6]))))
