"""`loa doctor` for everything around Loa: real sockets, files and a real bus."""

import asyncio
import json
import socket
import threading
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from consumers.cli import doctor
from consumers.doctor import examination, machine, services
from consumers.doctor.finding import DoctorFinding, new_finding
from consumers.messages import load_catalog
from consumers.progress import progress_to
from contracts.delivery import ChannelName
from tests.support.cli import InProcessCli, json_output
from tests.support.full_disk import room_for

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture
def around(bus, loa, monkeypatch):
    """`await around("disk", LOA_X="...")`: the findings as JSON, and the exit code."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return loa.extended("doctor")


@asynccontextmanager
async def website(body: bytes = b"", status: int = 200, date: datetime | None = None, **more: str):
    """A web server of the outside, with *more* headers; its address."""

    async def answer(_: web.Request) -> web.Response:
        headers = more | ({"Date": format_datetime(date, usegmt=True)} if date else {})
        return web.Response(body=body, status=status, headers=headers)

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


async def found(around: InProcessCli, check: str, **variables: str):
    run = await around(*check.split(), "--json", **variables)
    findings = json_output(run)
    assert {one["check"] for one in findings} <= {check.split()[0]}
    assert run.exit_code == int(any(one["level"] == "problem" for one in findings))
    return [one["code"] for one in findings]


async def test_alone_it_says_one_line_each_in_both_languages(around):
    run = await around(LOA_EMAIL_HOST="", LOA_ZALO_APP_ID="", LOA_PUBLIC_URL="")
    lines = [line for line in run.stdout.splitlines() if line.startswith(("ok", "WARN", "PROB"))]
    assert [line[8:].partition(":")[0] for line in lines] == [*doctor.CHECKS]
    assert all(" -> " in line for line in lines if not line.startswith("ok"))
    everything = json_output(await around("--json"))
    assert {one["check"] for one in everything} == {*doctor.CHECKS}
    for texts in load_catalog("doctor").values():
        assert texts["level"] == "ok" or (texts["do_en"] and texts["do_vi"])


async def test_a_slow_neighbour_costs_its_own_check_alone(around, monkeypatch):
    """A name server that is silent holds a thread up; the others answer, and the command ends."""
    ask, silence = socket.getaddrinfo, threading.Event()

    def slow(host, *args, **options):
        if host == "desk.example":
            silence.wait(60)
        return ask(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    within = examination._within
    limits_s = defaultdict(lambda: 60.0, dns=0.5)
    monkeypatch.setattr(
        examination, "_within", lambda _, name, check: within(limits_s[name], name, check)
    )
    run = await around("--json", LOA_DESK_URL="https://desk.example", LOA_EMAIL_HOST="")
    by_check = {one["check"]: one for one in json_output(run)}
    silence.set()
    assert by_check["dns"]["code"] == "silent" and run.exit_code == 1
    assert (by_check["disk"]["code"], by_check["bus"]["code"]) == ("disk_ok", "bus_ok")


async def test_a_relay_that_cannot_be_used_comes_before_what_receivers_think(around, monkeypatch):
    said = {"check": "mail", "level": "problem", "message_vi": ""}

    async def findings():
        yield DoctorFinding(code="spf_missing", message="no SPF", **said)
        yield DoctorFinding(code="relay_failed", message="no relay", **said)

    monkeypatch.setattr(doctor, "CHECKS", {"mail": lambda _: findings})
    run = await around()
    assert "no relay" in run.stdout and "no SPF" not in run.stdout


async def test_disks_are_written_to_and_left_as_they_were(around, tmp_path):
    before = {*tmp_path.iterdir()}
    assert await found(around, "disk") == ["disk_ok"]
    (tmp_path / "portal").mkdir()
    before.add(tmp_path / "portal")
    [told] = json_output(await around("disk", "--json"))
    assert f"{tmp_path}:" in told["message"], "one disk is told once, by the data folder"
    with room_for(100):
        codes = [one.code for one in machine._examine_disk(tmp_path)]
    assert codes == ["disk_unwritable"]
    assert {*tmp_path.iterdir()} == before
    assert await found(around, "disk", LOA_DATA_DIR=str(tmp_path / "no")) == ["disk_no_folder"]


@pytest.mark.parametrize(
    ("off_s", "code"), [(0, "clock_ok"), (-30, "clock_off"), (400, "clock_wrong")]
)
async def test_the_clock_is_compared_with_the_bus_and_with_an_http_date(around, off_s, code):
    theirs = datetime.now(UTC) + timedelta(seconds=off_s)
    async with website(date=theirs) as url:
        assert await found(around, f"clock --against {url}") == ["clock_ok", code]
        assert "máy chủ NATS" in (await around("clock")).stdout
    run = await around("clock", "--against", "http://an:bi-mat@127.0.0.1:9", "--json")
    assert [one["code"] for one in json_output(run)] == ["clock_ok", "clock_unread"]
    assert "127.0.0.1:9" in run.stdout and "bi-mat" not in run.stdout


async def test_an_address_of_this_machine_is_no_other_clock(around):
    for url in ("http://127.0.0.1:9", "http://localhost:9"):
        own = {"LOA_PUBLIC_URL": url}
        assert await found(around, "clock", **own) == ["clock_ok", "clock_own"]


async def test_the_date_of_a_cached_answer_is_no_clock(around):
    old = datetime.now(UTC) - timedelta(hours=1)
    async with website(date=old, Age="3600") as url:
        assert await found(around, f"clock --against {url}") == ["clock_ok", "clock_cached"]


async def test_a_name_that_is_none_is_a_finding_of_its_own(around):
    names = {"LOA_EMAIL_HOST": "smtp..example.vn", "LOA_EMAIL_FALLBACK_HOST": "[x"}
    given = {"LOA_EMAIL_FROM": "a@moha.example", "LOA_PUBLIC_URL": "http://tin..vn"}
    run = await around("dns", "--json", **names | given)
    told = json_output(run)
    assert [one["code"] for one in told] == ["dns_unknown"] * 3 and run.exit_code == 1
    for check in ("portal", "clock", "mail"):
        run = await around(check, "--json", **names | given)
        assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
        assert json_output(run), "findings"


@pytest.mark.parametrize(
    ("variable", "value", "checks"),
    [
        ("LOA_EMAIL_PORT", "abc", {"mail", "dns"}),
        ("LOA_NATS_CREDS_FILE", "/nowhere", {"bus", "clock", "zalo"}),
        ("LOA_ZALO_CALLBACK_URL", "x", {"zalo", "dns"}),
    ],
)
async def test_a_wrong_setting_is_a_finding_of_the_checks_that_need_it(
    around, variable, value, checks
):
    app = {"LOA_ZALO_APP_ID": "1", "LOA_ZALO_APP_SECRET": "s", "LOA_EMAIL_HOST": ""}
    names = ("LOA_ZALO_OPENAPI_URL", "LOA_ZALO_BUSINESS_URL", "LOA_ZALO_OAUTH_URL")
    async with website(b"{}") as url:
        run = await around("--json", **app | dict.fromkeys(names, url) | {variable: value})
    told = json_output(run)
    assert {one["check"] for one in told} == {*doctor.CHECKS} and run.exit_code == 1
    assert {one["check"] for one in told if variable in one["message"]} <= checks
    assert {one["check"] for one in told if one["code"] == "unusable"} <= checks
    assert any(variable in one["message"] and variable in one["message_vi"] for one in told)
    assert "disk_ok" in {one["code"] for one in told}


async def test_a_damaged_key_file_is_a_finding_of_the_check_that_opens_it(around, tmp_path):
    (tmp_path / "vault.key").write_text("not a key")
    app = {"LOA_ZALO_APP_ID": "1", "LOA_ZALO_APP_SECRET": "s", "LOA_EMAIL_HOST": ""}
    names = ("LOA_ZALO_OPENAPI_URL", "LOA_ZALO_BUSINESS_URL", "LOA_ZALO_OAUTH_URL")
    async with website(b"{}") as url:
        told = json_output(await around("--json", **app | dict.fromkeys(names, url)))
    codes = {one["check"]: one["code"] for one in told}
    assert (codes["zalo"], codes["disk"]) == ("zalo_unread", "disk_ok")
    assert "vault.key" in next(one["message"] for one in told if one["check"] == "zalo")


async def test_the_progress_of_checks_is_told_while_one_is_slow(monkeypatch):
    monkeypatch.setattr(examination, "_REPORT_INTERVAL_S", 0.01)
    told, release = [], asyncio.Event()

    async def quick():
        yield new_finding("proxy_ok")

    async def slow():
        await release.wait()
        yield new_finding("proxy_ok")

    def report(what, done, total):
        told.append((what, done, total))
        if len(told) == 3:
            release.set()

    with progress_to(report):
        await examination.examine({"proxy": quick, "dns": slow}, 5)
    assert told[:3] == [("checks", 1, 2)] * 3 and told[-1] == ("checks", 2, 2)


async def test_proxies_that_loa_ignores_are_named_without_their_passwords(around):
    assert await found(around, "proxy") == ["proxy_ok"]
    run = await around("proxy", https_proxy="http://an:bi-mat@proxy:3128", no_proxy="x")
    assert run.exit_code == 0 and "https_proxy" in run.stdout and "bi-mat" not in run.stdout
    assert run.stdout.startswith("WARNING")


async def test_names_of_the_settings_are_looked_up(around, monkeypatch):
    def resolve(host, *_, **__):
        if host != "co.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 0))]

    assert await found(around, "dns") == ["dns_none"], "addresses need no look-up"
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    relay = {"LOA_EMAIL_HOST": "khong.example", "LOA_EMAIL_FROM": "a@moha.example"}
    known = {"LOA_PUBLIC_URL": "https://co.example"}
    assert sorted(await found(around, "dns", **relay, **known)) == ["dns_ok", "dns_unknown"]


async def test_the_portal_is_looked_at_from_outside(around, tmp_path):
    assert await found(around, "portal", LOA_PUBLIC_URL="") == ["portal_no_address"]
    away = {"LOA_PUBLIC_URL": "http://127.0.0.1:9"}
    assert await found(around, "portal", **away) == ["portal_unreachable"]
    [told] = json_output(await around("portal", "--json", **away))
    assert told["message"].endswith(": no connection")
    assert told["message_vi"].endswith(": không kết nối được")
    page = tmp_path / "portal" / "public" / "index.html"
    async with website(b"<h1>Tin</h1>") as url:
        assert await found(around, "portal", LOA_PUBLIC_URL=url) == ["portal_not_here"]
        page.parent.mkdir(parents=True)
        page.write_bytes(b"<h1>Tin</h1>")
        assert await found(around, "portal", LOA_PUBLIC_URL=url) == ["portal_ok"]
        page.write_bytes(b"<h1>Tin khac</h1>")
        assert await found(around, "portal", LOA_PUBLIC_URL=url) == ["portal_other"]
    async with website(status=502) as url:
        assert await found(around, "portal", LOA_PUBLIC_URL=url) == ["portal_status"]


async def test_a_lost_portal_folder_is_a_problem_of_disk_and_portal(
    around, intake_harness, nats_server, tmp_path
):
    at_home = {"LOA_NATS_URL": "", "LOA_PUBLIC_URL": ""}
    ready = {"url": "http://127.0.0.1:9", "nats_url": nats_server.url, "pid": 1}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ready.json").write_text(json.dumps(ready))
    assert "disk_lost" not in await found(around, "disk", **at_home), "nothing was shown yet"
    await intake_harness.add_plan(b"d", channel=ChannelName.PORTAL)
    assert "disk_lost" in await found(around, "disk", **at_home)
    assert (await found(around, "portal", **at_home))[0] == "portal_lost"
    run = await around("portal", **at_home)
    assert str(tmp_path / "portal") in run.stdout and "`loa rebuild portal`" in run.stdout


@pytest.mark.parametrize(
    ("file", "code"), [("ready.json", "bus_crashed"), ("stopped", "bus_not_running")]
)
async def test_a_loa_that_was_killed_is_a_problem_and_one_that_stopped_is_not(
    around, tmp_path, file, code
):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / file).write_text("{}")
    assert await found(around, "bus", LOA_NATS_URL="") == [code]


async def test_a_bus_that_can_not_store_is_a_problem(around, monkeypatch):
    async def full(bus):
        return "no space left on device"

    assert await found(around, "bus") == ["bus_ok"]
    monkeypatch.setattr(services, "store_problem", full)
    assert await found(around, "bus") == ["bus_cannot_store"]
    assert "no space left on device" in (await around("bus")).output


@pytest.mark.usefixtures("no_bus_soon")
async def test_a_bus_that_is_away_and_one_without_streams_are_problems(around, other_server):
    away = {"LOA_NATS_URL": "nats://127.0.0.1:1"}
    assert await found(around, "bus", **away) == ["bus_problem"]
    run = await around("bus", "--json", LOA_NATS_URL="")
    assert [one["code"] for one in json_output(run)] == ["bus_not_running"]


async def test_zalo_is_asked_over_its_hosts_and_by_its_own_client(around):
    assert await found(around, "zalo", LOA_ZALO_APP_ID="") == ["zalo_no_app"]
    app = {"LOA_ZALO_APP_ID": "123", "LOA_ZALO_APP_SECRET": "s"}
    names = ("LOA_ZALO_OPENAPI_URL", "LOA_ZALO_BUSINESS_URL", "LOA_ZALO_OAUTH_URL")
    nowhere = dict.fromkeys(names, "http://127.0.0.1:9")
    assert set(await found(around, "zalo", **app, **nowhere)) == {"zalo_unreachable"}
    async with website(b"{}") as url:
        codes = await found(around, "zalo", **app, **dict.fromkeys(names, url))
    assert set(codes) == {"zalo_problem"}, "no consent was given yet"
