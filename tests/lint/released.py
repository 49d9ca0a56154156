"""Released answers and requests of commands, the HTTP door and the bus: they only grow.

`tests/golden/released/*.json` has a line for each part: an answer of a command, a body or an answer
of the HTTP door, an operation, a channel or a message of either. `python -m tests.lint.commands`
adds what is new, writes `contracts/schemas/openapi.json`, and refuses what breaks a part. What was
never in a release may be taken out of the file by hand.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import TypeAdapter

from contracts.schemas import asyncapi, schema_files
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
Parts = tuple[dict[str, Schema], Schema]
"""Parts of a file by name, and the definitions that they share."""
FOLDER = ROOT / "tests" / "golden" / "released"
OPENAPI = ROOT / "contracts" / "schemas" / "openapi.json"
_ANSWER, _REQUEST, _FIXED = "answer", "request", "fixed"


def _changed_words(old: Schema, new: Schema) -> list[str]:
    """The words of *old* that *new* says otherwise."""
    words = [word for word in old if word != "$defs" and old[word] != new.get(word)]
    return [f"{word}: {old[word]} → {new.get(word, 'unsaid')}" for word in words]


_COMPARISONS: dict[str, Callable[[Schema, Schema], list[str]]] = {
    _ANSWER: lost_answers,
    _REQUEST: breaking_changes,
    _FIXED: _changed_words,
}


def parts_of_commands() -> Parts:
    """Output of each command under `--json`, and the definitions that the parts share."""
    types = {**answers(), "errors": ErrorAnswer}
    inputs = [(name, "serialization", TypeAdapter(answer)) for name, answer in types.items()]
    parts, shared = TypeAdapter.json_schemas(inputs, schema_generator=Generator)
    return {f"{_ANSWER} {name}": part for (name, _), part in parts.items()}, shared.get("$defs", {})


def openapi_document() -> Schema:
    """The OpenAPI document of the HTTP door."""
    document: Schema = create_gateway(Bus(Connection()), DEFAULT, time.time).state.document
    return document


def parts_of_http(described: Schema) -> Parts:
    """Requests and answers of each address of an OpenAPI document, and the components."""
    document = json.loads(json.dumps(described).replace("#/components/schemas/", "#/$defs/"))
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = {name: part for address in operations for name, part in _http_parts(*address)}
    schemes = document["components"]["securitySchemes"]
    parts |= {f"{_FIXED} key {name}": scheme for name, scheme in schemes.items()}
    return parts, document["components"]["schemas"]


def _http_parts(address: str, operation: Schema) -> Iterator[tuple[str, Schema]]:
    body = operation.get("requestBody", {})
    fixed = {"operationId": operation["operationId"], "security": operation.get("security", [])}
    fixed |= {"body required": body.get("required", False)} if body else {}
    yield f"{_FIXED} {address}", fixed
    parameters = operation.get("parameters", ())
    names = [f"{one['in']} {one['name']}" for one in parameters]
    required = [name for name, one in zip(names, parameters, strict=True) if one.get("required")]
    schemas = {name: one["schema"] for name, one in zip(names, parameters, strict=True)}
    yield f"{_REQUEST} {address}", {"type": "object", "properties": schemas, "required": required}
    for media, one in body.get("content", {}).items():
        yield f"{_REQUEST} {address} {media}", one["schema"]
    for status, answer in operation["responses"].items():
        yield f"{_ANSWER} {address} {status}", _headers_of(answer)
        for media, one in answer.get("content", {}).items():
            yield f"{_ANSWER} {address} {status} {media}", one["schema"]


def _headers_of(answer: Schema) -> Schema:
    """The headers of an answer, as an object that always has them."""
    headers = {name: header["schema"] for name, header in answer.get("headers", {}).items()}
    return {"type": "object", "properties": headers, "required": sorted(headers)}


def parts_of_bus(document: Schema, schemas: dict[str, Schema]) -> Parts:
    """Messages that others send and follow on the bus, by an AsyncAPI document and its payloads.

    Doors judge the events that units send by their schemas alone, which have a history of their
    own; readers of what Loa sends may lose fields, too.
    """
    open_channels = {
        name: one for name, one in document["channels"].items() if not one["x-internal"]
    }
    parts = {f"{_FIXED} channel {name}": _channel(one) for name, one in open_channels.items()}
    shared: dict[str, Schema] = {}
    for name, operation in document["operations"].items():
        channel = open_channels.get(operation["channel"]["$ref"].removeprefix("#/channels/"), {})
        parts |= {f"{_FIXED} operation {name}": operation} if channel else {}
        for message in channel.get("messages", ()):
            described = document["components"]["messages"][message]
            is_sent = operation["action"] == "send"
            parts |= _message_parts(message, described, is_sent)
            if is_sent:
                body = _with_own_names(schemas[f"{message}.event.json"], message)
                shared |= body.pop("$defs", {})
                parts[f"{_ANSWER} {message}"] = body
    return parts, shared


def _message_parts(name: str, message: Schema, is_sent: bool) -> dict[str, Schema]:
    """A message but for its payload; headers that it does not name are no part of it."""
    fixed = {word: message[word] for word in ("contentType", "payload")}
    parts = {f"{_FIXED} message {name}": fixed}
    if "headers" in message:
        parts[f"{_ANSWER if is_sent else _REQUEST} {name} headers"] = message["headers"]
    return parts


def _with_own_names(schema: Schema, prefix: str) -> Schema:
    """*schema*, with definitions that do not meet those of another schema."""
    own: Schema = json.loads(json.dumps(schema).replace("#/$defs/", f"#/$defs/{prefix} "))
    named = {f"{prefix} {name}": part for name, part in own.get("$defs", {}).items()}
    return own | {"$defs": named}


def _channel(channel: Schema) -> Schema:
    fixed = {word: channel[word] for word in ("address", "messages")}
    return fixed | {"stream": channel["x-jetstream"]["stream"]}


RELEASED: dict[str, Callable[[], Parts]] = {
    "commands": parts_of_commands,
    "http": lambda: parts_of_http(openapi_document()),
    "bus": lambda: parts_of_bus(asyncapi.build_document(), schema_files.build_schemas()),
}
"""The files of the folder, and what they say today."""


def breaks(old: Schema, new: Schema) -> list[str]:
    """Breaks by *new* of the parts *old*, both as in a file."""
    lines = [f"{name}: is gone" for name in old["parts"].keys() - new["parts"].keys()]
    for name in old["parts"].keys() & new["parts"].keys():
        before, after = ({**one["parts"][name], "$defs": one["$defs"]} for one in (old, new))
        compare = _COMPARISONS[name.partition(" ")[0]]
        lines += [f"{name}: {line}" for line in compare(before, after)]
    return sorted(lines)


def as_released(parts: Parts) -> Schema:
    """Contents of a file that has these parts."""
    named, shared = parts
    return {
        "parts": {key: without_annotations(part) for key, part in named.items()},
        "$defs": {key: without_annotations(part) for key, part in shared.items()},
    }


def present(name: str) -> Schema:
    """Contents that the file *name* has to have today."""
    return as_released(RELEASED[name]())


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


def openapi_text() -> str:
    """Contents of `openapi.json`."""
    return json.dumps(openapi_document(), ensure_ascii=False, indent=1) + "\n"


def write() -> list[str]:
    """Add what is new to the files; what would break them is returned, and nothing written."""
    today = {name: present(name) for name in RELEASED}
    broken = [line for name, parts in today.items() for line in breaks(released(name), parts)]
    if not broken:
        OPENAPI.write_text(openapi_text(), "utf-8")
    for name, parts in today.items() if not broken else ():
        (FOLDER / f"{name}.json").write_text(as_lines(parts), "utf-8")
    return broken
