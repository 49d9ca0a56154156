"""Released schemas, kept for ever; every later schema must accept what they accept.

`schemas/frozen/<schema>/<number>-<digest>.json` only grows. A compatible change gets the next
number; a breaking change is refused (make a `.v2`).
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from contracts.schemas.compatibility import ANNOTATIONS, breaking_changes

Schema = dict[str, Any]


def freeze_schemas(folder: Path, schemas: dict[str, Schema]) -> list[str]:
    """Freeze the changed schemas (file name → schema), or return the breaks and write nothing."""
    refused = [
        f"{file}: {line}"
        for file, schema in schemas.items()
        for line in history_breaks(folder, file, schema)
    ]
    if not refused:
        for file, schema in schemas.items():
            _freeze(folder / file.removesuffix(".json"), without_annotations(schema))
    return refused


def history_breaks(folder: Path, file: str, schema: Schema) -> list[str]:
    """The breaking changes of *schema* against each of its released forms."""
    released = released_forms(folder, file).values()
    breaks = (breaking_changes(json.loads(text), schema) for text in released)
    return list(dict.fromkeys(line for lines in breaks for line in lines))


def released_forms(folder: Path, file: str) -> dict[str, str]:
    """The released forms of a schema, oldest first: name → text."""
    paths = (folder / file.removesuffix(".json")).glob("*.json")
    ordered = sorted(paths, key=lambda path: int(path.name.partition("-")[0]))
    return {path.name: path.read_text("utf-8") for path in ordered}


def without_annotations(schema: Any, keys_are_names: bool = False) -> Any:
    """*schema* without annotations; `keys_are_names`: its keys are property names, not keywords."""
    if isinstance(schema, list):
        return [without_annotations(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = frozenset() if keys_are_names else ANNOTATIONS - {"$defs"}
    return {
        word: without_annotations(
            part, keys_are_names=not keys_are_names and word in ("properties", "$defs")
        )
        for word, part in schema.items()
        if word not in dropped
    }


def frozen_text(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def text_digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _freeze(folder: Path, schema: Schema) -> None:
    text = frozen_text(schema)
    forms = released_forms(folder.parent, folder.name)
    if not forms or list(forms.values())[-1] != text:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(forms) + 1}-{text_digest(text)}.json").write_text(text, "utf-8")
