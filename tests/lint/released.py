"""Released answers and requests of commands and the HTTP door: they only grow.

`tests/golden/released/*.json` has a line for each part: an answer of a command, a body or an answer
of the HTTP door. `python -m tests.lint.commands` adds what is new, and refuses what breaks a part.
What was never in a release may be taken out of the file by hand.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import TypeAdapter

from contracts.schemas.compatibility import breaking_changes, lost_answers
from contracts.schemas.schema_history import without_annotations
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.bus.connection import Connection
from producers.gateway.app import create_gateway
from producers.output import ErrorAnswer
from tests.lint.commands import Generator, answers
from tests.lint.sources import ROOT

Schema = dict[str, Any]
FOLDER = ROOT / "tests" / "golden" / "released"
_ANSWER, _REQUEST = "answer", "request"
_COMPARISONS: dict[str, Callable[[Schema, Schema], list[str]]] = {
    _ANSWER: lost_answers,
    _REQUEST: breaking_changes,
}


def parts_of_commands() -> tuple[dict[str, Schema], Schema]:
    """Output of each command under `--json`, and the definitions that the parts share."""
    types = {**answers(), "errors": ErrorAnswer}
    inputs = [(name, "serialization", TypeAdapter(answer)) for name, answer in types.items()]
    parts, shared = TypeAdapter.json_schemas(inputs, schema_generator=Generator)
    return {f"{_ANSWER} {name}": part for (name, _), part in parts.items()}, shared.get("$defs", {})


def parts_of_http() -> tuple[dict[str, Schema], Schema]:
    """Requests and answers of each address of the HTTP door, and the components."""
    app = create_gateway(Bus(Connection()), DEFAULT, time.time)
    text = json.dumps(app.state.document).replace("#/components/schemas/", "#/$defs/")
    document = json.loads(text)
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = {name: part for address in operations for name, part in _parts_of(*address)}
    return parts, document["components"]["schemas"]


def _parts_of(address: str, operation: Schema) -> Iterator[tuple[str, Schema]]:
    parameters = operation.get("parameters", ())
    names = [f"{one['in']} {one['name']}" for one in parameters]
    required = [name for name, one in zip(names, parameters, strict=True) if one.get("required")]
    schemas = {name: one["schema"] for name, one in zip(names, parameters, strict=True)}
    yield f"{_REQUEST} {address}", {"type": "object", "properties": schemas, "required": required}
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"{_REQUEST} {address} {media}", body["schema"]
    for status, answer in operation["responses"].items():
        for media, body in answer.get("content", {}).items():
            yield f"{_ANSWER} {address} {status} {media}", body["schema"]


RELEASED = {"commands": parts_of_commands, "http": parts_of_http}
"""The files of the folder, and what they say today."""


def breaks(old: Schema, new: Schema) -> list[str]:
    """Breaks by *new* of the parts *old*, both as in a file."""
    lines = [f"{name}: is gone" for name in old["parts"].keys() - new["parts"].keys()]
    for name in old["parts"].keys() & new["parts"].keys():
        before, after = ({**one["parts"][name], "$defs": one["$defs"]} for one in (old, new))
        compare = _COMPARISONS[name.partition(" ")[0]]
        lines += [f"{name}: {line}" for line in compare(before, after)]
    return sorted(lines)


def present(name: str) -> Schema:
    """Contents that the file *name* has to have today."""
    parts, shared = RELEASED[name]()
    return {
        "parts": {key: without_annotations(part) for key, part in parts.items()},
        "$defs": {key: without_annotations(part) for key, part in shared.items()},
    }


def released(name: str) -> Schema:
    """Contents of the file *name*."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {"parts": {}, "$defs": {}}


def as_lines(parts: Schema) -> str:
    """The text of a file: a line for each part and for each definition."""
    blocks = [
        f'"{block}": {{\n' + ",\n".join(sorted(map(_as_line, entries.items()))) + "\n}"
        for block, entries in parts.items()
    ]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _as_line(entry: tuple[str, Schema]) -> str:
    name, part = entry
    body = json.dumps(part, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f" {json.dumps(name)}: {body}"


def write() -> list[str]:
    """Add what is new to the files; what would break them is returned, and nothing written."""
    today = {name: present(name) for name in RELEASED}
    broken = [line for name, parts in today.items() for line in breaks(released(name), parts)]
    for name, parts in today.items() if not broken else ():
        (FOLDER / f"{name}.json").write_text(as_lines(parts), "utf-8")
    return broken
