"""The usual way: a Celery task for each recipient, Redis as broker and as record of what was sent.

Runs in an environment of its own and knows nothing of Loa: the variable PEER says in JSON where
the mails lie ready, where the texts for building them are, and which of the two to use. As a
program it puts the fan-out of N mails of EVENT on the queue, and prints the monotonic time before.
"""

import json
import mmap
import os
import smtplib
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import redis
from celery import Celery

TOLD = json.loads(os.environ["PEER"])  # noqa: TID251 -- Celery has no other way in

app = Celery("celery_app", broker=f"redis+socket://{TOLD['redis']}?virtual_host=0")
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_serializer="json",
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)
records = redis.Redis(unix_socket_path=TOLD["redis"], db=1)


class Relay:
    """One connection for each process of the worker, kept."""

    kept: smtplib.SMTP | None = None

    @classmethod
    def connection(cls) -> smtplib.SMTP:
        if cls.kept is None:
            cls.kept = smtplib.SMTP("127.0.0.1", TOLD["port"], "bench.example")
            cls.kept.ehlo()
        return cls.kept


class Ready:
    """The mails that were rendered before, and the texts for those that were not."""

    def __init__(self) -> None:
        self.texts = json.loads(Path(TOLD["texts"]).read_text())
        with Path(TOLD["mails"]).open("rb") as file:
            self.mails = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def mail(self, number: int) -> bytes:
        start, end = self.texts["ends"][number : number + 2]
        return self.mails[start:end]

    def built(self, number: int) -> bytes:
        """As the documentation of Python's email package shows it."""
        texts, name = self.texts, f"Người đọc {number}"
        mail = EmailMessage()
        mail["From"] = texts["from"]
        mail["To"] = f"{name} <reader{number}@example.com>"
        mail["Subject"] = texts["subject"]
        mail["Message-ID"] = f"<{number}@example.com>"
        mail["List-Unsubscribe"] = f"<https://loa.example/huy/{number}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(texts["text"].replace(texts["name"], name))
        mail.add_alternative(texts["html"].replace(texts["name"], name), subtype="html")
        return mail.as_bytes()


ready: list[Ready] = []


@app.task
def send(event: str, number: int) -> None:
    """One mail, recorded before it is sent and after."""
    if not ready:
        ready.append(Ready())
    if not records.hsetnx(f"record:{event}", number, "sending"):
        return
    body = ready[0].built(number) if TOLD["build"] else ready[0].mail(number)
    Relay.connection().sendmail(ready[0].texts["sender"], [f"reader{number}@example.com"], body)
    records.hset(f"record:{event}", number, "sent")
    records.incr(f"sent:{event}")


@app.task
def fan_out(event: str, mails: int) -> None:
    for number in range(mails):
        send.delay(event, number)


if __name__ == "__main__":
    print(time.monotonic())
    fan_out.delay(sys.argv[1], int(sys.argv[2]))
