"""The client's wheel has what its modules need, and nothing else, all under one name."""

import ast
import re

import pytest

from clients.python import build_hook
from tests.lint import client_files
from tests.lint.sources import SOURCES

MODULES = build_hook.modules_of(build_hook.listed())


def test_the_wheel_has_what_its_modules_import_and_read_and_nothing_else():
    generated = "python -m tests.lint.client_files"
    assert build_hook.listed() == client_files.needed(), f"out of date: {generated}"


def test_no_two_files_of_the_wheel_have_one_name():
    files = build_hook.listed()
    names = {build_hook.name_in_wheel(file) for file in files}
    assert len(names) == len(files)
    assert {name.partition("/")[0] for name in names} == {"loa_client"}


def test_nothing_of_the_wheel_imports_a_package_of_loa_itself():
    roots = {name.partition(".")[0] for name in (*MODULES, "channels", "consumers", "design")}
    for file in build_hook.listed():
        if file.endswith(".py"):
            tree = ast.parse(build_hook.rename(SOURCES[file], MODULES))
            found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            names = {node.module or "" for node in found}
            assert not {name.partition(".")[0] for name in names} & roots, file


def test_the_modules_of_the_wheel_log_by_its_own_logger_alone():
    files = {file for file in build_hook.listed() if file.endswith(".py")}
    modules = {file: build_hook.shipped(SOURCES[file], MODULES) for file in files}
    names = {file: {getattr(node, "id", "") for node in ast.walk(ast.parse(text))}
             for file, text in modules.items()}  # fmt: skip
    configures = {"producers/cli.py", "clients/python/loa_client/logger.py"}
    assert {file for file in files if "structlog" in names[file]} == configures
    assert {file for file in files if "log = get_logger()\n" in modules[file]} == {
        file for file in files if re.search(r"^log = ", SOURCES[file], re.M)
    }


@pytest.mark.parametrize(
    ("written", "shipped"),
    [
        ("from contracts import keys", "from loa_client import keys"),
        ("if x:\n    from producers.bus import Bus", "if x:\n    from loa_client.bus import Bus"),
        ('PLUGIN = "contracts.keys.digest"', 'PLUGIN = "loa_client.keys.digest"'),
        ('"""Use `contracts.keys`, Đúng."""\nfrom contracts import (  # x\n    keys,\n)',
         '"""Use `loa_client.keys`, Đúng."""\nfrom loa_client import (  # x\n    keys,\n)'),
        ('f"{{x}} contracts.keys{y}{{ contracts.keys"',
         'f"{{x}} loa_client.keys{y}{{ loa_client.keys"'),
        ('SUBJECT = "contracts.signed"', 'SUBJECT = "contracts.signed"'),
        ("my.contracts.keys(contracts=producers)", "my.contracts.keys(contracts=producers)"),
        ("from .contracts import keys", "from .contracts import keys"),
    ],
)  # fmt: skip
def test_imports_and_names_of_modules_are_renamed_and_nothing_else(written, shipped):
    modules = frozenset({"contracts", "contracts.keys", "producers", "producers.bus"})
    assert build_hook.rename(written, modules) == shipped


@pytest.mark.parametrize(
    "written",
    [
        "import contracts.keys",
        "import contracts",
        "x = 1; from contracts import keys",
        'NAME = "contracts." "keys"',
    ],
)
def test_an_import_that_cannot_be_renamed_stops_the_build(written):
    modules = frozenset({"contracts", "contracts.keys"})
    with pytest.raises(ValueError, match="can't rename contracts"):
        build_hook.rename(written, modules)
