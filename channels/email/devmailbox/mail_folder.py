"""Folder of mails, filled by an SMTP server: one .eml file per mail, one folder per day."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from channels.email.errors import CommandRefused, LineTooLong
from channels.email.smtp_server import ServerLimits, SmtpServer
from contracts.base.times import utc_time

log = structlog.get_logger()
_LIMITS = ServerLimits(
    mail_bytes=32 * 1024 * 1024,
    stored_bytes=32 * 1024 * 1024,
    command_bytes=4096,
    line_bytes=32 * 1024 * 1024,
    path_bytes=4096,
    recipients=1000,
)
_MAIL_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{19}-\d{6})")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One accepted mail. `name` is unique, and safe in a URL."""

    name: str
    path: Path

    @property
    def received_at(self) -> datetime:
        return utc_time(int(self.path.stem.partition("-")[0]) / 1e9)

    def raw(self) -> bytes:
        return self.path.read_bytes()


class MailFolder:
    """Folder of mails. Not fsynced: a stand-in for a relay where none is configured."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.folder = folder
        self.clock = clock
        self.numbers = itertools.count()

    def store(self, sender: str, recipients: Sequence[str], mail: bytes) -> StoredMail:
        """Store a mail under the next name, atomically. Raises OSError."""
        now = self.clock()
        day = utc_time(now / 1e9).date().isoformat()
        stem = f"{now:019d}-{next(self.numbers) % 1_000_000:06d}"
        path = self.folder / day / f"{stem}.eml"
        temporary = path.with_suffix(".new")
        traces = [f"Return-Path: <{sender}>", *(f"Delivered-To: {to}" for to in recipients)]
        content = "".join(f"{trace}\r\n" for trace in traces).encode("utf-8", "replace") + mail
        try:
            temporary.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
        temporary.rename(path)
        return StoredMail(f"{day}.{stem}", path)

    def newest_first(self) -> Iterator[StoredMail]:
        """All mails, read lazily."""
        for day in sorted(self.folder.glob("????-??-??"), reverse=True):
            for path in sorted(day.glob("*.eml"), reverse=True):
                yield StoredMail(f"{day.name}.{path.stem}", path)

    def find(self, name: str) -> StoredMail | None:
        """The mail of that name, if it exists."""
        match = _MAIL_NAME.fullmatch(name)
        if not match:
            return None
        path = self.folder / match[1] / f"{match[2]}.eml"
        return StoredMail(name, path) if path.is_file() else None


@dataclass(frozen=True, slots=True)
class CatchAllStore:
    """Takes every mail into one folder."""

    folder: MailFolder

    def accepts(self, _recipient: str) -> bool:
        return True

    async def deliver(self, sender: str, recipients: list[str], mail: bytes) -> str:
        try:
            return f": {self.folder.store(sender, recipients, mail).name}"
        except OSError as error:
            log.warning("mail_not_stored", reason=error.strerror)
            raise CommandRefused("452 4.3.1 Can't store it now") from error

    def broken_reply(self, error: Exception) -> str:
        return "552 5.3.4 Too much\r\n" if isinstance(error, LineTooLong) else ""


def catch_all_server(folder: MailFolder) -> SmtpServer:
    """Server that keeps every mail in *folder* and passes none on."""
    return SmtpServer(CatchAllStore(folder), _LIMITS)
