"""The schemas as the models make them, to be asked what they take, to be changed."""

from copy import deepcopy

import jsonschema_rs

from contracts import events, schema_files
from contracts.testing import sample

MADE = schema_files.schemas()
DATA = MADE[f"{events.SUBMITTED}.json"]
GOOD = sample()["data"]


def changed(change):
    """The schema of `submitted` after *change* worked on it."""
    schema = deepcopy(DATA)
    change(schema["properties"], schema)
    return schema


def takes(schema, value):
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)
