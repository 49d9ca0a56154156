"""Files of other projects are those of their packages, but for lines of import."""

import re

import pytest

from tests.lint.sources import ROOT
from tests.lint.vendored import FOLDER, beside, digest, entries, original

FORBIDDEN = re.compile(r"""hx-on|hx-\w+=['"](?:js|javascript):|hx-trigger=['"][^'"]*\[""")
LICENCES = {"MIT": "Permission is hereby granted", "0BSD": "Zero-Clause BSD"}
"""Licences that fit Apache-2.0, by words of their texts."""

IMPORT = re.compile(r"""^(?:import|export) .* from ['"]([^'"]+)['"]""", re.MULTILINE)


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["name"])
def test_a_file_is_that_of_its_package(entry):
    text = (FOLDER / entry["name"]).read_text("utf-8")
    assert digest(text) == entry["sha256"]
    assert digest(original(text)) == entry["original_sha256"]
    assert beside(original(text)) == text


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["name"])
def test_its_licence_lies_beside_it(entry):
    text = (FOLDER / f"{entry['package']}.LICENSE").read_text("utf-8")
    assert LICENCES[entry["licence"]] in text


def test_the_manifest_names_every_file_and_package():
    listed = {entry["name"] for entry in entries()}
    licences = {f"{entry['package']}.LICENSE" for entry in entries()}
    assert {one.name for one in FOLDER.iterdir()} == listed | licences | {"MANIFEST.toml"}


def test_every_import_is_of_a_file_beside():
    """A browser finds no package by a bare name, and asks no other host."""
    for entry in entries():
        text = (FOLDER / entry["name"]).read_text("utf-8")
        imported = IMPORT.findall(text)
        assert {one for one in imported if not (FOLDER / one).is_file()} == set(), entry["name"]


def test_no_page_uses_what_the_policy_forbids_to_htmx():
    """`hx-on`, `js:` values and filters of triggers need `eval`, and would do nothing."""
    pages = (ROOT / "producers/desk/templates").rglob("*.html")
    assert [one.name for one in pages if FORBIDDEN.search(one.read_text("utf-8"))] == []
