"""A sealed report in its folder: the data set, the seal over it, and the files made from it."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from consumers.audit.signed import SignedRecord
from consumers.key_file import KeyFile
from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.data_set import DataSet
from consumers.periodic_reports.errors import AlreadySealed, NotSealed, SealBroken
from consumers.periodic_reports.rendering.files import program_versions, render_files
from consumers.private_files import replace_file
from consumers.progress import report_progress
from consumers.report_files import DATA_FILE, SEAL_FILE
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now


class ReportSeal(SignedRecord):
    """Hashes of a sealed report: that of the data set, and of each file as it was first made."""

    v: int = 1
    label: str
    sha256: str
    sealed_at: AwareDatetime
    files: Mapping[str, str]
    programs: Mapping[str, str]
    """The versions that made the files."""


class FileState(StrEnum):
    """How a file of the report compares with the one that was first made."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"


class Verification(BaseModel):
    """Findings about a sealed report. A changed document is no fault: people finish it by hand."""

    model_config = ConfigDict(frozen=True)

    label: str
    is_signed: bool
    """The seal is whole, and was made with this Loa's key."""
    is_data_same: bool
    files: Mapping[str, FileState] = {}
    made_again: Mapping[str, bool] = {}
    """Whether each file, made again from the data set, has the bytes that it first had."""
    programs: Mapping[str, str] = {}
    """Programs of another version than those that first made the files, as `old -> new`."""

    @property
    def holds(self) -> bool:
        return self.is_signed and self.is_data_same


def sealing_key(keys: KeyFile) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keys.derive("report seal"))


@dataclass(frozen=True)
class SealedReport:
    """The report in *folder*. Its methods raise OSError and ReportError."""

    folder: Path
    key: Ed25519PrivateKey

    @property
    def data(self) -> DataSet:
        return DataSet(self.folder / DATA_FILE)

    @property
    def is_sealed(self) -> bool:
        return self._seal_file.exists()

    @property
    def is_whole(self) -> bool:
        """Whether seal and data set are as they were sealed. Raises NotSealed, SealBroken."""
        seal = self.read_seal()
        return seal.is_signed_by(self.key) and self._is_data_same(seal)

    @property
    def _seal_file(self) -> Path:
        return self.folder / SEAL_FILE

    def seal(self, write: Callable[[Path], DataSet], clock: Clock) -> ReportSeal:
        """Let *write* write the data set, then make its files, and last the seal.

        So what a kill leaves is no report. Raises AlreadySealed.
        """
        if self.is_sealed:
            raise AlreadySealed(str(self.folder))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(self.folder):
            return self._seal(write, clock)

    def _seal(self, write: Callable[[Path], DataSet], clock: Clock) -> ReportSeal:
        if self.is_sealed:  # meanwhile, by another process
            raise AlreadySealed(str(self.folder))
        self.data.path.unlink(missing_ok=True)
        data = write(self.data.path)
        crash_point("report.data_written")
        seal = ReportSeal(
            label=data.header().label,
            sha256=data.sha256(),
            sealed_at=utc_now(clock),
            files=dict(self.write_files()),
            programs=program_versions(),
        ).signed(self.key)
        replace_file(self._seal_file, seal.encode() + b"\n")
        crash_point("report.sealed")
        return seal

    def write_files(self) -> Iterator[tuple[str, str]]:
        """Make the files from the data set; yields the name and the hash of each."""
        report_progress("files", 0)
        for name, body in render_files(compose(self.data)):
            replace_file(self.folder / name, body)
            crash_point("report.file_made")
            yield name, _sha256(body)

    def keep_changed(self) -> Iterator[Path]:
        """Move each file that a person has changed out of the way; yields where it is now."""
        for name, sha256 in self.read_seal().files.items():
            file = self.folder / name
            if self._state(name, sha256) is FileState.CHANGED:
                kept = file.with_stem(f"{file.stem}-{_sha256(file.read_bytes())[:8]}")
                file.replace(kept)
                yield kept

    def read_seal(self) -> ReportSeal:
        """Raises NotSealed, SealBroken."""
        if not self.is_sealed:
            raise NotSealed(str(self.folder))
        try:
            return ReportSeal.model_validate_json(self._seal_file.read_bytes())
        except ValidationError as error:
            raise SealBroken(str(self._seal_file)) from error

    def verify(self) -> Verification:
        """Compare everything with the seal, and make the files again without writing them.

        Nothing is compared with a seal that was changed.
        """
        try:
            seal = self.read_seal()
        except SealBroken:
            seal = None
        if seal is None or not seal.is_signed_by(self.key):
            return Verification(label=self.folder.name, is_signed=False, is_data_same=False)
        report_progress("files", 0, len(seal.files))
        found = Verification(
            label=seal.label,
            is_signed=True,
            is_data_same=self._is_data_same(seal),
            files={name: self._state(name, sha256) for name, sha256 in seal.files.items()},
            programs=_differing(seal.programs),
        )
        if not found.holds:
            return found
        again = {name: _sha256(body) for name, body in render_files(compose(self.data))}
        same = {name: again.get(name) == sha256 for name, sha256 in seal.files.items()}
        return found.model_copy(update={"made_again": same})

    def _is_data_same(self, seal: ReportSeal) -> bool:
        return self.data.path.exists() and self.data.sha256() == seal.sha256

    def _state(self, name: str, sha256: str) -> FileState:
        file = self.folder / name
        if not file.exists():
            return FileState.MISSING
        return FileState.SAME if _sha256(file.read_bytes()) == sha256 else FileState.CHANGED


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process seals in *folder*; one that dies lets go."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _differing(programs: Mapping[str, str]) -> dict[str, str]:
    now = program_versions()
    return {
        name: f"{old} -> {now.get(name, '')}"
        for name, old in programs.items()
        if now.get(name) != old
    }


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
