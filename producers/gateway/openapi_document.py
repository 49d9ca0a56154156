"""The gateway's OpenAPI document and the documentation page made from it."""

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from contracts import events
from contracts.base.security_headers import content_policy
from contracts.envelope import BATCH_TYPE, CONTENT_TYPE, JSON_TYPE, MAX_BATCH_EVENTS
from producers.gateway.responses import (
    EVENT_ID_PATTERN,
    PROBLEM_TYPE,
    BatchAccepted,
    EventAccepted,
    Problem,
    Status,
)
from producers.gateway.vocabulary_document import SCHEMA_TYPE, SchemaList, VocabularyDocument
from producers.texts import get_text

Document = dict[str, Any]

_FOLDER = Path(__file__).parent
_SCHEMAS = Path(events.__file__).parent / "schemas"
_COMPONENTS = "#/components/schemas/"
_RETRY_HEADER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_BEARER_CHALLENGE = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
_JINJA = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)
_DESCRIPTIONS = json.loads((_FOLDER / "descriptions.json").read_text("utf-8"))


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
    names = sorted(map(_component_name, events.HTTP_TYPES))
    return {"oneOf": [{"$ref": f"{_COMPONENTS}{name}{suffix}"} for name in names]}


_BATCH = {"type": "array", "items": _any_of("Event"), "minItems": 1, "maxItems": MAX_BATCH_EVENTS}
_BODIES: Document = {
    CONTENT_TYPE: {"schema": _any_of("Event")},
    BATCH_TYPE: {"schema": _BATCH},
    JSON_TYPE: {"schema": _any_of("Data")},
}
_API_KEY_SECURITY: list[Document] = [{"key": []}]

SEND_ROUTE: Document = {
    "operation_id": "sendEvents",
    "summary": _DESCRIPTIONS["send"]["summary"],
    "description": _DESCRIPTIONS["send"]["description"],
    "status_code": 202,
    "response_model": EventAccepted | BatchAccepted,
    "response_description": _DESCRIPTIONS["send"]["answer"],
    "responses": _problem_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503),
    "openapi_extra": {
        "security": _API_KEY_SECURITY,
        "parameters": [_attribute(name) for name in ("specversion", "id", "source", "type")],
        "requestBody": {"required": True, "content": _BODIES},
    },
}
STATUS_ROUTE: Document = {
    "operation_id": "eventStatus",
    "summary": _DESCRIPTIONS["status"]["summary"],
    "description": _DESCRIPTIONS["status"]["description"],
    "response_model": Status,
    "response_description": _DESCRIPTIONS["status"]["answer"],
    "responses": _problem_responses(401, 404, 429, 500, 503),
    "openapi_extra": {
        "security": _API_KEY_SECURITY,
        "parameters": [
            _parameter(
                "path",
                "event_id",
                required=True,
                schema={"type": "string", "pattern": EVENT_ID_PATTERN},
            )
        ],
    },
}


_UNCHANGED: dict[int | str, Document] = {304: {"description": _DESCRIPTIONS["unchanged"]}}
VOCABULARY_ROUTE: Document = {
    "operation_id": "vocabulary",
    "summary": _DESCRIPTIONS["vocabulary"]["summary"],
    "description": _DESCRIPTIONS["vocabulary"]["description"],
    "response_model": VocabularyDocument,
    "response_description": _DESCRIPTIONS["vocabulary"]["answer"],
    "responses": _UNCHANGED,
}
SCHEMAS_ROUTE: Document = {
    "operation_id": "schemas",
    "summary": _DESCRIPTIONS["schemas"]["summary"],
    "description": _DESCRIPTIONS["schemas"]["description"],
    "response_model": SchemaList,
    "response_description": _DESCRIPTIONS["schemas"]["answer"],
    "responses": _UNCHANGED,
}
SCHEMA_ROUTE: Document = {
    "operation_id": "schema",
    "summary": _DESCRIPTIONS["schema"]["summary"],
    "description": _DESCRIPTIONS["schemas"]["description"],
    "response_class": Response,
    "response_description": _DESCRIPTIONS["schema"]["summary"],
    "responses": {
        200: {"content": {SCHEMA_TYPE: {"schema": {"type": "object"}}}},
        **_UNCHANGED,
        **_problem_responses(404),
    },
    "openapi_extra": {"parameters": [_parameter("path", "name", required=True)]},
}


def build_openapi(app: FastAPI) -> Document:
    """The document: the routes of *app*, the committed schemas of events, the API key."""
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTIONS["door"], routes=app.routes
    )
    components = document["components"]
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": _DESCRIPTIONS["key"]}
    }
    schemas = components["schemas"]
    schemas |= _to_components("Problem", Problem.model_json_schema())
    for event_type in sorted(events.HTTP_TYPES):
        schemas |= _to_components(
            f"{_component_name(event_type)}Event", _load_schema(f"{event_type}.event")
        )
        schemas |= _to_components(f"{_component_name(event_type)}Data", _load_schema(event_type))
    return document


def build_docs_page(document: Document) -> tuple[str, dict[str, str]]:
    """The documentation page, and its header with a policy that allows only its own style."""
    style = (_FOLDER / "docs.css").read_text("utf-8")
    example = (_FOLDER / "example.json").read_text("utf-8")
    html = _JINJA.get_template("docs.html.j2").render(
        document=document, style=style, example=example
    )
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return html, content_policy(style_src=f"'sha256-{digest}'")


def _load_schema(name: str) -> Document:
    schema: Document = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return schema


def _to_components(name: str, schema: Document) -> Document:
    """*schema* and its definitions as separate components, with references adjusted."""
    text = json.dumps(schema).replace('"#/$defs/', f'"{_COMPONENTS}{name}')
    moved: Document = json.loads(text)
    parts = {f"{name}{part}": inner for part, inner in moved.pop("$defs", {}).items()}
    for key in ("$schema", "$id"):
        moved.pop(key, None)
    return {name: moved, **parts}
