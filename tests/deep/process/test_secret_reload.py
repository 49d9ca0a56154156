"""SIGHUP without a terminal: secret files are read again while everything goes on."""

import hashlib
import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from channels.zalo.webhook import endpoint
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until
from tests.support.relays_file import write_relays

APP_ID, VARIABLE = "1234567890", "LOA_ZALO_OA_SECRET_FILE"


def heed_hangups() -> None:
    """Also in a run of the tests that itself ignores them."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class DetachedLoa(LoaProcess):
    """`loa up` without a controlling terminal, as a service manager or a container starts it."""

    def start(self):
        with (self.folder / "loa.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "up", "--port", "0"],
                start_new_session=True, preexec_fn=heed_hangups, env=self.environ, cwd=self.folder,
                stdout=log, stderr=log,
            )  # fmt: skip
        return wait_until(self.ready, "ready.json")

    def reload(self) -> dict:
        """Send SIGHUP; what the log then says of the secrets."""
        before = len(self.logged("secrets_reloaded"))
        self.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: self.logged("secrets_reloaded")[before:], "the reload")[0]

    def takes_event_of(self, secret: str) -> bool:
        """Whether the webhook takes an event that is signed with *secret*."""
        sender = {"sender": {"id": "1"}, "recipient": {"id": "2"}, "app_id": APP_ID}
        event = sender | {"event_name": "follow", "timestamp": "1764000000000", "oa_id": "2"}
        body = json.dumps(event | {"follower": {"id": "1"}}, separators=(",", ":")).encode()
        signed = APP_ID.encode() + body + b"1764000000000" + secret.encode()
        mac = f"mac={hashlib.sha256(signed).hexdigest()}"
        headers = {"X-ZEvent-Signature": mac, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.ready().url}{endpoint.PATH}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            assert error.code == 403
            return False


def test_sighup_reloads_secrets_and_stops_nothing(tmp_path):
    secret = tmp_path / "oa-secret"
    secret.write_text("cũ")
    away = dict.fromkeys(("ZALO_OPENAPI_URL", "ZALO_BUSINESS_URL", "ZALO_OAUTH_URL"))
    away = dict.fromkeys(away, "http://127.0.0.1:9")
    zalo = {"ZALO_APP_ID": APP_ID, "ZALO_APP_SECRET": "s", "ZALO_OA_SECRET_FILE": secret}
    with DetachedLoa(tmp_path, CANARY_EVERY_S=0, **zalo, **away) as loa:
        loa.add_unit()
        assert loa.takes_event_of("cũ") and not loa.takes_event_of("mới")
        secret.write_text("mới")
        loa.publish("tin", "portal")
        assert loa.reload()["changed"] == [VARIABLE]
        assert loa.takes_event_of("mới") and not loa.takes_event_of("cũ")
        assert loa.reload()["changed"] == []
        for lose in (lambda: secret.write_text(""), secret.unlink):
            lose()
            said = loa.reload()
            assert (said["changed"], said["kept"]) == ([], [VARIABLE])
            assert loa.takes_event_of("mới"), "the one before stays in use"
        assert {one["variable"] for one in loa.logged("secret_unusable")} == {VARIABLE}
        wait_until(lambda: loa.page_status("/tin/tin/") == 200, "the item")
        assert not any(word in loa.log() for word in ("cũ", "mới"))
        assert loa.stop() == 0


def test_sighup_reads_the_relays_file_again_and_a_wrong_one_changes_nothing(tmp_path):
    """The mail of one item goes to the relay that is no standby, and that changes."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    with RelayProcess(folders[0]) as a, RelayProcess(folders[1]) as b:

        def write(weight_of_a: int) -> Path:
            entries = {"a": (a, weight_of_a), "b": (b, 1 - weight_of_a)}
            relays = {n: {"port": one.port, "weight": w} for n, (one, w) in entries.items()}
            return write_relays(tmp_path, **relays)

        settings = {"EMAIL_RELAYS_FILE": write(1), "EMAIL_FROM": "thong-bao@loa.example"}
        with DetachedLoa(tmp_path, CANARY_EVERY_S=0, **settings) as loa:
            loa.add_unit()
            loa.readers(10)
            loa.trace_of_event(loa.publish("tin-1", "email"))
            assert (a.count(), b.count()) == (10, 0)
            write(0).write_text("[relays.a]\nhost = 1\n")
            loa.reload()
            [told] = loa.logged("relays_unusable")
            assert "Traceback" not in loa.log()
            assert "LOA_EMAIL_RELAYS_FILE.relays.a.host" in told["error"]
            loa.trace_of_event(loa.publish("tin-2", "email"))
            assert (a.count(), b.count()) == (20, 0)
            write(0)
            loa.reload()
            loa.trace_of_event(loa.publish("tin-3", "email"))
            assert (a.count(), b.count()) == (20, 10)
            assert loa.stop() == 0
