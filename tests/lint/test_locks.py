"""The locks pin every package by hash, name no place to get it from, and hold what is declared."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    name: (ROOT / name).read_text()
    for name in ("requirements.lock", "requirements-dev.lock", "bench/requirements.lock")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(lock: str) -> dict[str, str]:
    """Each requirement line with its marker, and the text (hashes, comments) up to the next one."""
    parts = re.split(r"^(?=\S)", lock.replace("\\\n", "\n"), flags=re.M)
    entries = [part.partition("\n") for part in parts if part and not part.startswith("#")]
    return {head.strip(): tail for head, _, tail in entries}


def declared(path: Path) -> dict[str, str]:
    """The requirements of a .in file by canonical name, without the files that it includes."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return by_name(line for line in lines if line and not line.startswith("-r "))


def by_name(requirements) -> dict[str, str]:
    parsed = (Requirement(text) for text in requirements)
    return {
        canonicalize_name(one.name): f"{sorted(one.extras)}{one.specifier};{one.marker}"
        for one in parsed
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
    versions: dict[str, set[str]] = {}
    entries = [set(pinned(lock)) for lock in LOCKS.values()]
    for requirement in set().union(*entries):
        versions.setdefault(canonicalize_name(Requirement(requirement).name), set())
    for name in versions:
        pins = [
            {e for e in lock if canonicalize_name(Requirement(e).name) == name} for lock in entries
        ]
        present = [pin for pin in pins if pin]
        assert all(pin == present[0] for pin in present), present


def test_what_runs_in_production_is_a_part_of_what_is_tested():
    assert set(pinned(LOCKS["requirements.lock"])) <= set(pinned(LOCKS["requirements-dev.lock"]))


def test_requirements_and_pyproject_name_the_same_packages():
    wanted = by_name(PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"])
    assert declared(ROOT / "requirements.in") == wanted


def test_packages_whose_inner_parts_we_use_are_pinned_to_one_version():
    """No public API bounds a request's head, or says which option a usage error is about.

    After an upgrade: tests/consumers/app/test_protocol*.py and tests/producers/test_usage.py.
    """
    wanted = declared(ROOT / "requirements.in")
    assert all(re.match(r"\[\]==[^,*]+;", wanted[name]) for name in ("typer", "uvicorn"))


@pytest.mark.parametrize(
    ("source", "lock"),
    [
        ("requirements.in", "requirements.lock"),
        ("requirements-dev.in", "requirements-dev.lock"),
        ("bench/requirements.in", "bench/requirements.lock"),
    ],
)
def test_everything_declared_is_locked(source, lock):
    locked = {canonicalize_name(Requirement(entry).name) for entry in pinned(LOCKS[lock])}
    assert set(declared(ROOT / source)) <= locked


def test_the_client_asks_for_nothing_that_the_platform_does_not_lock():
    client = tomllib.loads((ROOT / "producers" / "pyproject.toml").read_text())["project"]
    extras = [one for group in client.get("optional-dependencies", {}).values() for one in group]
    locked = {
        canonicalize_name(Requirement(e).name) for e in pinned(LOCKS["requirements-dev.lock"])
    }
    assert set(by_name(client["dependencies"] + extras)) <= locked
