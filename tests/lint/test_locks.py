"""The locks pin every package by hash, name no place to get it from, and hold what is declared."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

LOCKS = {
    name: (ROOT / name).read_text()
    for name in (
        *("requirements.lock", "requirements-tracing.lock"),
        *("requirements-dev.lock", "bench/requirements.lock"),
    )
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: str) -> dict[str, str]:
    """Each requirement line with its marker, and the text (hashes, comments) up to the next one."""
    parts = re.split(r"^(?=\S)", lock.replace("\\\n", "\n"), flags=re.M)
    entries = [part.partition("\n") for part in parts if part and not part.startswith("#")]
    return {head.strip(): tail for head, _, tail in entries}


def packages(lock: str) -> dict[str, set[str]]:
    """The pins of a lock by canonical package name."""
    pins: dict[str, set[str]] = defaultdict(set)
    for pin in pinned(LOCKS[lock]):
        pins[canonicalize_name(Requirement(pin).name)].add(pin)
    return pins


def declared(path: Path) -> dict[str, str]:
    """The requirements of a .in file by canonical name, without the files that it includes."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return by_name(line for line in lines if line and not line.startswith("-r "))


def by_name(requirements) -> dict[str, str]:
    return {
        canonicalize_name(wanted.name): f"{sorted(wanted.extras)}{wanted.specifier};{wanted.marker}"
        for wanted in map(Requirement, requirements)
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_to_one_version_by_hash(name):
    entries = pinned(LOCKS[name])
    assert entries
    for requirement, rest in entries.items():
        assert re.fullmatch(r"==[^,*]+", str(Requirement(requirement).specifier)), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address_host_or_path(name):
    for line in LOCKS[name].splitlines():
        assert "://" not in line and "--index" not in line and "--find-links" not in line, line
        assert not re.search(r"(^|\s)(/|~/|[A-Za-z]:\\|-e\b|file:)", line), line
        assert "@" not in line, line


def test_the_locks_agree_on_every_version_they_share():
    shared: dict[str, set[str]] = {}
    for name, pins in (item for lock in LOCKS for item in packages(lock).items()):
        assert shared.setdefault(name, pins) == pins


def test_what_runs_in_production_is_a_part_of_what_is_tested():
    kinds = ("", "-tracing", "-dev")
    production, extra, tested = (pinned(LOCKS[f"requirements{kind}.lock"]) for kind in kinds)
    assert production.keys() < extra.keys() < tested.keys()


def test_requirements_and_pyproject_name_the_same_packages():
    wanted = by_name(PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"])
    assert declared(ROOT / "requirements.in") == wanted
    extra = by_name(PROJECT["project"]["optional-dependencies"]["tracing"])
    assert declared(ROOT / "requirements-tracing.in") == extra


def test_packages_whose_inner_parts_we_use_are_pinned_to_one_version():
    """No public API bounds a request's head, or says which option a usage error is about.

    After an upgrade: tests/consumers/app/test_protocol*.py, tests/producers/test_usage_errors.py.
    """
    wanted = declared(ROOT / "requirements.in")
    assert all(re.match(r"\[\]==[^,*]+;", wanted[name]) for name in ("typer", "uvicorn"))


@pytest.mark.parametrize(
    ("source", "lock"),
    [
        ("requirements.in", "requirements.lock"),
        ("requirements-tracing.in", "requirements-tracing.lock"),
        ("requirements-dev.in", "requirements-dev.lock"),
        ("bench/requirements.in", "bench/requirements.lock"),
    ],
)
def test_everything_declared_is_locked(source, lock):
    assert declared(ROOT / source).keys() <= packages(lock).keys()


def test_the_client_asks_for_nothing_that_the_platform_does_not_lock():
    client = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())["project"]
    extras = [one for group in client.get("optional-dependencies", {}).values() for one in group]
    wanted = by_name(client["dependencies"] + extras)
    assert wanted.keys() <= packages("requirements-dev.lock").keys()
