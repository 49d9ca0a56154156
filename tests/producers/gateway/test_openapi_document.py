"""Document of the gateway: whole, true, and without need of anything from elsewhere."""

import html
import json
import re
from functools import reduce
from html.parser import HTMLParser
from operator import getitem
from pathlib import Path

import jsonschema_rs
import pytest

from contracts import events
from design.settings import SiteIdentity
from producers.gateway import openapi_document
from producers.gateway.docs_page import DocsPage
from tests.support.gateway_client import BATCH, DOCUMENT, STRUCTURED, sample_event


@pytest.fixture
async def page(client):
    return await client.client.get("/docs")


class TagCollector(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def references(part):
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def validator(document, media):
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"][media]
    return jsonschema_rs.validator_for(body["schema"] | {"components": document["components"]})


async def test_every_reference_leads_somewhere(client):
    found = set(references(DOCUMENT))
    assert len(found) > 10
    for reference in found:
        reduce(getitem, reference.removeprefix("#/").split("/"), DOCUMENT)


async def test_the_document_is_openapi_and_knows_every_answer_the_design_names(client):
    assert DOCUMENT["openapi"].startswith("3.1")
    posted = DOCUMENT["paths"]["/v1/events"]["post"]["responses"]
    assert {"202", "401", "403", "409", "413", "415", "422", "429", "503"} <= set(posted)
    asked = DOCUMENT["paths"]["/v1/events/{event_id}"]["get"]["responses"]
    assert {"200", "401", "404"} <= set(asked)
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


@pytest.mark.parametrize("kind", ["submitted", "corrected", "withdrawn", "updated"])
async def test_the_described_bodies_are_those_that_are_accepted(client, kind):
    event = sample_event(kind)
    validator(DOCUMENT, STRUCTURED).validate(event)
    validator(DOCUMENT, BATCH).validate([event])
    validator(DOCUMENT, "application/json").validate(event["data"])
    assert (await client.post(event)).status_code == 202


@pytest.mark.parametrize(
    "broken",
    [
        sample_event(title=""),
        sample_event(revision="1"),
        sample_event(tittle="x"),
        sample_event() | {"specversion": "1"},
        sample_event("updated", contact={"email": "nguoi-nop@example.com"}),
    ],
)
async def test_a_body_outside_the_description_is_refused(client, broken):
    assert not validator(DOCUMENT, STRUCTURED).is_valid(broken)
    assert (await client.post(broken)).status_code == 422


async def test_the_example_of_the_page_is_accepted_as_it_stands(client, page):
    shown = re.search(r'<pre class="event"><code>(.*?)</code>', html.unescape(page.text), re.DOTALL)
    key = await client.registry.add("van-phong-bo", release="automatic")
    assert (await client.post(shown[1].encode(), key=key)).status_code == 202


async def test_the_page_loads_only_its_own_files_and_its_policy_allows_nothing_else(client, page):
    tags = TagCollector(page.text).found
    assert not {"script", "iframe", "form", "object", "style"} & {tag for tag, _ in tags}
    links = {attrs["href"] for tag, attrs in tags if tag == "a"}
    assert all(href.startswith(("#", "openapi.json", "docs")) for href in links)
    assert not any(name.startswith("on") or name == "style" for _, attrs in tags for name in attrs)
    files = [attrs.get("href") or attrs.get("src") for tag, attrs in tags if tag in ("link", "img")]
    assert len(files) == 3
    for file in files:
        answer = await client.get(f"/{file}")
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; ")


async def test_the_page_shows_every_route_answer_and_type(client, page):
    tags = TagCollector(page.text).found
    identifiers = {attrs.get("id") for _, attrs in tags}
    assert set(DOCUMENT["components"]["schemas"]) <= identifiers
    links = {attrs["href"] for tag, attrs in tags if tag == "a"}
    assert {href[1:] for href in links if href.startswith("#")} <= identifiers
    for path in DOCUMENT["paths"]:
        assert f"<code>{path}</code>" in page.text
    for text in ("Không đọc được yêu cầu", "Retry-After", "curl", "bắt buộc", '<html lang="vi">'):
        assert text in page.text
    opened = [tag for tag, _ in tags if tag not in {"meta", "br", "link", "input", "img"}]
    assert sorted(opened) == sorted(re.findall(r"</([a-z0-9]+)>", page.text)), "well formed"


def test_text_from_a_schema_can_not_break_the_page():
    document = {
        "openapi": "3.1.0",
        "info": {"description": "<script>alert(1)</script>"},
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {"key": {"description": ""}}},
    }
    assert "<script" not in DocsPage(document, SiteIdentity()).html


def test_components_of_one_name_are_one_definition():
    found = {}
    for event_type in sorted(events.HTTP_TYPES):
        for suffix in ("", ".event"):
            schema = openapi_document._load_schema(event_type + suffix)
            for name, definition in schema.get("$defs", {}).items():
                assert found.setdefault(name, definition) == definition


def test_an_event_has_the_data_that_its_own_schema_says():
    for event_type in sorted(events.HTTP_TYPES):
        data = openapi_document._load_schema(event_type)
        whole = openapi_document._load_schema(f"{event_type}.event")["properties"]["data"]
        assert whole == {key: data[key] for key in data if key not in ("$schema", "$id", "$defs")}


async def test_every_field_is_described_in_both_languages(client):
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            texts = described.get("description"), described.get("x-description-vi")
            assert all(texts), f"{name}.{field}"


async def test_every_vietnamese_description_is_of_a_field(client):
    components = DOCUMENT["components"]["schemas"]
    known = {field for schema in components.values() for field in schema.get("properties", {})}
    for name, text in openapi_document._FIELDS_VI.items():
        if isinstance(text, dict):
            assert set(text) <= set(components[name]["properties"]), name
        else:
            assert name in known


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("loa.moha.example:8443", "http://loa.moha.example:8443"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("x'$(id)", "http://127.0.0.1:8080"),
        ("<b>", "http://127.0.0.1:8080"),
    ],
)
async def test_the_page_names_the_address_at_which_it_was_asked_for(client, host, shown):
    page = await client.client.get("/docs", headers={"Host": host})
    assert f"export LOA_URL={shown}\n" in page.text


async def test_the_page_says_who_is_told_of_a_correction(client, page):
    assert "all others who follow the item get it as news" in page.text
    assert "exactly those who got the old one" not in json.dumps(DOCUMENT)


def test_the_document_is_valid_by_the_official_schema_of_openapi_3_1():
    schema = json.loads(Path(__file__).with_name("openapi-3.1.schema.json").read_text("utf-8"))
    official = jsonschema_rs.Draft202012Validator(schema)
    assert [str(error) for error in official.iter_errors(DOCUMENT)] == []
    [path, *_] = DOCUMENT["paths"]
    assert not official.is_valid(DOCUMENT | {"paths": {path.lstrip("/"): {}}})
    assert not official.is_valid(DOCUMENT | {"paths": {path: {"post": {"responses": {"2": {}}}}}})
    assert not official.is_valid({key: part for key, part in DOCUMENT.items() if key != "info"})


def test_every_schema_in_the_document_is_a_schema_of_its_dialect():
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(
            schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        )
