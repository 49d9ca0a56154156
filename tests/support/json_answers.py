"""Checks what commands print under `--json` against the committed schemas, without more keys."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from consumers.cli import root
from tests.lint.commands import NAMES

_SCHEMAS = Path(root.__file__).with_name("schemas")


def check_answer(words: Sequence[str], exit_code: int, stdout: str) -> None:
    """Check the answer of *words*: the last line, for under test the log goes to stdout, too."""
    lines = stdout.splitlines()
    if "--json" not in words or not lines or not lines[-1].startswith(("{", "[")):
        return
    name, answer = _schema_name(words), json.loads(lines[-1])
    is_refusal = exit_code and isinstance(answer, dict) and answer.keys() == {"errors"}
    if is_refusal or name:
        _validator("errors" if is_refusal else name).validate(answer)


def _schema_name(words: Sequence[str]) -> str:
    """The schema of the longest command that *words* begin with."""
    names = ["-".join(words[:count]) for count in (3, 2, 1)]
    return next((NAMES[name] for name in names if name in NAMES), "")


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(_closed(json.loads((_SCHEMAS / f"{name}.json").read_text())))


def _closed(schema: Any) -> Any:
    """*schema*, whose objects take no keys but their own."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
