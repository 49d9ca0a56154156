"""The gateway's OpenAPI document and the documentation page made from it."""

import json
import tomllib
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from contracts import events
from contracts.envelope import BATCH_TYPE, CONTENT_TYPE, JSON_TYPE, MAX_BATCH_EVENTS
from contracts.trace import EVENT_ID_PATTERN, Status
from contracts.trials.dry_run import DryRun
from contracts.trials.faces import FACES
from producers.gateway.history import MOST, STATES
from producers.gateway.responses import (
    PROBLEM_TYPE,
    BatchAccepted,
    EventAccepted,
    EventList,
    Problem,
)
from producers.gateway.vocabulary_document import SCHEMA_TYPE, SchemaList, VocabularyDocument
from producers.texts import get_text

Document = dict[str, Any]

_FOLDER = Path(__file__).parent
_SCHEMAS = Path(events.__file__).parent / "schemas"
_COMPONENTS = "#/components/schemas/"
_RETRY_HEADER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_BEARER_CHALLENGE = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
_DESCRIPTIONS = json.loads((_FOLDER / "descriptions.json").read_text("utf-8"))
_FIELDS_VI: Document = tomllib.loads((_FOLDER / "fields.vi.toml").read_text("utf-8"))
"""Vietnamese descriptions by field, and by component where a field's name means something else."""
_HTTP_TYPES = [kind for kind in events.KINDS if kind in events.HTTP_TYPES]


def _problem_responses(*statuses: int) -> dict[int | str, Document]:
    headers: dict[int, Document] = {401: _BEARER_CHALLENGE, 429: _RETRY_HEADER, 503: _RETRY_HEADER}
    return {status: _problem_response_of(status, headers.get(status, {})) for status in statuses}


def _problem_response_of(status: int, headers: Document) -> Document:
    title = get_text("problem", str(status))
    return {
        "description": f"{title.en} / {title.vi}",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": f"{_COMPONENTS}Problem"}}},
        "headers": headers,
    }


def _parameter(place: str, name: str, **more: Any) -> Document:
    return {"in": place, "name": name, "schema": {"type": "string"}, **more}


def _attribute(name: str) -> Document:
    return _parameter("header", f"ce-{name}", description=_DESCRIPTIONS["binary"])


def _component_name(event_type: str) -> str:
    """vn.gov.moha.content.submitted.v1 → ContentSubmittedV1."""
    return "".join(word.capitalize() for word in event_type.split(".")[-3:])


def _any_of(suffix: str) -> Document:
    names = map(_component_name, _HTTP_TYPES)
    return {"oneOf": [{"$ref": f"{_COMPONENTS}{name}{suffix}"} for name in names]}


_BATCH = {"type": "array", "items": _any_of("Event"), "minItems": 1, "maxItems": MAX_BATCH_EVENTS}
_BODIES: Document = {
    CONTENT_TYPE: {"schema": _any_of("Event")},
    BATCH_TYPE: {"schema": _BATCH},
    JSON_TYPE: {"schema": _any_of("Data")},
}
_API_KEY_SECURITY: list[Document] = [{"key": []}]
_EVENT_ID = _parameter(
    "path", "event_id", required=True, schema={"type": "string", "pattern": EVENT_ID_PATTERN}
)
_ATTRIBUTES = [_attribute(name) for name in ("specversion", "id", "source", "type")]
_DRY_RUN = _DESCRIPTIONS["dry_run"]
_FACE_TYPES = {"text/html": "string", "text/plain": "string", JSON_TYPE: "object"}

_BINARY_EVENT = {
    "security": _API_KEY_SECURITY,
    "parameters": _ATTRIBUTES,
    "requestBody": {"required": True, "content": _BODIES},
}
_REFUSALS = _problem_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503)
_UNCHANGED: dict[int | str, Document] = {304: {"description": _DESCRIPTIONS["unchanged"]}}


def _route(operation_id: str, described: str, **more: Any) -> Document:
    """A route with its texts, which are in `descriptions.json` under *described*."""
    texts = _DESCRIPTIONS[described]
    return {
        "operation_id": operation_id,
        "summary": texts["summary"],
        "description": texts["description"],
        "response_description": texts["answer"],
        **more,
    }


def _asked_with_key(*parameters: Document) -> Document:
    return {"security": _API_KEY_SECURITY, "parameters": [*parameters]}


