"""The files of sealed reports, which a backup saves beside the bus.

A restore puts back what is missing, and replaces nothing: a sealed report never changes, and people
may have finished its documents by hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from consumers.private_files import new_file

DATA_FILE, SEAL_FILE = "du-lieu.jsonl", "niem-phong.json"
"""The data set and its seal, in the folder of a report."""
_NAME = re.compile(r"[0-9A-Za-z][\w.-]{0,127}", re.ASCII)


class ReportFile(NamedTuple):
    """A file of a report: the report's label, and its own name."""

    label: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.label}/{self.name}"

    @classmethod
    def parse(cls, path: str) -> "ReportFile | None":
        """None for what is no file of a report, such as a path that leads elsewhere."""
        label, _, name = path.partition("/")
        return cls(label, name) if _NAME.fullmatch(label) and _NAME.fullmatch(name) else None


def sealed_report_files(folder: Path) -> Iterator[ReportFile]:
    """The files of the sealed reports in *folder*, the seal of each one last."""
    for seal in sorted(folder.glob(f"*/{SEAL_FILE}")):
        files = [path for path in sorted(seal.parent.iterdir()) if path.is_file() and path != seal]
        for path in (*files, seal):
            if file := ReportFile.parse(f"{path.parent.name}/{path.name}"):
                yield file


def put_back(folder: Path, file: ReportFile, pieces: Iterator[bytes]) -> bool:
    """Write a file that is missing; False if there is one. Raises OSError."""
    path = folder / file.label / file.name
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with new_file(path) as target:
        target.writelines(pieces)
    return True
