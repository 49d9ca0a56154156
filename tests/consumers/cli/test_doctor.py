"""`loa doctor`: whose settings it judges, and what it does when it is told nothing."""

import time

import pytest

from channels.email.doctor import dns_client
from channels.email.doctor.finding import new_finding
from consumers.channel_health import destinations
from consumers.channel_health.destinations import Destination
from consumers.cli import doctor
from consumers.email.relay_reports import RelayOut, report_relays
from contracts.delivery import ChannelName
from tests.support.cli import InProcessCli, json_output

RELAY = "the relay smtp.example:587 (tls: starttls)"
BOX = "the catch-all mailbox at http://127.0.0.1:8080/hop-thu-thu, LOA_EMAIL_HOST is empty"
MAIL = ("doctor", "mail", "--resolver", "127.0.0.1:9")
AWAY = "nats://127.0.0.1:1"
_VALUES = ("host", "port", "seconds", "domain", "sender", "ip", "name", "address", "text")
HERE = {
    "LOA_EMAIL_HOST": "",
    "LOA_EMAIL_FROM": "Bộ Nội vụ <thong-bao@moha.example>",
    "LOA_PUBLIC_URL": "https://thong-bao.moha.example",
}


@pytest.fixture(autouse=True)
def short_dns_timeout(monkeypatch):
    monkeypatch.setattr(dns_client, "DNS_TIMEOUT_S", 0.2)


def told(run) -> list[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("settings: ")]


async def test_it_says_first_whose_settings_are_judged_and_where_the_workers_differ(bus, loa):
    loa = loa.extended(**HERE)
    assert len(told(await loa(*MAIL))) == 2
    await destinations.write_destination(bus, ChannelName.EMAIL, Destination(to=RELAY))
    run = await loa(*MAIL)
    english, vietnamese, other, khac = told(run)
    assert "of this shell" in english and "cửa sổ lệnh này" in vietnamese
    assert english.endswith("no relay") and vietnamese.endswith("chưa đặt máy chủ gửi thư")
    assert RELAY in other and RELAY.replace("the relay", "máy chủ gửi thư") in khac
    assert "not about its relay" in other and "không phải của máy chủ" in khac
    scripts = await loa(*MAIL, "--json")
    assert "relay_none" in {one["code"] for one in json_output(scripts)}


@pytest.mark.parametrize(
    ("host", "worker"),
    [("", Destination(to=BOX, stand_in=True)), ("smtp.example", Destination(to=RELAY))],
)
async def test_a_worker_with_the_same_relay_is_not_mentioned(bus, loa, host, worker, monkeypatch):
    async def nothing(*_):
        for finding in ():
            yield finding

    monkeypatch.setattr(doctor, "examine_mail", nothing)
    await destinations.write_destination(bus, ChannelName.EMAIL, worker)
    run = await loa.extended(**HERE | {"LOA_EMAIL_HOST": host})(*MAIL)
    assert run.exit_code == 0
    assert len(told(run)) == 2


async def test_what_is_worst_is_printed_first_and_the_overview_counts_the_rest(loa, monkeypatch):
    async def some(*_):
        for code in ("spf_missing", "relay_silent", "dmarc_missing", "ptr_missing"):
            yield new_finding(code, **dict.fromkeys(_VALUES, "x"))

    monkeypatch.setattr(doctor, "examine_mail", some)
    loa = loa.extended(**HERE | {"LOA_EMAIL_HOST": "smtp.example"})
    lines = (await loa(*MAIL)).stdout.splitlines()
    assert next(line for line in lines if line.startswith(("PROBLEM", "WARNING"))).split()[1] == (
        "relay:"
    )
    overview = (await loa("doctor")).stdout
    assert "3 more that is not well: `loa doctor mail`" in overview
    assert "còn 3 điểm" in overview


@pytest.mark.parametrize("host", ["", "other.example"])
async def test_the_overview_does_not_take_this_shells_relay_for_the_workers(bus, loa, host):
    async def mail(**variables) -> list[dict[str, str]]:
        found = json_output(await loa("doctor", "--json", **HERE | variables))
        return [one for one in found if one["check"] == "mail"]

    assert (await mail())[0]["code"] == "mail_no_relay"
    await destinations.write_destination(bus, ChannelName.EMAIL, Destination(to=RELAY))
    first, *others = await mail(LOA_EMAIL_HOST=host)
    assert first["code"] == "mail_other_settings" and RELAY in first["message"]
    assert bool(others) == bool(host)
    assert "mail_no_relay" not in {one["code"] for one in others}
    silent = Destination(to=RELAY, failing="timeout", failing_since=1.0)
    await destinations.write_destination(bus, ChannelName.EMAIL, silent)
    assert [one["code"] for one in await mail()] == ["mail_worker_fails", "mail_other_settings"]
    await report_relays(bus, "worker", (RelayOut(name="ha-noi", reason="timeout"),), time.time())
    _, told, _ = await mail()
    assert told["code"] == "mail_relay_out" and "ha-noi" in told["message"]


@pytest.mark.usefixtures("no_bus_soon")
@pytest.mark.parametrize("host", ["", "other.example"])
async def test_a_bus_that_is_silent_is_no_missing_relay(loa, host):
    run = await loa("doctor", "--json", **HERE | {"LOA_NATS_URL": AWAY, "LOA_EMAIL_HOST": host})
    first, *_ = [one["code"] for one in json_output(run) if one["check"] == "mail"]
    assert first == "mail_worker_unread"
    assert '"mail_no_relay"' not in run.stdout


@pytest.mark.usefixtures("no_bus_soon")
async def test_with_no_bus_it_judges_all_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loa = InProcessCli(HERE | {"LOA_DATA_DIR": str(tmp_path), "LOA_NATS_URL": AWAY})
    run = await loa(*MAIL)
    assert run.exit_code == 1, "no relay is a problem"
    assert len(told(run)) == 2
    assert list(tmp_path.iterdir()) == []


async def test_completion_is_not_offered_where_there_is_none(loa):
    for noun in ("doctor", "desk", "mail"):
        assert "completion" not in (await loa(noun, "--help")).stdout
