"""The power fails while the portal writes: SIGKILL loses no page cache, so here the disk does.

A writer under strace dies at its crash points. What it had not synced is then taken away: bytes of
files, and names (new folders, renames, removals) whose folder was not synced after them.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from channels.base import Verdict
from channels.portal.storage import atomic_files
from contracts.base.crash_points import arm
from contracts.publication import Publication
from tests.support import requirements
from tests.support.portal_dir import never_expired, new_writer, public_files, publish
from tests.support.publications import RELEASED_AT, a_publication
from tests.support.strace import FILE, FILES, NAMED, SimulatedDisk, SystemCall, system_calls

ROOT = Path(__file__).parents[3]
CHILD = [sys.executable, "-m", "tests.deep.power.test_portal_power_cut"]
BOOKED = "portal.ticked_off"
"""Behind it the row counts as delivered, and nobody looks after it any more."""
DEATHS = (
    ("portal.tmp_written", 1),
    ("portal.tmp_written", 3),
    ("portal.staged", 1),
    ("portal.committed", 1),
    ("portal.file_in_place", 1),
    ("portal.file_in_place", 3),
    ("portal.all_in_place", 1),
    ("portal.swapped", 1),
    ("portal.learnt", 1),
    (BOOKED, 1),
)
FIRST = a_publication(topic="viec-lam")
LATER = timedelta(days=1)
BACK = a_publication(
    action="withdrawn", revision=2, reason="Nhầm", released_at=RELEASED_AT + LATER, topic="viec-lam"
)
CHANGES = {
    "new": ((FIRST,), a_publication(content_id="khac")),
    "return": (
        (FIRST, BACK),
        a_publication(revision=3, released_at=RELEASED_AT + 2 * LATER, topic="viec-lam"),
    ),
}
SHARES = (0.0, 0.5, 1.0)
"""How many of the unsynced names the disk has after all, in their order; so with the bytes."""


@pytest.fixture(autouse=True)
def _needs():
    requirements.strace()


@dataclass
class NamedDisk(SimulatedDisk):
    """Remembers also which names a power cut would take, and what stood there before."""

    before: Path = Path()
    folder: Path = Path()
    loose: list[tuple[str, str, str]] = field(default_factory=list)  # (what, path, came from)

    def apply(self, moment: SystemCall) -> None:
        if moment.name == "openat" and moment.ended:
            self._stood_before(moment)
        super().apply(moment)
        if not moment.ended or " = -1 " in moment.text:
            return
        if moment.name in ("fsync", "fdatasync"):
            synced = FILE.search(moment.text)[1]
            self.loose = [one for one in self.loose if str(Path(one[1]).parent) != synced]
        elif named := NAMED.findall(moment.text):
            self._name(moment, named)

    def _stood_before(self, moment: SystemCall) -> None:
        """Count files that the disk had before as safe."""
        path = NAMED.findall(moment.text)[-1:]
        if path and Path(path[0]).is_relative_to(self.folder) and self.old(path[0]).is_file():
            size = self.old(path[0]).stat().st_size
            self.length.setdefault(path[0], size)
            self.synced.setdefault(path[0], size)

    def _name(self, moment: SystemCall, named: list[str]) -> None:
        path = named[-1]
        if not Path(path).is_relative_to(self.folder):
            return
        if moment.name.startswith("rename"):
            self.loose.append(("moved", path, named[0]))
        elif moment.name.startswith("unlink"):
            self.loose.append(("gone", path, ""))
        elif ("O_CREAT" in moment.text or "mkdir" in moment.name) and not self.old(path).exists():
            self.loose.append(("made", path, ""))

    def old(self, path: str) -> Path:
        return self.before / Path(path).relative_to(self.folder)

    def forget(self, share: float) -> None:
        """Names go, the youngest first; the oldest *share* of them stays."""
        kept = round(share * len(self.loose))
        for what, path, source in reversed(self.loose[kept:]):
            if what == "made":
                remove(Path(path))
                continue
            if what == "moved" and Path(path).exists():
                Path(path).replace(source)
            if self.old(path).exists():
                shutil.copy(self.old(path), path)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class DeadWriter:
    """A writer that died at the *hit*-th pass of *point*, while it showed a change."""

    place: Path
    change: str
    point: str
    hit: int

    @property
    def folder(self) -> Path:
        return self.place / f"{self.change}-{self.point}-{self.hit}"

    @property
    def before(self) -> Path:
        return self.place / f"{self.change}-before"

    @property
    def after(self) -> Publication:
        return CHANGES[self.change][1]


def cases(place: Path) -> list[DeadWriter]:
    return [DeadWriter(place, change, *death) for change in CHANGES for death in DEATHS]


def die_everywhere(place: Path, careless: str = "") -> list[DeadWriter]:
    """Every death, each on a folder of its own; `place/trace` holds their system calls."""
    found = cases(place)
    for change, (before, after) in CHANGES.items():
        publish(place / f"{change}-before", *before)
        publish(place / f"{change}-clean", *before, after)
    for case in found:
        shutil.copytree(case.before, case.folder)
    trace = ["strace", "-f", "-y", "-s", "0", "--seccomp-bpf", "-e", f"trace={FILES},mkdir,mkdirat"]
    command = [*trace, "-o", place / "trace", *CHILD, place, careless]
    subprocess.run(command, cwd=ROOT, check=True, timeout=500)
    return found


def disk_of(case: DeadWriter, seen: list[SystemCall]) -> NamedDisk:
    names = NamedDisk(before=case.before, folder=case.folder)
    for moment in seen:
        if f"{case.folder}/" in moment.text:
            names.apply(moment)
    return names


def without_power(case: DeadWriter, names: NamedDisk, share: float) -> Path:
    """A copy of the folder as the disk has it when the power is back."""
    kept = case.place / "kept"
    shutil.copytree(case.folder, kept)
    names.cut_power(case.folder, random.Random(share).random if share else lambda: 0.0)
    names.forget(share)
    cut = case.place / "cut"
    case.folder.rename(cut)
    kept.rename(case.folder)
    return cut


def wrong(case: DeadWriter, names: NamedDisk) -> Iterator[str]:
    """Faults that readers or the next writer find, for any share of the unsynced."""
    old, new = public_files(case.before), public_files(case.place / f"{case.change}-clean")
    for share in SHARES:
        folder = without_power(case, names, share)
        found = public_files(folder)
        where = f"{case.change} {case.point} {case.hit} {share}:"
        torn = [path for path in found if found[path] not in (old.get(path), new.get(path))]
        if torn or not {*old} & {*new} <= {*found}:
            yield f"{where} torn {torn} or gone"
        if case.point == BOOKED and found != new:
            yield f"{where} booked as delivered, and not there"
        if not mended(case, folder) or public_files(folder) != new:
            yield f"{where} not made whole"
        shutil.rmtree(folder)


def mended(case: DeadWriter, folder: Path) -> bool:
    """The next writer settles the doubt, as after any crash."""
    writer = new_writer(folder)
    try:
        verdict = writer.resolve(case.after).verdict
        if verdict is Verdict.ABSENT:
            verdict = writer.show(case.after, never_expired).verdict
        return verdict is Verdict.DELIVERED
    finally:
        writer.close()


def faults(place: Path, careless: str = "") -> Iterator[str]:
    died = die_everywhere(place, careless)
    seen = list(system_calls(place / "trace"))
    for case in died:
        yield from wrong(case, disk_of(case, seen))


@pytest.mark.promise("4.2")
def test_a_power_cut_at_any_crash_point_tears_nothing_and_takes_nothing_that_was_booked(tmp_path):
    assert list(faults(tmp_path)) == []


def test_the_cut_takes_the_names_that_no_folder_was_synced_for(tmp_path):
    """Were nothing taken, the test above would prove nothing."""
    died = die_everywhere(tmp_path)
    seen = list(system_calls(tmp_path / "trace"))
    loose = {case.point: len(disk_of(case, seen).loose) for case in died if case.change == "new"}
    assert loose["portal.all_in_place"] > loose["portal.file_in_place"] > 0
    assert loose["portal.all_in_place"] > loose["portal.swapped"]


def test_a_writer_that_does_not_sync_its_files_is_caught(tmp_path):
    assert any("torn" in one for one in faults(tmp_path, "files"))


def test_a_writer_that_does_not_sync_its_folders_is_caught(tmp_path):
    assert any("booked as delivered" in one for one in faults(tmp_path, "folders"))


# --- the process under strace


def die(case: DeadWriter) -> None:
    """Kills itself at its point."""
    passed = 0

    def death(name: str) -> None:
        nonlocal passed
        passed += name == case.point
        if passed == case.hit:
            os.kill(os.getpid(), signal.SIGKILL)

    writer = new_writer(case.folder)
    arm(death)
    writer.show(case.after, never_expired)


def be_careless(about: str) -> None:
    """Leave out what the test is about."""
    sync = atomic_files._sync
    if about == "files":
        atomic_files._sync = lambda path: path.is_dir() and sync(path)
    if about == "folders":
        atomic_files._sync = lambda path: path.is_dir() or sync(path)


def main(place: Path, careless: str) -> None:
    be_careless(careless)
    for case in cases(place):
        if not (child := os.fork()):
            die(case)
            os._exit(1)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended != -signal.SIGKILL:
            raise SystemExit(json.dumps([case.point, case.hit, ended]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
