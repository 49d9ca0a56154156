"""The wheel `loa-client` in an empty environment, beside a project that has rooms of our names."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from contracts import subjects
from tests.support import requirements
from tests.support.gateway_client import UNIT, sample_event

pytestmark = pytest.mark.timeout(400)
ROOT = Path(__file__).parents[3]
ROOMS = ("channels", "consumers")
NOT_FOR_CLIENTS = ("gateway", "registry", "acceptance", "server", "nats_child")
PUBLISH = """
import asyncio, json, sys
import channels, consumers
from pathlib import Path
from producers.publisher import Publisher

async def main(url, unit):
    async with Publisher(url, unit, Path("spool")) as publisher:
        accepted = await publisher.publish(json.load(sys.stdin))
    print(accepted.event_id, channels.OWNER, consumers.OWNER)

asyncio.run(main(*sys.argv[1:]))
"""
OWN_TESTS = """
import pytest
from channels import OWNER
from contracts.testing import ContractBroken, check_event, sample

@pytest.mark.parametrize("kind", ["submitted", "corrected", "withdrawn"])
def test_what_we_export_is_an_event(kind, loa_check_event):
    assert loa_check_event(sample(kind)).content_id

def test_what_is_wrong_is_named():
    with pytest.raises(ContractBroken, match="data.title: "):
        check_event(sample(title=""))

def test_our_own_rooms_are_ours():
    assert OWNER == "the project"
"""


def run(*args, cwd, stdin=""):
    around = os.environ.items()
    env = {name: value for name, value in around if not name.startswith(("PYTHON", "LOA_"))}
    return subprocess.run(
        list(map(str, args)), cwd=cwd, env=env, input=stdin,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    built = run(sys.executable, *build, cwd=ROOT / "producers")
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("loa_client-*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("environment")
    made = run(sys.executable, "-m", "venv", folder, cwd=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "bin" / "python"
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", f"{wheel}[testing]")
    installed = run(python, *pip, cwd=folder)
    why = f"the wheel's dependencies can't be installed: {installed.stderr[-500:]}"
    requirements.met(not installed.returncode, why)
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Another system, which has packages `channels` and `consumers` of its own."""
    folder = tmp_path_factory.mktemp("project")
    for room in ROOMS:
        (folder / room).mkdir()
        (folder / room / "__init__.py").write_text('OWNER = "the project"\n')
    (folder / "test_events.py").write_text(OWN_TESTS)
    return folder


def test_the_wheel_holds_the_contracts_and_the_client_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    rooms = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert rooms == {"contracts", "producers"}
    shipped = {name.removesuffix(".py") for name in names if name.startswith("producers/")}
    assert not [name for name in NOT_FOR_CLIENTS if f"producers/{name}" in shipped]
    assert not [name for name in names if "/gateway/" in name or "__pycache__" in name]
    for folder in ("contracts", "producers/bus"):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        ours = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
        assert ours <= set(names)


def test_everything_in_the_wheel_imports_without_the_platform(python, wheel, project):
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in zipfile.ZipFile(wheel).namelist()
        if name.endswith(".py")
    ]
    script = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    imported = run(python, "-W", "error", "-c", script, *modules, cwd=project)
    assert imported.returncode == 0, imported.stderr
    for name in ("fastapi", "faststream", "aiohttp"):
        assert run(python, "-c", f"import {name}", cwd=project).returncode == 1


async def test_a_project_with_rooms_of_its_own_publishes(python, project, bus, nats_server):
    event = json.dumps(sample_event())
    told = run(python, "-c", PUBLISH, nats_server.url, UNIT, cwd=project, stdin=event)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split("\n")[-2].endswith("the project the project")
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"
    assert json.loads(message.data)["data"] == sample_event()["data"]


async def test_the_command_of_the_wheel_publishes(python, project, bus, nats_server):
    (project / ".event.json").write_text(json.dumps(sample_event()))
    loa = python.parent / "loa"
    assert run(loa, "validate", ".event.json", cwd=project).returncode == 0
    told = run("env", f"LOA_NATS_URL={nats_server.url}", loa, "publish", ".event.json", cwd=project)
    assert told.returncode == 0, told.stderr
    assert len([one async for one in bus.scan(subjects.CONTENT.name)]) == 1


def test_the_contract_tests_of_the_project_run_with_the_wheel_alone(python, project):
    ran = run(python, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout
