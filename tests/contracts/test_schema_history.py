"""Promises that hold for ever: frozen schemas, golden bodies, refusals of the models."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

import contracts
from contracts import envelope, events, publication
from contracts.facts import content_status
from contracts.schemas import schema_files, schema_history
from contracts.testing import KIND_NAMES, sample
from contracts.vocabulary import DEFAULT
from tests.support.schemas import DATA, SCHEMAS, accepts, changed_schema

FOLDER = Path(contracts.__file__).parent / "schemas"
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.json"))
TYPES = [*events.KINDS, publication.RELEASED, content_status.STATUS_CHANGED]

FIRST = """
vn.gov.moha.case.updated.v1.event/1-d2b51205.json
vn.gov.moha.case.updated.v1/1-5391ca0d.json
vn.gov.moha.content.corrected.v1.event/1-dc05e1b8.json
vn.gov.moha.content.corrected.v1/1-0bc85e86.json
vn.gov.moha.content.submitted.v1.event/1-5266b31d.json
vn.gov.moha.content.submitted.v1/1-8d6018ae.json
vn.gov.moha.content.withdrawn.v1.event/1-97d29228.json
vn.gov.moha.content.withdrawn.v1/1-78fcc139.json
vn.gov.moha.publication.released.v1.event/1-e02d7308.json
vn.gov.moha.publication.released.v1/1-9102ccee.json
"""
"""The forms of the first release; this list is part of the promise."""


# --- what is committed


def test_the_committed_files_are_what_the_models_and_subjects_say(tmp_path):
    assert schema_files.write_files(tmp_path) == []
    assert len(list((tmp_path / "frozen").rglob("*.json"))) == len(SCHEMAS)
    written = {path.name: path.read_text() for path in tmp_path.glob("*.json")}
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    del committed["openapi.json"]  # of the gateway, which is above contracts
    assert written == committed, "make schemas anew"


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_schema_is_a_schema_with_a_name_of_its_own(file):
    jsonschema_rs.meta.validate(SCHEMAS[file])
    assert SCHEMAS[file]["$schema"] == schema_files.DIALECT
    assert len({schema["$id"] for schema in SCHEMAS.values()}) == len(SCHEMAS)


# --- what is frozen


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_schema_takes_all_that_its_released_forms_took(file):
    assert schema_history.history_breaks(FOLDER / "frozen", file, SCHEMAS[file]) == []


@pytest.mark.parametrize("file", SCHEMAS)
def test_the_newest_released_form_is_the_present_one(file):
    newest = list(schema_history.released_forms(FOLDER / "frozen", file).values())[-1]
    present = schema_history.frozen_text(schema_history.without_annotations(SCHEMAS[file]))
    assert newest == present, "run python -m contracts.schemas.schema_files"


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_released_form_is_never_edited_or_taken_away(file):
    forms = schema_history.released_forms(FOLDER / "frozen", file)
    for number, (name, text) in enumerate(forms.items(), 1):
        assert name == f"{number}-{schema_history.text_digest(text)}.json"


def test_the_first_forms_are_still_there():
    assert [name for name in FIRST.split() if not (FOLDER / "frozen" / name).is_file()] == []


def test_every_type_that_was_ever_released_still_has_a_model():
    released = {path.name for path in (FOLDER / "frozen").iterdir()}
    assert released == {file.removesuffix(".json") for file in SCHEMAS}


def test_a_harmless_change_is_frozen_beside_the_old_form(tmp_path):
    assert schema_history.freeze_schemas(tmp_path, {"a.json": DATA}) == []
    more = changed_schema(lambda fields, _: fields.update(mood={"type": "string"}))
    assert schema_history.freeze_schemas(tmp_path, {"a.json": more}) == []
    assert [name[0] for name in schema_history.released_forms(tmp_path, "a.json")] == ["1", "2"]
    assert schema_history.freeze_schemas(tmp_path, {"a.json": DATA}) == ["a.json: mood: is gone"]
    assert len(schema_history.released_forms(tmp_path, "a.json")) == 2


def test_new_words_for_people_are_not_a_new_form(tmp_path):
    schema_history.freeze_schemas(tmp_path, {"a.json": DATA})
    other = changed_schema(
        lambda fields, schema: (fields["title"].update(description="x"), schema.update(title="y"))
    )
    schema_history.freeze_schemas(tmp_path, {"a.json": other})
    assert len(schema_history.released_forms(tmp_path, "a.json")) == 1


def test_a_field_that_is_called_title_is_not_a_word_for_people():
    kept = schema_history.without_annotations(
        {"title": "x", "properties": {"title": {"title": "y", "type": "string"}}}
    )
    assert kept == {"properties": {"title": {"type": "string"}}}


# --- golden bodies


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_body_decodes_for_ever(path):
    event = envelope.from_structured(path.read_bytes())
    if event.type == publication.RELEASED:
        read = publication.decode(path.read_bytes())
    elif event.type == content_status.STATUS_CHANGED:
        read = content_status.decode(path.read_bytes()).status
    else:
        read = events.read(event, DEFAULT)
    given = {name for name, value in event.data.items() if value is not None}
    assert given <= read.model_dump(exclude_none=True).keys()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_body_fits_the_published_schemas(path):
    event = json.loads(path.read_text())
    assert accepts(SCHEMAS[f"{event['type']}.event.json"], event)
    assert accepts(SCHEMAS[f"{event['type']}.json"], event["data"])


@pytest.mark.parametrize("event_type", TYPES)
def test_every_type_has_a_golden_body(event_type):
    assert any(path.name.startswith(f"{event_type}-") for path in GOLDEN)


# --- schema and model agree


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_sample_fits_its_schema_and_not_without_its_required_fields(kind):
    event = sample(kind)
    schema = SCHEMAS[f"{event['type']}.event.json"]
    assert accepts(schema, event)
    for required in SCHEMAS[f"{event['type']}.json"]["required"]:
        data = {name: value for name, value in event["data"].items() if name != required}
        assert not accepts(schema, event | {"data": data})


def test_the_event_schema_takes_extensions_and_refuses_a_wrong_attribute():
    schema = SCHEMAS[f"{events.SUBMITTED}.event.json"]
    assert accepts(schema, sample() | {"traceparent": "00-1", "sequence": 1})
    wrong = {"specversion": "0.3", "id": "", "Upper": "x", "data_base64": "x", "half": 1.5}
    for name, value in (wrong | {"data": []}).items():
        assert not accepts(schema, sample() | {name: value}), name


def test_the_case_schema_knows_what_each_status_requires():
    schema = SCHEMAS[f"{events.CASE_UPDATED}.json"]
    data = sample("updated")["data"]
    assert accepts(schema, data | {"status": 7})
    assert not accepts(schema, data | {"status": 5})
    papers = {"documents": ["Đơn"], "documents_due_at": data["due_at"]}
    assert accepts(schema, data | papers | {"status": 5})
