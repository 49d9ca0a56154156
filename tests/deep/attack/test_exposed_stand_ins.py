"""A Loa that others can reach shows no mail, takes no orders, and says what is missing."""

import urllib.error
import urllib.request

import pytest

from tests.support.loa_process import LoaProcess, wait_until

EXPOSED = {"PUBLIC_URL": "http://tin.moha.example", "CANARY_EVERY_S": 0, "PORTAL_READ_BACK": 0}
WAITING = ("email", "zalo")


def test_neither_mailbox_nor_sandbox_start_and_the_channels_wait(tmp_path):
    with LoaProcess(tmp_path, STAND_INS="", **EXPOSED) as loa:
        ready = loa.ready()
        assert ready.zalo_sandbox == ""
        assert loa.page_status("/hop-thu-thu") == 404
        assert not (loa.data / "mail").exists() and not (loa.data / "zalo-sandbox").exists()
        for variable in ("LOA_EMAIL_HOST", "LOA_ZALO_APP_ID"):
            assert f"{variable}: is empty, and the stand-in" in loa.log()
            assert f"{variable}: chưa được đặt" in loa.log()
        withheld = {line["service"]: line["exposed_by"] for line in loa.logged("stand_in_withheld")}
        assert withheld == dict.fromkeys(("mailbox", "zalo-sandbox"), "LOA_PUBLIC_URL")
        loa.add_unit()
        loa.readers(2)
        loa.publish("tin-moi")
        wait_until(lambda: loa.page_status("/tin/tin-moi/") == 200, "the page")
        status = loa.cli("status", "--json").json["channels"]
        for name in WAITING:
            assert status[name]["goes_to"].startswith("nowhere, LOA_"), status[name]
        counts = wait_until(lambda: planned(loa), "both plans")
        assert [counts[name]["delivered"] for name in WAITING] == [0, 0]
        assert loa.stop() == 0
    with LoaProcess(tmp_path, **EXPOSED) as loa:  # asked for by name
        assert loa.page_status("/hop-thu-thu") == 200
        wait_until(lambda: delivered(loa, "email") == 2, "the mails that waited")


def delivered(loa: LoaProcess, channel: str) -> int:
    return loa.trace("tin-moi")["channels"][channel]["delivered"]


def planned(loa: LoaProcess) -> dict:
    counts = loa.trace("tin-moi").get("channels", {})
    return counts if all(counts.get(name, {}).get("expected") for name in WAITING) else {}


@pytest.mark.parametrize("service", ["mailbox", "zalo-sandbox"])
def test_a_stand_in_alone_is_refused_in_both_languages(tmp_path, service):
    loa = LoaProcess(tmp_path, STAND_INS="", HTTP_PORT=0, **EXPOSED)
    refused = loa.cli("run", service)
    assert refused.exit_code == 2
    assert refused.err.count(f"LOA_STAND_INS={service}") == 2, refused.err


def test_no_page_of_another_site_reaches_a_stand_in(tmp_path):
    with LoaProcess(tmp_path, STAND_INS="", CANARY_EVERY_S=0) as loa:
        ready = loa.ready()
        for url, headers, body in (
            (f"{ready.zalo_sandbox}/_sandbox/webhook", {"Content-Type": "text/plain"}, b"{}"),
            (f"{ready.zalo_sandbox}/_sandbox/webhook/probe", {"Origin": "http://evil.x"}, b""),
            (f"{ready.zalo_sandbox}/_sandbox/state", {"Host": "evil.example"}, None),
            (f"{ready.url}/hop-thu-thu", {"Sec-Fetch-Site": "cross-site"}, None),
        ):
            request = urllib.request.Request(url, body, headers)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=60)
            with refused.value as answer:
                assert answer.code in (403, 415, 421), url
        assert loa.sandbox("webhook/probe", {})["accepted"], "its own webhook goes on"
