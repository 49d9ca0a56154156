"""A real clamd, with one signature of the test's own: EICAR's file is refused, others are kept."""

import binascii
import getpass
import socket
import subprocess
from pathlib import Path

import pytest

from consumers.uploads.clamd import Clamd
from tests.support import requirements
from tests.support import uploaded_files as files
from tests.support.desk_app import DeskApp
from tests.support.desk_uploads import JSON, OFFICER, send
from tests.support.loa_process import wait_until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CONF = """\
DatabaseDirectory {folder}/signatures
LocalSocket {folder}/clamd.sock
LogFile {folder}/clamd.log
TemporaryDirectory {folder}
Foreground yes
User {user}
StreamMaxLength 1M
"""


@pytest.fixture(scope="module")
def clamd(tmp_path_factory):
    requirements.clamd()
    folder = tmp_path_factory.mktemp("clamd")
    (folder / "signatures").mkdir()
    signature = f"Test.Eicar:0:*:{binascii.hexlify(EICAR).decode()}\n"
    (folder / "signatures" / "own.ndb").write_text(signature)
    (folder / "clamd.conf").write_text(CONF.format(folder=folder, user=getpass.getuser()))
    process = subprocess.Popen(
        [requirements.CLAMD, f"--config-file={folder / 'clamd.conf'}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: listens(folder / "clamd.sock"), "clamd", 110)
        yield f"unix:{folder / 'clamd.sock'}"
    finally:
        process.terminate()
        process.wait()


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(path)) == 0


async def test_eicars_file_is_refused_by_name_and_others_are_kept(bus, clock, clamd):
    desk = DeskApp(bus, clock, scanner=Clamd(clamd))
    infected = files.office(parts={"word/media/a.txt": EICAR})
    async with desk.signed_in("an", OFFICER) as browser:
        kept = await send(browser, files.office(), headers=JSON)
        assert kept.status_code == 201, kept.text
        refused = await send(browser, EICAR, headers=JSON)
        assert refused.status_code == 422 and "Test.Eicar" in refused.text
        inside = await send(browser, infected, headers=JSON)
        assert inside.status_code == 422 and "Test.Eicar" in inside.text
        large = await send(browser, files.pdf() + bytes(2 << 20), headers=JSON)
        assert large.status_code == 503, "a file that clamd does not read whole is not kept"
