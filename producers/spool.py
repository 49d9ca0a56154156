"""Events stored on the local disk, in order, while the bus is unavailable.

One file per event, `<time>-<event_id>.json`, fsynced before the caller gets an answer.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.base import strict_json
from contracts.base.crash_points import crash_point
from contracts.cloudevent import CloudEvent
from contracts.envelope import from_structured, read_each
from contracts.errors import (
    Conflict,
    Invalid,
    Unavailable,
    Unreadable,
    field_error,
)
from contracts.events import CheckedEvent
from producers.texts import get_text

try:
    import fcntl
except ImportError:  # on Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

_EVENT_FILE = re.compile(r"(\d{20})-([a-z2-7]{26})\.json")
_REFUSED_FOLDER, _REASON = "refused", ".txt"


@dataclass(frozen=True, slots=True)
class SpooledEvent:
    """A spooled event and its unit."""

    unit: str
    event: CloudEvent


class Spool:
    """A folder of waiting events. Several processes may share it: many writers, one drainer."""

    def __init__(self, folder: Path, part: str = "") -> None:
        """*part* is a spool of its own within *folder*.

        Raises Invalid on a system without locks.
        """
        if not HAS_LOCKS:
            raise Invalid(get_text("cli", "no_locks").as_field_error("spool"))
        self.folder, self._whole = folder / part, folder

    def append(self, event: CheckedEvent) -> Path:
        """Append *event* and return its file after fsync.

        An event that waits already is not stored twice. Raises Conflict for other content under the
        same id, OSError if the disk refuses.
        """
        new: dict[Path, str] = {}
        with self._appending():
            path = self._place(event, self.waiting(), new)
            self._write(new)
        crash_point("spool.kept")
        return path

    def append_batch(self, events: Sequence[CheckedEvent]) -> list[Path]:
        """Append *events* as `append` does, all or none. A Conflict names places, as `[3].id`."""
        new: dict[Path, str] = {}
        with self._appending():
            waiting = self.waiting()
            paths = read_each(list(events), lambda event: self._place(event, waiting, new))
            self._write(new)
        return paths

    def _place(self, event: CheckedEvent, waiting: list[Path], new: dict[Path, str]) -> Path:
        """The file in which *event* waits, or one that joins the *new* files with their bodies."""
        body, files = _file_body(event), [*waiting, *new]
        path = _find_file(files, new, event.event_id, body)
        if path is None:
            path = self.folder / f"{_next_timestamp(files)}-{event.event_id}.json"
            new[path] = body
        return path

    def _write(self, new: dict[Path, str]) -> None:
        """Write files all or none: a drainer, which takes no lock of writers, sees none before."""
        try:
            halves = [self._write_half(path.name, body) for path, body in new.items()]
            for half, path in zip(halves, new, strict=True):
                half.rename(path)
            _fsync_folder(self.folder)
        except OSError:
            for path in new:
                self.remove(path)
            raise

    def _write_half(self, name: str, body: str) -> Path:
        """A file that is on the disk, but does not have its name yet."""
        half = (self.folder / name).with_suffix(".tmp")
        with half.open("w", encoding="utf-8") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        crash_point("spool.written")
        return half

    @contextmanager
    def _appending(self) -> Iterator[None]:
        """Let one process write. Half-written files of a killed one were never acknowledged."""
        _make_folder(self._whole)
        _make_folder(self.folder)
        with _locked(self.folder / "append.lock", fcntl.LOCK_EX):
            for partial in self.folder.glob("*.tmp"):
                partial.unlink(missing_ok=True)
            yield

    def waiting(self) -> list[Path]:
        """The waiting events, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _EVENT_FILE.fullmatch(path.name))

    def read(self, path: Path) -> SpooledEvent:
        """Read a file. Raises ContractError if the file is damaged."""
        content = strict_json.loads(path.read_bytes())
        if not (isinstance(content, dict) and isinstance(content.get("unit"), str)):
            raise Unreadable(field_error("unit", "missing"))
        return SpooledEvent(content["unit"], from_structured(content.get("event") or {}))

    def remove(self, path: Path) -> None:
        """Delete a file after its event was stored; a repeat is harmless."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path, reason: str) -> Path:
        """Move a refused event to the folder `refused`, so that later events can be sent.

        A text of the same name says why.
        """
        aside = self._refused_folder()
        moved = path.rename(aside / path.name)
        _fsync_folder(aside)
        moved.with_suffix(_REASON).write_text(reason, "utf-8")
        return moved

    def keep_refused(self, event: CheckedEvent, reason: str) -> Path:
        """Keep a copy of an event that is refused to its sender; the same event once.

        Moved back into the spool, it is sent. Raises OSError if the disk refuses.
        """
        body, name = _file_body(event), f"{time.time_ns():020d}-{event.event_id}.json"
        with self._appending():
            aside = self._refused_folder()
            for kept in aside.glob(f"*-{event.event_id}.json"):
                if kept.read_text("utf-8", "replace") == body:
                    return kept
            self._write_half(name, body).rename(aside / name)
            _fsync_folder(aside)
        (aside / name).with_suffix(_REASON).write_text(reason, "utf-8")
        return aside / name

    def _refused_folder(self) -> Path:
        aside = self.folder / _REFUSED_FOLDER
        _make_folder(aside)
        return aside

    @contextmanager
    def draining(self) -> Iterator[bool]:
        """Yield True in the one process that may send and remove files.

        Raises Unavailable where the folder can't be locked.
        """
        if not self.folder.is_dir():
            yield False
            return
        with ExitStack() as stack:
            try:
                lock = _locked(self.folder / "drain.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
                stack.enter_context(lock)
            except BlockingIOError:
                yield False
            except OSError as error:
                raise self._unlocked(error) from error
            else:
                yield True

    def _unlocked(self, error: OSError) -> Unavailable:
        facts = {"folder": self.folder.absolute(), "detail": error.strerror}
        return Unavailable(get_text("cli", "not_locked", **facts).as_field_error("spool"))


@contextmanager
def _locked(file: Path, kind: int) -> Iterator[None]:
    """Hold a lock; it ends with the block also where a child that was forked has the file open."""
    with file.open("w") as lock:
        fcntl.flock(lock, kind)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)


def _next_timestamp(waiting: list[Path]) -> str:
    """A timestamp later than every waiting file's, even if the clock was set back."""
    newest = int(waiting[-1].name[:20]) if waiting else 0
    return f"{max(time.time_ns(), newest + 1):020d}"


def _find_file(files: list[Path], new: dict[Path, str], event_id: str, body: str) -> Path | None:
    """The file of an equal event; another process may remove one that waits at any moment."""
    for path in files:
        if path.name[21:47] == event_id:
            with suppress(FileNotFoundError):
                if (new.get(path) or path.read_text("utf-8")) != body:
                    raise Conflict(field_error("id", "same_id_other_content"))
                return path
    return None


def _make_folder(folder: Path, mode: int = 0o700) -> None:
    """Make *folder* and those above it durably."""
    if not folder.is_dir():
        _make_folder(folder.parent, 0o777)
        folder.mkdir(mode, exist_ok=True)
        _fsync_folder(folder.parent)


def _file_body(event: CheckedEvent) -> str:
    return json.dumps({"unit": event.unit, "event": json.loads(event.body)})


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
