"""Files that officials upload: checked, shown to a scanner, and kept under their hash."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from consumers.uploads.clamd import Clamd
from consumers.uploads.errors import ScannerAway
from consumers.uploads.file_checks import check_file
from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.kept import NAME, find_kept
from contracts.catalog import load_texts
from contracts.desk.person import ActingPerson, DeskAct
from contracts.desk.uploads import FILE_MAX, FILE_MAX_MB, Upload, UploadAddress, safe_name
from contracts.errors import ContractError, FieldError, Invalid, TooLarge, Unavailable, localized
from producers.bus import Bus
from producers.object_store import ObjectStore

log = structlog.get_logger()
_TEXTS = Path(__file__).with_name("texts.toml")
_PIECE_BYTES = 256 << 10
_CHECKED_AT_ONCE = 2
_RETRY_S = 60.0
_FIELD = "tep"


@dataclass
class Uploads:
    """Keeps files, and reads them again."""

    bus: Bus
    scanner: Clamd | None = None
    _check_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_CHECKED_AT_ONCE)
    )

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.bus)

    async def add(self, person: ActingPerson, file: Path, name: str) -> Upload:
        """Check *file*, which the caller removes afterwards, and keep what is harmless.

        Raises TooLarge, Invalid for a refused file, Unavailable without the scanner, BusError.
        """
        if (await asyncio.to_thread(file.stat)).st_size > FILE_MAX:
            raise TooLarge(_refusal("too_large", max=FILE_MAX_MB))
        await self._scan(file)  # clamd has a queue of its own; a slow one holds up no check
        async with self._check_slots:
            try:
                kept = await asyncio.to_thread(check_file, file)
            except FileRefused as refused:
                raise _refused(refused) from refused
        digest = await asyncio.to_thread(_digest, kept.path)
        address = UploadAddress(digest, safe_name(name, kept.ending))
        facts = {NAME: address.name, "by": person.account.id}
        act = DeskAct("file.upload", digest, person.account.unit, after=address.name)
        await person.perform(act, lambda: self.store.put(digest, _pieces(kept.path), facts))
        size = (await asyncio.to_thread(kept.path.stat)).st_size
        log.info("file_uploaded", hash=digest, ending=kept.ending, size=size)
        return Upload(address, size)

    async def size(self, address: UploadAddress) -> int | None:
        """The size of a file; None if it is not kept."""
        found = await find_kept(self.store, address)
        return found.info.size if found else None

    async def read(self, address: UploadAddress) -> AsyncIterator[bytes]:
        """The content of a file in pieces; none if it is not kept. Raises BusError."""
        if found := await find_kept(self.store, address):
            async for piece in self.store.read(found):
                yield piece

    async def _scan(self, file: Path) -> None:
        if self.scanner is None:
            return
        try:
            malware = await self.scanner.find_malware(file)
        except ScannerAway as away:
            raise Unavailable(_refusal("scanner_away"), retry_after_s=_RETRY_S) from away
        if malware:
            log.warning("upload_infected", malware=malware)
            raise Invalid(_refusal("malware", value=malware))


def _refused(refused: FileRefused) -> ContractError:
    log.warning("upload_refused", reason=refused.code)
    return Invalid(_refusal(refused.code, **refused.facts))


def _refusal(code: str, **facts: object) -> FieldError:
    return localized(_FIELD, load_texts(_TEXTS)["refused"][code], **facts)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(lambda: opened.read(_PIECE_BYTES), b"")


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
