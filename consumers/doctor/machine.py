"""Checks of this machine: its disks, its clock against others, and variables that name a proxy."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from channels.portal.storage.atomic_files import sync_folder
from consumers.doctor.finding import DoctorFinding, new_finding
from consumers.messages import translate_os_error
from consumers.private_files import write_new
from consumers.status.disks import disk_spaces
from consumers.status.findings import Facts, find
from consumers.status.report import Severity
from contracts.errors import Bilingual

_CLOCK_OFF_S, _CLOCK_WRONG_S = 5, 60
_FEW_INODES = 1000
_TEST_BYTES = 4096
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


async def examine_disks(folders: Iterable[Path]) -> AsyncIterator[DoctorFinding]:
    """Space, inodes and a synced write, for each disk of *folders*; a thread does the work."""
    by_disk: dict[int, Path] = {}
    for folder in filter(Path.exists, folders):
        by_disk.setdefault(folder.stat().st_dev, folder)
    if not by_disk:
        yield new_finding("disk_no_folder", folder=next(iter(folders), Path()).absolute())
    for folder in by_disk.values():
        for finding in await asyncio.to_thread(_examine_disk, folder):
            yield finding


def _examine_disk(folder: Path) -> list[DoctorFinding]:
    about = {"folder": folder.resolve()}
    disk = os.statvfs(folder)
    if disk.f_flag & os.ST_RDONLY:
        return [new_finding("disk_read_only", **about)]
    found = [
        new_finding("disk_full" if one.severity is Severity.ACT else "disk_low", **about)
        for one in find(Facts(now=datetime.now(UTC), disks=disk_spaces([folder])))
    ]
    if disk.f_files and disk.f_favail < _FEW_INODES:
        found.append(new_finding("disk_inodes", **about, count=disk.f_favail))
    if why := _write_problem(folder):
        found.append(new_finding("disk_unwritable", **about, why=why))
    free = disk.f_bavail * disk.f_frsize >> 20
    return found or [new_finding("disk_ok", **about, free=free)]


def _write_problem(folder: Path) -> object:
    """Why a file can't be written, synced and removed there; empty if it can."""
    path = folder / f".loa-doctor.{secrets.token_hex(4)}"
    try:
        write_new(path, bytes(_TEST_BYTES))
        path.unlink()
        sync_folder(folder)
    except OSError as error:
        return translate_os_error(error)
    return ""


def compare_clock(ours: datetime, theirs: datetime | None, place: object) -> DoctorFinding:
    """This machine's clock against one that was read at the same moment; None: not readable."""
    if theirs is None:
        return new_finding("clock_unread", place=place)
    off = round((ours - theirs).total_seconds())
    code = "clock_ok"
    if abs(off) >= _CLOCK_OFF_S:
        code = "clock_wrong" if abs(off) >= _CLOCK_WRONG_S else "clock_off"
    return new_finding(code, place=place, seconds=abs(off), direction=_direction(off))


def _direction(off: int) -> Bilingual:
    return Bilingual("ahead", "nhanh") if off > 0 else Bilingual("behind", "chậm")


async def examine_proxies(variables: Mapping[str, str | None]) -> AsyncIterator[DoctorFinding]:
    """Variables that other programs take for a proxy: Loa takes none."""
    names = sorted(
        name for name, value in variables.items() if value and name.upper() in _PROXY_VARIABLES
    )
    if names:
        yield new_finding("proxy_ignored", names=", ".join(names))
    else:
        yield new_finding("proxy_ok")
