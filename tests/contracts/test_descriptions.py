"""Descriptions of fields in JSON Schemas."""

import subprocess
import sys

from contracts.text.descriptions import Described


class Letter(Described):
    subject: str
    """Its first line."""
    body: str = ""
    """All others.

    Without markup."""
    size: int = 0


class Reply(Letter):
    subject: int
    size: int = 1
    """In bytes."""


def descriptions(model):
    properties = model.model_json_schema()["properties"]
    return {name: one.get("description") for name, one in properties.items()}


def test_the_docstring_of_a_field_describes_it():
    all_others = "All others.\n\nWithout markup."
    assert descriptions(Letter) == {"subject": "Its first line.", "body": all_others, "size": None}


def test_a_field_that_is_said_anew_has_no_description_of_before():
    said = descriptions(Reply)
    assert said == {"subject": None, "body": descriptions(Letter)["body"], "size": "In bytes."}


def test_no_import_reads_the_source_of_a_model():
    looks = "import linecache; assert not any('contracts' in path for path in linecache.cache)"
    subprocess.run([sys.executable, "-c", f"import contracts.publication; {looks}"], check=True)
