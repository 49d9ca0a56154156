"""The schemas as the models make them, to be asked what they take, to be changed."""

from copy import deepcopy

import jsonschema_rs

from contracts import events
from contracts.schemas import schema_files
from contracts.testing import sample

SCHEMAS = schema_files.build_schemas()
DATA = SCHEMAS[f"{events.SUBMITTED}.json"]
SAMPLE = sample()["data"]


def changed_schema(change):
    """The schema of `submitted` after *change* worked on it."""
    schema = deepcopy(DATA)
    change(schema["properties"], schema)
    return schema


def accepts(schema, value):
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)
