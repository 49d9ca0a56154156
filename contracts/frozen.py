"""Released schemas, kept for ever: what was promised once is what every later schema is held to.

`schemas/frozen/<schema>/<number>-<digest>.json` only grows. A changed schema that still takes all
that the released ones take becomes the next number; one that does not is refused (make a `.v2`).
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from contracts.compatibility import FOR_PEOPLE, breaking

Schema = dict[str, Any]


def update(folder: Path, made: dict[str, Schema]) -> list[str]:
    """Freeze what changed of *made* (file name → schema), or say why not and write nothing."""
    refused = [
        f"{file}: {line}" for file, schema in made.items() for line in breaks(folder, file, schema)
    ]
    if not refused:
        for file, schema in made.items():
            _freeze(folder / file.removesuffix(".json"), bare(schema))
    return refused


def breaks(folder: Path, file: str, schema: Schema) -> list[str]:
    """How *schema* breaks any of its released forms."""
    found = (breaking(json.loads(text), schema) for text in released(folder, file).values())
    return list(dict.fromkeys(line for lines in found for line in lines))


def released(folder: Path, file: str) -> dict[str, str]:
    """The released forms of a schema, oldest first: name → text."""
    paths = (folder / file.removesuffix(".json")).glob("*.json")
    ordered = sorted(paths, key=lambda path: int(path.name.partition("-")[0]))
    return {path.name: path.read_text("utf-8") for path in ordered}


def bare(schema: Any, named: bool = False) -> Any:
    """*schema* without what only people read; `named` = its keys are names, not words."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = frozenset() if named else FOR_PEOPLE - {"$defs"}
    return {
        word: bare(part, named=not named and word in ("properties", "$defs"))
        for word, part in schema.items()
        if word not in dropped
    }


def text_of(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _freeze(folder: Path, schema: Schema) -> None:
    text = text_of(schema)
    known = released(folder.parent, folder.name)
    if not known or list(known.values())[-1] != text:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(known) + 1}-{digest(text)}.json").write_text(text, "utf-8")