SEND_ROUTE = _route(
    "sendEvents",
    "send",
    status_code=202,
    response_model=EventAccepted | BatchAccepted,
    responses={
        200: {"model": DryRun, "description": _DESCRIPTIONS["send"]["dry_run"]},
        **_REFUSALS,
    },
    openapi_extra={
        **_BINARY_EVENT,
        "parameters": [
            *_ATTRIBUTES,
            _parameter("query", "dry_run", schema={"const": "1"}, description=_DRY_RUN),
        ],
    },
)
DRY_RUN_ROUTE = _route(
    "dryRun", "ask", response_model=DryRun, responses=_REFUSALS, openapi_extra=_BINARY_EVENT
)
LIST_ROUTE = _route(
    "listEvents",
    "list",
    response_model=EventList,
    responses=_problem_responses(401, 422, 429, 500, 503),
    openapi_extra=_asked_with_key(
        _parameter("query", "limit", schema={"type": "integer", "minimum": 1, "maximum": MOST}),
        _parameter("query", "cursor", description=_DESCRIPTIONS["list"]["cursor"]),
        _parameter("query", "state", schema={"enum": list(STATES)}),
    ),
)
STATUS_ROUTE = _route(
    "eventStatus",
    "status",
    response_model=Status,
    responses=_problem_responses(401, 404, 429, 500, 503),
    openapi_extra=_asked_with_key(_EVENT_ID),
)
FACE_ROUTE = _route(
    "trialFace",
    "face",
    response_class=Response,
    responses={
        200: {"content": {kind: {"schema": {"type": of}} for kind, of in _FACE_TYPES.items()}},
        **_problem_responses(401, 429, 500, 503),
        404: _problem_response_of(404, _RETRY_HEADER),
    },
    openapi_extra=_asked_with_key(
        _EVENT_ID, _parameter("path", "face", required=True, schema={"enum": list(FACES)})
    ),
)
VOCABULARY_ROUTE = _route(
    "vocabulary", "vocabulary", response_model=VocabularyDocument, responses=_UNCHANGED
)
SCHEMAS_ROUTE = _route("schemas", "schemas", response_model=SchemaList, responses=_UNCHANGED)
SCHEMA_ROUTE = _route(
    "schema",
    "schema",
    response_class=Response,
    responses={
        200: {"content": {SCHEMA_TYPE: {"schema": {"type": "object"}}}},
        **_UNCHANGED,
        **_problem_responses(404),
    },
    openapi_extra={"parameters": [_parameter("path", "name", required=True)]},
)


def build_openapi(app: FastAPI) -> Document:
    """The document: the routes of *app*, the committed schemas of events, the API key."""
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTIONS["door"], routes=app.routes
    )
    components = document["components"]
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": _DESCRIPTIONS["key"]}
    }
    answers = components["schemas"] | _to_components("Problem", Problem.model_json_schema())
    components["schemas"] = {**_event_components(), **answers}
    for name, schema in components["schemas"].items():
        _translate_descriptions(name, schema)
    return document


def _event_components() -> Document:
    """Two components for each type of event, the event and its data, and what they share."""
    schemas: Document = {}
    for event_type in _HTTP_TYPES:
        name = _component_name(event_type)
        event = _load_schema(f"{event_type}.event")
        del event["$defs"]
        event["properties"]["data"] = {
            "$ref": f"{_COMPONENTS}{name}Data",
            "description": _DESCRIPTIONS["data"],
        }
        schemas |= _to_components(f"{name}Event", event)
        schemas |= _to_components(f"{name}Data", _load_schema(event_type))
    return schemas


def _load_schema(name: str) -> Document:
    schema: Document = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return schema


def _to_components(name: str, schema: Document) -> Document:
    """*schema* and its definitions as separate components, with references adjusted."""
    moved: Document = json.loads(json.dumps(schema).replace('"#/$defs/', f'"{_COMPONENTS}'))
    for key in ("$schema", "$id"):
        moved.pop(key, None)
    return {name: moved, **moved.pop("$defs", {})}


def _translate_descriptions(name: str, schema: Document) -> None:
    """Add the Vietnamese description of each property of a component, as `x-description-vi`."""
    own = _FIELDS_VI.get(name, {})
    for field, described in schema.get("properties", {}).items():
        described["x-description-vi"] = own.get(field) or _FIELDS_VI[field]
