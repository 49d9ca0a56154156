"""Commands that change something: an account with the right role, and the audit log."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from consumers.audit.chain import Step
from consumers.audit.log import AuditLog, parse_record
from consumers.cli import acts
from consumers.cli.root import app
from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.handler import Intake
from consumers.staff.administration import DISABLE, MANAGE
from consumers.staff.policy import default_policy
from contracts import envelope
from contracts.vocabulary import DEFAULT
from tests.conftest import stream_states
from tests.support.dead_letters import buried
from tests.support.events import ITEM, UNIT, register_unit, submitted
from tests.support.staff import StaffHarness

OF_THIS_MACHINE = {
    *("up", "run", "demo", "rebuild", "login", "logout", "whoami", "sessions", "staff mail"),
    "doctor mail",
    *("config check", "config show", "completion", "doctor disk", "doctor clock"),
    *("doctor proxy", "doctor dns", "doctor bus", "doctor portal", "doctor zalo"),
    *("bus config", "bus rotate", "bus apply", "bus verify"),
    *("report files", "report verify"),
}
OF_A_UNIT = {"publish", "validate", "schemas", "convert", "conformance"}
"""A unit's own commands, under its own right to send."""
READING = {
    *(
        "check",
        "status",
        "top",
        "opinions",
        "facts list",
        "facts compare",
        "facts rebuild",
        "digests",
        "audit verify",
        "retention plan",
    ),
    *(
        "staff list",
        "staff identities",
        "units list",
        "units bus-keys",
        "units guests",
        "import status",
        "import check",
        "callbacks list",
        "callbacks log",
    ),
    *("zalo followers", "zalo status", "zalo unknown", "zalo templates list"),
    *("zalo templates sync", "mail suppressed list", "mail brakes list"),
}
"""Acts that show neither content that is not public, nor a reader."""
BY_PROOF_OF_OWNERSHIP = {"backup", "restore", "staff add", "staff reset"}
"""With tests of their own: a timer's, one onto a bus without accounts, and the first accounts."""
COLUMNS = "email,name,topics,audiences,units,frequency"
FEED = "https://vu.example/rss"
TOPIC = "--topic viec-lam"
SERIES = "ban-tin-cai-cach-hanh-chinh"
OIDC = {"LOA_OIDC_ISSUER": "https://id.example", "LOA_OIDC_CLIENT_ID": "loa"}
OIDC["LOA_OIDC_CLIENT_SECRET"] = "s"
ZALO = {"LOA_ZALO_APP_ID": "1234567890", "LOA_ZALO_APP_SECRET": "s"}
CHANGING = {
    "withdraw": f"{ITEM} --reason Nhầm --yes",
    "pause": "email",
    "resume": "email",
    "staff disable": "an",
    "staff enable": "an",
    "staff roles": "an --role bien-tap-vien",
    "staff link": "an 248289761001",
    "staff unlink": "an",
    "staff address": "an an@example.gov.vn",
    "staff refuse": "0" * 64,
    "units add": "vu-to-chuc-can-bo",
    "units set": f"{UNIT} --urgent",
    "units rotate": UNIT,
    "units revoke": f"{UNIT} --yes",
    "units bus-key": UNIT,
    "units trial-key": UNIT,
    "units guest": f"{UNIT} an@example.gov.vn",
    "callbacks add": f"{UNIT} https://vu.example/loa --contact an@example.gov.vn",
    "callbacks rotate": f"{UNIT} aaaa",
    "callbacks enable": f"{UNIT} aaaa",
    "callbacks remove": f"{UNIT} aaaa",
    "callbacks replay": f"{UNIT} aaaa --since 1h",
    "import add": f"{UNIT} https://vu.example/tin.rss {TOPIC}",
    "import remove": f"{UNIT} {FEED}",
    "import now": UNIT,
    "subscribers import": "readers.csv",
    "retention run": "--yes",
    "subscribers show": "an@example.com",
    "subscribers export": "an@example.com",
    "subscribers remove": "an@example.com --reason x --yes",
    "desk write": f"data.json --item {ITEM}-2 --hash x",
    "desk submit": f"{ITEM}-2 --hash x",
    "desk confirm": f"{ITEM}-2 --hash x --clean",
    "desk propose": f"{ITEM}-2 --hash x --clean",
    "desk return": f"{ITEM}-2 --hash x --reason x",
    "desk discard": f"{ITEM}-2 --hash x",
    "desk comment": f"{ITEM}-2 x --hash x",
    "desk reschedule": f"{ITEM}-2 --now --hash x",
    "desk upload": "a.pdf",
    "desk approve": f"{ITEM}-2 --hash x --clean",
    "desk reject": f"{ITEM}-2 --hash x --code trung-lap",
    "bulletin propose": SERIES,
    "bulletin move": f"{SERIES}-2026-so-01 {ITEM} up",
    "bulletin put": f"{SERIES}-2026-so-01 {ITEM} the-che",
    "bulletin drop": f"{SERIES}-2026-so-01 {ITEM}",
    "bulletin add": f"{SERIES}-2026-so-01 {ITEM} the-che",
    "bulletin shorten": f"{SERIES}-2026-so-01 {ITEM} x",
    "bulletin introduce": f"{SERIES}-2026-so-01 x",
    "bulletin correct": f"{SERIES}-2026-so-01",
    "campaign propose": "chuyen-de --title x --introduction x --purpose x --first 2026-12-01 "
    "--last 2026-12-31",
    "campaign change": "chuyen-de --last 2027-01-31",
    "campaign plan": "chuyen-de x 2026-12-04",
    "campaign move": "chuyen-de 1 2026-12-05",
    "campaign drop": "chuyen-de 1",
    "campaign join": f"{ITEM} chuyen-de",
    "campaign leave": ITEM,
    "bulletin compiled-by": f"{SERIES}-2026-so-01 An",
    "dead replay": "1",
    "dead edit": "1 mended.json --yes",
    "dead discard": "1 --reason x",
    "zalo connect": "pair.json",
    "zalo settle": f"{ITEM} --sent --yes",
    "zalo templates set": "1 123",
    "zalo templates remove": "1",
    "zalo suppressed lift": "0912345678",
    "mail suppressed lift": "an@example.com",
    "mail reconcile": "mail.log",
    "mail brakes release": f"{ITEM} --yes",
    "report year": "2025",
    "report span": "2026-03-01 2026-03-31",
    "report review": "2024 2025",
    "report authors": "2026-03-01 2026-03-31 tac-gia.csv",
    "audit accept": "--reason x --yes",
    "audit list": "",
    "audit export": "",
}
"""Each command with arguments that it would accept."""
LOOKING = {
    "trace": ITEM,
    "items list": "",
    "subscribers list": "",
    "subscribers count": "",
    "desk list": "",
    "desk show": f"{ITEM}-2",
    "desk history": f"{ITEM}-2",
    "desk check": f"{ITEM}-2",
    "desk preview": f"{ITEM}-2",
    "desk dry-run": f"{ITEM}-2",
    "desk test-send": f"{ITEM}-2",
    "campaign list": "",
    "campaign show": "chuyen-de",
    "campaign report": "chuyen-de bao-cao.pdf",
    "bulletin series": "",
    "bulletin list": SERIES,
    "bulletin show": f"{SERIES}-2026-so-01",
    "bulletin print": f"{SERIES}-2026-so-01 so-01.pdf",
    "staff proposals": "",
    "dead list": "",
    "dead show": "1",
    "mail preview": f"{ITEM}-2",
    "mail suppressed show": "an@example.com",
    "zalo suppressed show": "0912345678",
}
"""The same for commands that show content that is not public, or a reader."""
MORE_LOOKING = [
    f"trace {ITEM} --reader an@example.com",
    "dead replay 1 --dry-run",
    "dead edit 1 mended.json --dry-run",
    f"desk approve {ITEM}-2",
    f"desk write data.json --item {ITEM}-2",
    "desk list --status draft",
    "desk list --mine",
    f"desk check {ITEM}-2 --links",
    f"bulletin propose {SERIES} --dry-run",
    "mail preview --digest an@example.com",
]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The words of every command below *command*."""
    if not hasattr(command, "list_commands"):
        yield " ".join(path)
        return
    context = command.make_context("loa", [], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


def test_each_command_reads_or_takes_a_right():
    """A new command belongs into one of the lists, and a changing one gets its arguments here."""
    free = OF_THIS_MACHINE | OF_A_UNIT | READING | BY_PROOF_OF_OWNERSHIP
    assert set(commands(get_command(app))) == free | CHANGING.keys() | LOOKING.keys()
    assert not free & (CHANGING.keys() | LOOKING.keys())


def test_each_act_names_an_action_of_the_roles_file():
    known = default_policy().file.actions.keys()
    assert set(acts.ACTIONS.values()) <= known
    assert {MANAGE, DISABLE} <= known


@pytest.fixture
async def in_use(loa, bus, clock, tmp_path):
    """A Loa with content and two account managers; this terminal is not signed in."""
    loa = loa.extended(XDG_STATE_HOME=str(tmp_path / "state"), USER="root", **ZALO, **OIDC)
    await register_unit(bus)
    (tmp_path / "mended.json").write_bytes(envelope.to_structured(submitted()))
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "mail.log").write_text("")
    (tmp_path / "data.json").write_text('{"title": "x"}')
    (tmp_path / "pair.json").write_text('{"access_token": "a", "refresh_token": "b"}')
    (tmp_path / "readers.csv").write_text(f"{COLUMNS}\nan@example.com,An,,,,\n")
    intake = Intake(bus, DEFAULT, clock)
    await intake.handle(submitted(), UNIT)
    await register_unit(bus, release="desk")
    await intake.handle(submitted(content_id=f"{ITEM}-2"), UNIT)
    await buried(DeadLetterStore(bus))
    for words in (
        "subscribers import readers.csv",
        f"import add {CHANGING['import remove']} {TOPIC}",
    ):
        done = await loa(*words.split())
        assert done.exit_code == 0, done.stderr
    await loa("desk", "approve", "khong-co", "--by", "An", "--hash", "x")  # takes the seals over
    staff = StaffHarness(bus, clock)
    for login in ("an", "binh"):
        await staff.active(login, "quan-tri-tai-khoan")
    return loa


async def test_without_a_session_no_command_changes_anything(in_use, bus):
    before = await stream_states(bus)
    done = {words: await in_use(*words.split(), *args.split()) for words, args in CHANGING.items()}
    refused = {
        words for words, run in done.items() if run.exit_code == 2 and "not signed in" in run.stderr
    }
    assert {words: done[words].output for words in CHANGING.keys() - refused} == {}
    assert await stream_states(bus) == before


async def test_without_a_session_no_command_shows_content_or_a_reader(in_use, bus):
    lines = [*(f"{words} {args}" for words, args in LOOKING.items()), *MORE_LOOKING]
    done = {line: await in_use(*line.split()) for line in lines}
    shown = {
        line: run.output
        for line, run in done.items()
        if run.exit_code != 2 or "not signed in" not in run.stderr
    }
    assert shown == {}
    assert not any("ra mắt kênh" in run.output for run in done.values())


async def test_before_the_first_account_and_as_break_glass_all_is_shown(loa, bus, clock):
    await register_unit(bus, release="desk")
    await Intake(bus, DEFAULT, clock).handle(submitted(), UNIT)
    assert (await loa("desk", "show", ITEM)).exit_code == 0
    await StaffHarness(bus, clock).active("an", "quan-tri-tai-khoan")
    assert (await loa("desk", "show", ITEM)).exit_code == 2
    shown = await loa("desk", "show", ITEM, "--by", "Lê Văn Cường")
    assert shown.exit_code == 0 and "chủ sở hữu" in shown.stderr
    for words in ("audit list", "audit export", "dead list", "dead replay 1 --dry-run"):
        await loa(*words.split(), "--by", "Lê Văn Cường")
        [record] = await last_records(bus, 1)
        action = {"audit": "audit.read", "dead": "dead.read"}[words.split()[0]]
        assert record.role == "break-glass" and record.action in (action, "dead.replay")
    await loa("desk", "show", ITEM, "--by", "Lê Văn Cường")
    [record] = await last_records(bus, 1)
    assert (record.actor, record.action, record.object) == ("Lê Văn Cường", "desk.read", ITEM)
    assert record.role == "break-glass"


@pytest.mark.parametrize("command", ["show", "export"])
async def test_who_may_not_look_does_not_learn_whether_an_address_is_kept(in_use, command):
    kept, not_kept = [
        await in_use("subscribers", command, address)
        for address in ("an@example.com", "khong-co@example.com")
    ]
    assert "not signed in" in kept.stderr
    assert (not_kept.exit_code, not_kept.stderr) == (kept.exit_code, kept.stderr)


async def test_a_name_in_place_of_an_account_is_told_and_recorded_as_break_glass(in_use, bus):
    done = await in_use("pause", "email", "--by", "Lê Văn Cường")
    assert done.exit_code == 0 and "chủ sở hữu" in done.stderr
    intent, outcome = await last_records(bus, 2)
    for record in (intent, outcome):
        assert (record.actor, record.role) == ("Lê Văn Cường", "break-glass")
    assert (outcome.step, outcome.of) == (Step.DONE, intent.n)
    refused = await in_use("withdraw", "khong-co", "--reason", "x", "--by", "An", "--yes")
    assert refused.exit_code == 2 and "on record" not in refused.stderr, "nothing was done"


async def test_accounts_that_are_all_disabled_or_reset_still_rule(in_use, bus, clock):
    staff = StaffHarness(bus, clock)
    one, other = await staff.accounts.all()
    await staff.sessions.start(one)
    await staff.accounts.reset(one.id)
    await staff.accounts.set_state(other.id, "disabled")
    done = await in_use("pause", "email")
    assert (done.exit_code, "not signed in" in done.stderr) == (2, True), done.output
    assert (await in_use("pause", "email", "--by", "Lê Văn Cường")).exit_code == 0
    assert {record.role for record in await last_records(bus, 2)} == {"break-glass"}


async def test_a_timer_of_the_machine_backs_up_without_an_account(in_use, bus, tmp_path):
    done = await in_use("backup", tmp_path / "saved")
    assert done.exit_code == 0, done.stderr
    _, outcome = await last_records(bus, 2)
    assert (outcome.action, outcome.actor, outcome.role) == ("backup", "root", "")


async def test_where_no_account_exists_the_systems_user_acts(loa, bus):
    assert (await loa("pause", "email", USER="truc-ban")).exit_code == 0
    [intent, _] = await last_records(bus, 2)
    assert (intent.actor, intent.action) == ("truc-ban", "channel.pause")


async def last_records(bus, count):
    audit = AuditLog(bus, time.time)
    start = (await audit.head()).n - count + 1
    return [parse_record(message) async for message in audit.messages(start)]
