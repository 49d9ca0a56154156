"""The packages of a lock file, as `make lock` writes it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class LockedPackage:
    """One pin. `hashes`: of its files; `needed_by`: packages, or a file of requirements."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(path: Path) -> list[LockedPackage]:
    """The lock's packages in its own order, which is that of names."""
    parts = re.split(r"^(?=\w)", path.read_text().replace("\\\n", "\n"), flags=re.M)
    return list(_parse_entries(part for part in parts if part.strip()))


def _parse_entries(parts: Iterator[str]) -> Iterator[LockedPackage]:
    for part in parts:
        head, _, rest = part.partition("\n")
        pin = Requirement(head.strip())
        yield LockedPackage(
            canonicalize_name(pin.name),
            str(pin.specifier).removeprefix("=="),
            str(pin.marker or ""),
            tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)),
            tuple(_needed_by(rest)),
        )


def _needed_by(comments: str) -> Iterator[str]:
    """The names of the comment `via`."""
    for line in re.findall(r"^ +# +(.*)$", comments, re.M):
        name = line.removeprefix("via").strip()
        if name:
            yield name
