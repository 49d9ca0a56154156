"""Mails that wait for a relay stay for it when Loa starts without the relay's settings."""

import pytest

from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

QUIET = {"STAND_INS": "", "CANARY_EVERY_S": 0, "PORTAL_READ_BACK": 0}


def delivered(loa: LoaProcess) -> int:
    return loa.trace("tin-cho").get("channels", {}).get("email", {}).get("delivered", 0)


def lost(loa: LoaProcess) -> list[dict]:
    found = loa.cli("status", "--json").json["findings"]
    return [one for one in found if one["code"] == "destination_lost"]


def forget(loa: LoaProcess, settings: dict[str, object]) -> None:
    for name in settings:
        del loa.environ[f"LOA_{name}"]


@pytest.fixture
def waiting(tmp_path):
    """Two mails that wait for a relay which does not answer, then Loa without its settings."""
    with RelayProcess(tmp_path) as relay:
        loa = LoaProcess(tmp_path, **QUIET, **relay.settings | {"EMAIL_PORT": 1})
        with loa:
            loa.add_unit()
            loa.readers(2)
            loa.publish("tin-cho")
            wait_until(lambda: "email" in loa.trace("tin-cho").get("channels", {}), "the plan")
            loa.kill()
            forget(loa, relay.settings)
            loa.start()
            yield loa, relay


def test_they_wait_and_both_destinations_are_named(waiting):
    loa, relay = waiting
    [one] = lost(loa)
    assert one["severity"] == "act" and one["since"]
    for text in (one["message"] + one["remedy"], one["message_vi"] + one["remedy_vi"]):
        assert "127.0.0.1:1 " in text and "LOA_EMAIL_HOST" in text
        assert "LOA_STAND_INS=mailbox" in text
    assert "catch-all mailbox" in one["message"] and "hộp thư thử" in one["message_vi"]
    assert loa.page_status("/hop-thu-thu") == 404 and not (loa.data / "mail").exists()
    assert [line["service"] for line in loa.logged("stand_in_withheld")] == ["mailbox"]
    assert loa.log().count("LOA_STAND_INS=mailbox") == 2, "both languages at the start"
    loa.kill()
    loa.start()
    assert [told["since"] for told in lost(loa)] == [one["since"]], "since the first such start"
    assert delivered(loa) == 0
    loa.stop()
    for name, value in relay.settings.items():
        loa.environ[f"LOA_{name}"] = str(value)
    loa.start()
    wait_until(lambda: delivered(loa) == 2, "the mails that waited")
    assert relay.count() == 2 and lost(loa) == []


def test_a_stand_in_that_is_confirmed_once_starts_unasked_from_then_on(waiting):
    loa, relay = waiting
    for named in ("mailbox", ""):
        loa.stop()
        loa.environ["LOA_STAND_INS"] = named
        loa.start()
        assert loa.page_status("/hop-thu-thu") == 200 and lost(loa) == []
    wait_until(lambda: delivered(loa) == 2, "the mails in the mailbox")
    assert relay.count() == 0
