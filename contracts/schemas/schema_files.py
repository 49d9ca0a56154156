"""The committed JSON Schemas (draft 2020-12) of everything that other systems send or read.

`python -m contracts.schemas.schema_files` writes `contracts/schemas/`: one schema per event type
for its data, one for the whole CloudEvent, the same for what Loa sends; `asyncapi.json`; and the
golden `vectors.json`. Released schemas are in `schemas/frozen/`, which only grows: a compatible
change adds a file there, a breaking one is refused. `openapi.json` comes from the gateway:
`python -m tests.lint.commands` writes it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from contracts.base.fields import Contract
from contracts.cloudevent import CloudEvent
from contracts.events import KINDS
from contracts.facts.content_status import STATUS_CHANGED, ContentStatus
from contracts.publication import RELEASED, Publication
from contracts.schemas import asyncapi, schema_history, vectors
from contracts.subscriptions import person_export
from contracts.subscriptions.person_export import PersonExport

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FOLDER = Path(__file__).parent
_ATTRIBUTE_NAME = "^[a-z0-9]+$"
_CLOSED_TYPES = frozenset(KINDS)
"""The types whose data is closed: a door refuses a field it does not know."""

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Schema generator without the titles that pydantic derives from field names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        return False


def build_schemas() -> dict[str, Schema]:
    """File name → schema, for everything under `schemas/` that models and subjects give."""
    kinds: dict[str, type[Contract]] = {
        **KINDS,
        RELEASED: Publication,
        STATUS_CHANGED: ContentStatus,
    }
    files: dict[str, Schema] = {}
    for event_type, model in kinds.items():
        files[f"{event_type}.json"] = _data_schema(event_type, model)
        files[f"{event_type}.event.json"] = _event_schema(event_type, model)
    files[f"{person_export.KIND}.json"] = _data_schema(person_export.KIND, PersonExport)
    return files


def _data_schema(event_type: str, model: type[Contract]) -> Schema:
    schema = {"$schema": DIALECT, "$id": _schema_id(event_type), **_model_schema(model)}
    return _close_objects(schema) if event_type in _CLOSED_TYPES else schema


def _event_schema(event_type: str, model: type[Contract]) -> Schema:
    """The schema of the whole CloudEvent in structured form."""
    data = _data_schema(event_type, model)
    definitions = data.pop("$defs", {})
    for key in ("$schema", "$id"):
        del data[key]
    envelope = _model_schema(CloudEvent)
    del envelope["properties"]["extensions"]  # top-level attributes, like all others
    properties = envelope["properties"]
    properties["type"] = {
        "const": event_type,
        "description": properties["type"]["description"],
    }
    properties["data"] = data
    return {
        "$schema": DIALECT,
        "$id": _schema_id(f"{event_type}:event"),
        "title": event_type,
        "type": "object",
        "required": envelope["required"],
        "properties": properties,
        "propertyNames": {"pattern": _ATTRIBUTE_NAME},
        "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
        "$defs": definitions,
    }


def _schema_id(of: str) -> str:
    """A schema's `$id`: a tag URI, not an address."""
    return f"tag:moha.gov.vn,2026:{of}"


def _model_schema(model: type[Contract]) -> Schema:
    return model.model_json_schema(schema_generator=_Generator)


def _close_objects(schema: Schema) -> Schema:
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object":
            part["additionalProperties"] = False
    return schema


def write_files(folder: Path = _FOLDER) -> list[str]:
    """Write all files; the breaking changes that stopped it, if any."""
    built = build_schemas()
    refused = schema_history.freeze_schemas(folder / "frozen", built)
    if not refused:
        for file, schema in {**built, "asyncapi.json": asyncapi.build_document()}.items():
            text = json.dumps(schema, ensure_ascii=False, indent=2)
            (folder / file).write_text(text + "\n", "utf-8")
        (folder / "vectors.json").write_text(vectors.build_text(), "utf-8")
    return refused


if __name__ == "__main__":
    sys.exit("\n".join(write_files()) or 0)
