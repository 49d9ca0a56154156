"""The committed parts of the TypeScript client follow from the contracts."""

import json

import pytest

from clients.typescript import generate
from contracts.schemas.schema_history import text_digest
from tests.support.typescript_client import SOURCE


@pytest.mark.parametrize("name", generate.build_files())
def test_a_generated_file_is_what_the_contracts_give(name):
    written = (generate.GENERATED / name).read_text("utf-8")
    assert written == generate.build_files()[name], "python -m clients.typescript.generate"


def test_no_other_file_is_among_them():
    assert {path.name for path in generate.GENERATED.iterdir()} == generate.build_files().keys()


def test_the_locked_packages_have_hashes_and_name_no_registry():
    locked = json.loads((SOURCE / "package-lock.json").read_text("utf-8"))["packages"]
    packages = {name: one for name, one in locked.items() if name}
    assert packages and all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one for one in packages.values())


FROZEN = ("618d0071",)
"""The digests of the frozen surfaces, in their order."""


def test_a_frozen_surface_is_never_changed_nor_deleted():
    frozen = [f"{number}-{digest}.d.ts" for number, digest in enumerate(FROZEN, 1)]
    texts = {path.name: path.read_text("utf-8") for path in (SOURCE / "api").iterdir()}
    assert texts.keys() == {*frozen}, "add the digest of a new one"
    assert tuple(text_digest(texts[name]) for name in frozen) == FROZEN
