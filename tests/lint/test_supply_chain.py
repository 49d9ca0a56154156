"""Parts of Loa: licences that are allowed, and a bill of materials that names all of them."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import licences, sbom
from deploy.lock import read_lock
from tests.lint.sources import ROOT

LOCKED = read_lock(ROOT / "requirements.lock")
TESTED = read_lock(ROOT / "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_locked_package_has_a_licence_that_is_allowed():
    found = {
        package.name: licences.licence_of(package.name)
        for package in (*LOCKED, *TESTED)
        if licences.is_wanted_here(package)
    }
    others = {name: one or "unknown" for name, one in found.items() if not licences.is_allowed(one)}
    assert not others, f"deploy/licences.toml does not allow: {others}"
    assert len(found) > 60


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("AGPL-3.0-or-later", False),
        ("LicenseRef-Proprietary", False),
        ("(MIT OR Apache-2.0) AND GPL-2.0-only", False),
        ("", False),
    ],
)
def test_only_what_is_listed_is_allowed(expression, allowed):
    assert licences.is_allowed(expression) is allowed


def test_each_allowed_licence_has_a_reason_and_each_stated_one_is_needed():
    assert all(licences.ALLOWED.values())
    names = {package.name for package in (*LOCKED, *TESTED)}
    assert licences.STATED.keys() <= names
    assert all(
        one["licence"] in licences.ALLOWED and one["read"] for one in licences.STATED.values()
    )


def test_the_bill_of_materials_lists_every_pin_with_its_hashes():
    bill = sbom.build_sbom(LOCKED, PROJECT)
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    assert listed == {(package.name, package.version) for package in LOCKED}
    hashes = [one["externalReferences"][0]["hashes"] for one in bill["components"]]
    text = (ROOT / "requirements.lock").read_text()
    assert sum(map(len, hashes)) == text.count("--hash=sha256:") > len(LOCKED)
    refs = {one["bom-ref"] for one in bill["components"]} | {"loa@" + PROJECT["version"]}
    assert len(refs) == len(LOCKED) + 1
    assert {one["ref"] for one in bill["dependencies"]} == refs
    assert {ref for one in bill["dependencies"] for ref in one["dependsOn"]} < refs


def test_the_bill_of_materials_says_who_needs_whom():
    bill = sbom.build_sbom(LOCKED, PROJECT)
    needs = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    purls = {package.name: package.purl for package in LOCKED}
    own = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    assert {purls[name] for name in own} <= needs["loa@" + PROJECT["version"]]
    for name in ("fastapi", "aiohttp", "pydantic"):
        wanted = [Requirement(one) for one in requires(name) if "extra" not in one]
        here = {
            canonicalize_name(one.name) for one in wanted if not one.marker or one.marker.evaluate()
        }
        assert {purls[one] for one in here} <= needs[purls[name]], name


def test_the_bill_of_materials_lists_the_scripts_of_others():
    scripts = sbom.vendored_scripts()
    bill = sbom.build_sbom(LOCKED, PROJECT, scripts)
    assert {("prosemirror-view", "1.44.0"), ("htmx.org", "4.0.1")} < {
        (one["name"], one["version"]) for one in bill["components"]
    }
    assert {one.licence for one in scripts} <= licences.ALLOWED.keys()
    assert {one.purl for one in scripts} < {one["ref"] for one in bill["dependencies"]}


def test_the_bill_of_materials_lists_what_the_client_in_typescript_brings():
    packages = sbom.client_packages()
    bill = sbom.build_sbom(LOCKED, PROJECT, packages)
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    [client] = [ref for ref in needs if ref.startswith("pkg:npm/%40loa/client@")]
    [transport] = needs[client]
    assert transport.startswith("pkg:npm/%40nats-io/transport-node@") and needs[transport]
    assert {one.licence for one in packages} <= licences.ALLOWED.keys()
    assert [one.name for one in packages if len(one.hashes) != 1] == ["@loa/client"]
    assert all(len(digest) == 128 for one in packages for digest in one.hashes)


def test_the_same_lock_gives_the_same_bytes_and_another_one_another_number(tmp_path):
    target = tmp_path / "new" / "loa.cdx.json"
    command = [sys.executable, "-m", "deploy.sbom", target]
    subprocess.run(command, cwd=ROOT, check=True)
    first = target.read_bytes()
    subprocess.run(command, cwd=ROOT, check=True)
    assert target.read_bytes() == first
    bill = json.loads(first)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    other = sbom.build_sbom([replace(LOCKED[0], version="0"), *LOCKED[1:]], PROJECT)
    assert other["serialNumber"] != bill["serialNumber"]
