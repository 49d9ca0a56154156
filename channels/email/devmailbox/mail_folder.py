"""Folder of mails: one .eml file per mail, one folder per day."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MAIL_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{19}-\d{6})")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One accepted mail. `name` is unique, and safe in a URL."""

    name: str
    path: Path

    @property
    def received_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.path.stem.partition("-")[0]) / 1e9, UTC)

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
        day = datetime.fromtimestamp(now / 1e9, UTC).date().isoformat()
        stem = f"{now:019d}-{next(self.numbers) % 1_000_000:06d}"
        path = self.folder / day / f"{stem}.eml"
        fresh = path.with_suffix(".new")
        traces = [f"Return-Path: <{sender}>", *(f"Delivered-To: {to}" for to in recipients)]
        whole = "".join(f"{trace}\r\n" for trace in traces).encode("utf-8", "replace") + mail
        try:
            fresh.write_bytes(whole)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(whole)
        fresh.rename(path)
        return StoredMail(f"{day}.{stem}", path)

    def newest_first(self) -> Iterator[StoredMail]:
        """All mails, read lazily."""
        for day in sorted(self.folder.glob("????-??-??"), reverse=True):
            for path in sorted(day.glob("*.eml"), reverse=True):
                yield StoredMail(f"{day.name}.{path.stem}", path)

    def find(self, name: str) -> StoredMail | None:
        """The mail of that name, if it exists."""
        found = MAIL_NAME.fullmatch(name)
        if not found:
            return None
        path = self.folder / found[1] / f"{found[2]}.eml"
        return StoredMail(name, path) if path.is_file() else None
