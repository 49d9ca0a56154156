"""A backup that names files outside its folder is refused, however they are spelled."""

import hashlib
import json
import shutil
from itertools import product
from pathlib import Path

import pytest

from consumers.operations import backup
from consumers.operations.backup import BackupFolder
from contracts.errors import Invalid

GOLDEN = Path(__file__).parents[2] / "golden" / "backup-0.1.0"
UPWARDS = (
    *("..", "../..", "../../..", "x/..", "x/../..", "./..", ".//..", "..//", "../.", "x/./../.."),
    *("%2e%2e", "..%2f", "..\\", "..\x00", "\u2025", "\uff0e\uff0e", "..;", "....", "~", "$HOME"),
)
TARGETS = (
    *("secret", "./secret", "other/../secret", "secret/", "secret\x00", "secret/.", "SECRET"),
    "sec\u200bret",
)
PLACES = ("file", "changes")


@pytest.fixture
def folder(tmp_path):
    """A backup in a folder, three levels below a file of the very size and digest it names."""
    place = tmp_path / "a" / "b" / "backup"
    place.parent.mkdir(parents=True)
    shutil.copytree(GOLDEN, place)
    for level in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        (level / "secret").write_bytes(b"secret")
    return place


def hostile_names(folder: Path) -> list[str]:
    made = [f"{up}/{target}" for up, target in product(UPWARDS, TARGETS)]
    absolute = [f"{folder.parent}/secret", "/etc/passwd", "//etc/passwd", "file:///etc/passwd"]
    return [*made, *absolute, "", ".", "..", "/", "\x00", "secret"]


def is_refused(folder: Path, name: str, place: str) -> bool:
    """Write *name* into the manifest, with the size and digest of what it would lead to."""
    facts = json.loads((GOLDEN / "manifest.json").read_bytes())
    file = {"size": 6, "sha256": hashlib.sha256(b"secret").hexdigest(), "file": name}
    stream = facts["streams"][0]
    facts["streams"][0] = stream | (file if place == "file" else {"changes": file})
    (folder / "manifest.json").write_text(json.dumps(facts))
    try:
        backup.open_backup(BackupFolder(folder, b"", accepts_plain=True))
    except Invalid:
        return True
    return False


def test_no_name_leads_out_of_the_folder(folder):
    names = hostile_names(folder)
    tries = [*product(names, PLACES)]
    found = [one for one in tries if not is_refused(folder, *one)]
    assert len(tries) >= 300, len(tries)
    assert not found, f"{len(tries)} names, {len(found)} hits: {found[:5]}"
