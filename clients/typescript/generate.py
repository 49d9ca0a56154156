"""The parts of the TypeScript client that follow from the contracts: types, schemas, words, texts.

`python -m clients.typescript.generate` writes `src/generated/`; a test holds the files to it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from html.entities import html5
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts import case, errors, vocabulary
from contracts.base import addresses, fields, strict_json
from contracts.bulletins import composition
from contracts.catalog import load_texts
from contracts.cloudevent import CloudEvent
from contracts.events import KINDS
from contracts.publication import RELEASED
from contracts.schemas import schema_files, schema_history
from contracts.text import legacy_encodings
from contracts.trace import Status
from contracts.trials.dry_run import DryRun
from producers import texts
from producers.gateway.responses import BatchAccepted, EventAccepted, Problem

GENERATED = Path(__file__).parent / "src" / "generated"
_SCHEMAS = Path(schema_files.__file__).parent
_NOTE = "// Written by `python -m clients.typescript.generate`; do not edit.\n\n"
_ATTRIBUTES = ("specversion", "id", "source", "subject", "time", "datacontenttype", "dataschema")

_ENTITY_NAME = re.compile("[A-Za-z]{2,8};")

Schema = dict[str, Any]


def build_files() -> dict[str, str]:
    """File name → text, for everything in `src/generated/`."""
    parts = {
        "events.ts": _events(),
        "schemas.ts": _schemas(),
        "vocabulary.ts": _vocabulary(),
        "messages.ts": _messages(),
        "encodings.ts": _encodings(),
        "entities.ts": _entities(),
    }
    return {name: _NOTE + text for name, text in parts.items()}


def write_files(folder: Path = GENERATED) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in build_files().items():
        (folder / name).write_text(text, "utf-8")


def _committed(name: str) -> Schema:
    schema: Schema = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return schema


def _constant(name: str, value: object, kind: str = "") -> str:
    written = json.dumps(value, ensure_ascii=False, indent=1, default=_as_json)
    return f"export const {name}{kind and f': {kind}'} = {written}{'' if kind else ' as const'};\n"


def _as_json(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value))


def _events() -> str:
    """The types of events, of their data and of the door's answers."""
    named: dict[str, str] = {}
    for schema in (
        *map(_committed, (*KINDS, RELEASED)),
        *map(_model_schema, (EventAccepted, BatchAccepted, DryRun, Status, Problem)),
    ):
        for name, part in {**schema.get("$defs", {}), schema["title"]: schema}.items():
            text = _declaration(name, part)
            if named.setdefault(name, text) != text:
                raise ValueError(f"two types are called {name}")
    return "\n".join([*named.values(), _attributes(), *map(_event, KINDS), _union()])


def _model_schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(mode="serialization")


def _attributes() -> str:
    schema = _committed(f"{next(iter(KINDS))}.event")
    return (
        "/** The attributes of an event; others are extensions. */\n"
        f"export interface Attributes {{\n{''.join(_members(schema, _ATTRIBUTES))}"
        "  /** Extension attributes: lower-case letters and digits. */\n"
        "  readonly [extension: string]: unknown;\n}\n"
    )


def _event(event_type: str) -> str:
    title = _committed(event_type)["title"]
    return (
        f"/** {_committed(event_type)['description'].partition(chr(10))[0]} */\n"
        f"export interface {title}Event extends Attributes {{\n"
        f'  readonly type: "{event_type}";\n  readonly data: {title};\n}}\n'
    )


def _union() -> str:
    titles = (_committed(event_type)["title"] for event_type in KINDS)
    union = " | ".join(f"{title}Event" for title in titles)
    return f"/** An event that a unit sends. */\nexport type LoaEvent = {union};\n"


def _declaration(name: str, schema: Schema) -> str:
    if "properties" in schema:
        body = "".join(_members(schema, tuple(schema["properties"])))
        return f"{_comment(schema, '')}export interface {name} {{\n{body}}}\n"
    return f"{_comment(schema, '')}export type {name} = {_type(schema)};\n"


def _members(schema: Schema, names: tuple[str, ...]) -> Iterator[str]:
    required = schema.get("required", ())
    for name in names:
        part = schema["properties"][name]
        mark = "" if name in required else "?"
        yield f"{_comment(part, '  ')}  readonly {name}{mark}: {_type(part)};\n"


def _comment(schema: Schema, indent: str) -> str:
    lines = schema.get("description", "").splitlines()
    if len(lines) < 2:
        return f"{indent}/** {lines[0]} */\n" if lines else ""
    return "".join(
        (
            f"{indent}/**\n",
            *(f"{indent} * {line}".rstrip() + "\n" for line in lines),
            f"{indent} */\n",
        )
    )


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if words := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return " | ".join(json.dumps(word) for word in words)
    kinds = schema.get("type", [])
    return (
        " | ".join(
            _plain_type(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)
        )
        or "unknown"
    )


