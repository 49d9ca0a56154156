"""Journal: one JSON line per fact, from which the state is rebuilt."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Fact = dict[str, Any]
_NAME = "effects.jsonl"


class Journal:
    """Append-only. A truncated line does not count: its call got no answer."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / _NAME
        self.path.touch(mode=0o600)
        self.mend()

    def mend(self) -> None:
        """Drop a truncated line at the end."""
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)

    def facts(self) -> Iterator[Fact]:
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def append(self, fact: Fact) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fact, ensure_ascii=False) + "\n")