def _plain_type(kind: str, schema: Schema) -> str:
    if kind == "array":
        inner = _type(schema.get("items", {}))
        return f"readonly ({inner})[]" if " " in inner else f"readonly {inner}[]"
    if kind == "object":
        inner = schema.get("additionalProperties", {})
        return f"Readonly<Record<string, {_type(inner) if isinstance(inner, dict) else 'unknown'}>>"
    return {"integer": "number"}.get(kind, kind)


def _schemas() -> str:
    """The schemas that `checkEvent` holds events against."""
    data = {event_type: _checked(_committed(event_type)) for event_type in KINDS}
    envelope = CloudEvent.model_json_schema(schema_generator=schema_files._Generator)
    del envelope["properties"]["extensions"]
    patterns = {
        "id": fields.ID_PATTERN,
        "line": fields._LINE_PATTERN.json_schema_extra["pattern"],
        "text": fields.TEXT_PATTERN.json_schema_extra["pattern"],
        "mobile": addresses.MOBILE_PATTERN,
        "case_code": case._CODE_PATTERN,
    }
    types = " | ".join(json.dumps(event_type) for event_type in KINDS)
    return "\n".join(
        (
            'import type { Schema } from "../schemaCheck.js";\n',
            _constant("PATTERNS", patterns),
            _constant("CLOUDEVENT", _checked(envelope), "Schema"),
            _constant("SCHEMAS", data, f"Readonly<Record<{types}, Schema>>"),
        )
    )


def _checked(schema: Schema) -> Schema:
    """A schema without its descriptions; a province has a rule of its own."""
    bare = schema_history.without_annotations(schema)
    broadcast = bare.get("$defs", {}).get("Broadcast")
    if broadcast:
        broadcast["properties"]["provinces"]["items"]["format"] = "province"
    for name, part in {**bare.get("$defs", {}), schema["title"]: bare}.items():
        part["title"] = name
    return bare


def _vocabulary() -> str:
    words = vocabulary.DEFAULT.model_dump()
    series = {
        name: {key: one[key] for key in ("name", "english", "unit", "topic")}
        for name, one in words["bulletins"].items()
    }
    for unit in words["units"].values():
        del unit["group"]
    provinces = {
        name: {"name": one.name, "code": one.code} for name, one in vocabulary.PROVINCES.items()
    }
    return "\n".join(
        (
            'import type { Province, Vocabulary } from "../vocabulary.js";\n',
            "/** The words that Loa ships with; an operator may have others. */",
            _constant("VOCABULARY", words | {"bulletins": series}, "Vocabulary"),
            "/** The provinces that a broadcast may name. */",
            _constant("PROVINCES", provinces, "Readonly<Record<string, Province>>"),
        )
    )


def _messages() -> str:
    own, mistakes = texts.catalog(), load_texts(strict_json._MESSAGES_FILE)
    json_texts = {
        name: {"en": "", "vi": one} if isinstance(one, str) else one
        for name, one in mistakes.items()
    }
    bulletins = {
        name: one for name, one in load_texts(composition._TEXTS).items() if isinstance(one, str)
    }
    named = {
        "MESSAGES": errors.error_texts(),
        "JSON_MESSAGES": json_texts,
        "BULLETIN_TEXTS": bulletins,
        "ADDRESS_TEXTS": {name: own["http"][name] for name in ("no_url", "no_key")},
        "ACCESS_TEXTS": {"denied": own["access"]["denied"]},
        "SPOOL_TEXTS": {name: own["cli"][name] for name in ("not_kept", "not_locked")},
    }
    return "\n".join(_constant(name, value) for name, value in named.items())


def _encodings() -> str:
    """The tables of the old encodings, and the parts of Vietnamese syllables."""
    old, record = legacy_encodings, "Readonly<Record<string, string>>"
    syllables = {
        "SYLLABLE": old._SYLLABLE.pattern,
        "TONES": old._TONES,
        "COMMON_SYLLABLES": old._FREQUENT,
    }
    tables: Mapping[str, Mapping[Any, Any]] = {
        "TCVN3": old._TCVN3,
        "VNI_LETTERS": old._VNI_LETTERS,
        "VNI_MARKS": old._VNI_MARKS,
        "VPS_LETTERS": old._VPS_LETTERS,
    }
    return "\n".join(
        (
            *(_constant(name, text) for name, text in syllables.items()),
            *(_constant(name, _letters(table), record) for name, table in tables.items()),
        )
    )


def _entities() -> str:
    """The named characters of HTML whose names are short words."""
    ended = {name[:-1]: value for name, value in html5.items() if _ENTITY_NAME.fullmatch(name)}
    bare = {name: value for name, value in html5.items() if name.isalpha()}
    kind = "Readonly<Record<string, string>>"
    return "\n".join(
        f"export const {name}: {kind} = {json.dumps(table)};\n"
        for name, table in (("ENTITIES", ended), ("BARE_ENTITIES", bare))
    )


def _letters(table: Mapping[Any, Any]) -> dict[str, str]:
    return dict(sorted((_letter(sign), _letter(meant)) for sign, meant in table.items()))


def _letter(sign: int | str) -> str:
    return chr(sign) if isinstance(sign, int) else sign


if __name__ == "__main__":
    write_files()
