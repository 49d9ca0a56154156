"""`loa staff`, `loa login` and the desk's commands: who acts is an account, and two are two."""

import os
import re
from pathlib import Path

import pytest

from consumers.cli import authorization
from consumers.editorial.log import EditorialLog
from consumers.intake.handler import Intake
from consumers.staff import passwords, policy, totp
from consumers.staff.oidc.id_token import Identity
from consumers.staff.oidc.people import PendingPeople
from consumers.staff.passwords import Passwords
from contracts.editorial import ActionKind
from contracts.staff.sign_in import text_secret
from contracts.vocabulary import DEFAULT
from tests.support.campaigns import CAMPAIGN, a_plan
from tests.support.cli import InProcessCli, json_output
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    register_unit,
    released_publications,
    stored_position,
    submitted,
)
from tests.support.listed_items import save
from tests.support.staff import cheap_hasher

PASSWORD = "mưa rơi trên mái ngói"
ROLES_TEXT = (Path(policy.__file__).parent / "roles.toml").read_text()
APPROVER, MANAGER = "lanh-dao-duyet", "quan-tri-tai-khoan"


class Terminal:
    """One person at a terminal of their own, with an authenticator app."""

    def __init__(self, loa: InProcessCli, login: str, clock) -> None:
        self.loa = loa.extended(XDG_STATE_HOME=f"{loa.environ['LOA_DATA_DIR']}/state-{login}")
        self.login, self.clock, self.secret = login, clock, b""

    async def __call__(self, *words: object, **options):
        return await self.loa(*words, **options)

    def code(self) -> str:
        """The next unused code: the clock goes on by a step."""
        self.clock.advance(30)
        return totp.one_time_code(self.secret, totp.current_step(self.clock()))

    async def activate(self, invitation: str, monkeypatch) -> None:
        self.secret = self.login.encode().ljust(20, b"s")
        monkeypatch.setattr(totp, "new_secret", lambda: self.secret)
        said = await self.say(
            "login", self.login, "--invited", "--json", lines=(invitation, PASSWORD, PASSWORD)
        )
        assert said.exit_code == 0, said.stderr
        assert json_output(said)["login"] == self.login
        key = text_secret(self.secret)
        assert key in said.stderr and key not in said.stdout, "stdout has one document"

    async def sign_in(self) -> None:
        said = await self.say("login", self.login, lines=(PASSWORD,))
        assert said.exit_code == 0, said.stderr

    async def say(self, *words: object, lines=(), **options):
        """A command that asks; the one-time code is the last answer."""
        return await self(*words, stdin="\n".join([*lines, self.code(), ""]), **options)


@pytest.fixture
def people(bus, loa, clock, monkeypatch):
    """`await people("an", ROLE)`: an account, added by the data folder's owner, at its terminal."""
    monkeypatch.setattr(authorization, "_CLOCK", clock)
    monkeypatch.setattr(passwords, "Passwords", lambda: Passwords(cheap_hasher()))
    loa = loa.extended(XDG_STATE_HOME=f"{loa.environ['LOA_DATA_DIR']}/state-owner", USER="")

    async def person(login: str, *roles: str, name: str = "Trần Thị Bình") -> Terminal:
        options = [word for role in roles for word in ("--role", role)]
        added = await loa(
            *("staff", "add", login, "--name", name, "--unit", UNIT, *options, "--json")
        )
        assert added.exit_code == 0, added.stderr
        terminal = Terminal(loa, login, clock)
        await terminal.activate(json_output(added)["invitation"], monkeypatch)
        return terminal

    return person


@pytest.fixture
async def intake(bus, clock):
    await register_unit(bus, release="desk", urgent=True)
    return Intake(bus, DEFAULT, clock)


async def account_id(terminal: Terminal) -> str:
    return json_output(await terminal("whoami", "--json"))["id"]


async def approve(terminal: Terminal, intake: Intake, *words: str):
    [draft] = await intake.decisions.waiting_drafts()
    return await terminal.say("desk", "approve", ITEM, "--hash", draft.hash, "--clean", *words)


async def reject(terminal: Terminal, intake: Intake):
    [draft] = await intake.decisions.waiting_drafts()
    words = ("--hash", draft.hash, "--code", "trung-lap")
    return await terminal("desk", "reject", ITEM, *words)


async def test_an_approval_is_recorded_under_the_accounts_id(people, intake):
    an = await people("an", APPROVER)
    await intake.handle(submitted(author="Nguyễn Văn Á"), UNIT)
    done = await approve(an, intake, "--json")
    assert json_output(done)["content_id"] == ITEM
    assert (await stored_position(intake.bus))["decision"]["by"] == await account_id(an)


@pytest.mark.parametrize("author", ["Trần Thị Bình", "Tran Thi Binh", "TRAN  THI BINH"])
async def test_an_account_does_not_approve_what_its_name_wrote(people, intake, author):
    an = await people("an", APPROVER)
    await intake.handle(submitted(author=author), UNIT)
    refused = await approve(an, intake)
    assert refused.exit_code == 2 and "phải do người khác" in refused.stderr
    assert await released_publications(intake.bus) == []


async def test_a_role_without_the_right_is_refused(people, intake):
    an = await people("an", "bien-tap-vien")
    await intake.handle(submitted(), UNIT)
    refused = await reject(an, intake)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    assert (await approve(an, intake)).exit_code == 2
    assert (await stored_position(intake.bus))["state"] == "waiting"


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("bien-tap-vien", {ITEM, "chi-cong"}),
        (f"bien-tap-vien/units={UNIT}", {ITEM, "chi-cong"}),
        ("bien-tap-vien/topics=viec-lam", {"chi-cong"}),
        ("lanh-dao-don-vi/units=vu-phap-che", set()),
        ("nguoi-gui-tin", {"chi-cong"}),
        ("quan-tri-kenh", None),
    ],
)
async def test_a_draft_is_shown_to_roles_that_may_read_it(people, intake, role, seen):
    an = await people("an", role)
    await intake.handle(submitted(), UNIT)
    own = {"content_id": "chi-cong", "topic": "viec-lam", "author": "Trần Thị Bình"}
    await intake.handle(submitted(**own), UNIT)
    listed = await an("desk", "list", "--json")
    assert listed.exit_code == (2 if seen is None else 0), listed.output
    if seen is not None:
        assert {draft["content_id"] for draft in json_output(listed)} == seen
    for content_id in (ITEM, "chi-cong"):
        shown = await an("desk", "show", content_id)
        assert (shown.exit_code == 0) == (content_id in (seen or ())), shown.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_break_glass_is_for_the_owner_of_the_data_folder(people, tmp_path, monkeypatch):
    an = await people("an", APPROVER)
    os.chown(tmp_path, 12345, -1)
    monkeypatch.setattr("consumers.cli.authorization.os.geteuid", lambda: 54321)
    for words in (("pause", "email"), ("desk", "list")):
        refused = await an(*words, "--by", "X", XDG_STATE_HOME="/nowhere")
        assert refused.exit_code == 2 and "only the owner" in refused.stderr


async def test_without_an_account_or_a_name_nothing_is_decided(people, intake, loa):
    await intake.handle(submitted(), UNIT)
    [draft] = await intake.decisions.waiting_drafts()
    refused = await loa(
        "desk", "approve", ITEM, "--hash", draft.hash, "--clean", XDG_STATE_HOME="/nowhere"
    )
    assert refused.exit_code == 2 and "loa login" in refused.stderr
    assert (await stored_position(intake.bus))["state"] == "waiting"


async def test_a_name_in_place_of_an_account_works_and_is_told(people, intake):
    an = await people("an", APPROVER)
    await intake.handle(submitted(), UNIT)
    done = await approve(an, intake, "--by", "Lê Văn Cường")
    assert done.exit_code == 0 and "break-glass" in done.stderr
    assert (await stored_position(intake.bus))["decision"]["by"] == "Lê Văn Cường"


async def test_an_approval_without_hash_shows_the_text_and_asks(intake, loa):
    await intake.handle(submitted(body="Nội dung phải đọc."), UNIT)
    for answer in ("", "n\n", "\n"):
        refused = await loa(
            "desk", "approve", ITEM, "--clean", "--by", "Lê Văn Cường", stdin=answer
        )
        assert refused.exit_code == 2 and "--hash" in refused.stderr
        assert "Nội dung phải đọc." in refused.stdout
    assert await released_publications(intake.bus) == []
    done = await loa("desk", "approve", ITEM, "--clean", "--by", "Lê Văn Cường", stdin="y\n")
    assert done.exit_code == 0 and len(await released_publications(intake.bus)) == 1


async def test_who_approves_what_no_editor_proposed_says_that_nothing_secret_is_in_it(
    people, intake
):
    an = await people("an", APPROVER)
    await intake.handle(submitted(), UNIT)
    [draft] = await intake.decisions.waiting_drafts()
    for person in ((), ("--by", "Lê Văn Cường")):
        words = ("desk", "approve", ITEM, "--hash", draft.hash, *person)
        refused = await an.say(*words)
        assert refused.exit_code == 2 and "--clean" in refused.stderr
    assert await released_publications(intake.bus) == []
    assert (await approve(an, intake)).exit_code == 0


async def test_what_is_urgent_takes_two_approvers(people, intake):
    an = await people("an", APPROVER)
    binh = await people("binh", APPROVER, name="Lê Văn Cường")
    await intake.handle(submitted(lane="urgent"), UNIT)
    for _ in range(2):
        first = await approve(an, intake)
        assert first.exit_code == 2 and "second account" in first.stderr
    assert await released_publications(intake.bus) == []
    second = await approve(binh, intake)
    assert second.exit_code == 0, second.stderr
    assert len(await released_publications(intake.bus)) == 1


@pytest.mark.parametrize(("many", "needs_two"), [(2, True), (3, False)])
async def test_what_can_reach_very_many_takes_two_approvers(
    people, intake, loa, tmp_path, many, needs_two
):
    (tmp_path / "roles.toml").write_text(
        ROLES_TEXT.replace("many_readers = 100000", f"many_readers = {many}")
    )
    lines = [f"n{number}@example.com,A,,,," for number in range(3)]
    readers = tmp_path / "readers.csv"
    readers.write_text("\n".join(["email,name,topics,audiences,units,frequency", *lines]))
    assert (await loa("subscribers", "import", readers)).exit_code == 0
    an = await people("an", APPROVER)
    await intake.handle(submitted(channels=["email"]), UNIT)
    first = await approve(an, intake)
    assert ("second account" in first.stderr, first.exit_code) == (needs_two, 2 if needs_two else 0)
    await intake.handle(submitted(content_id="chi-cong", channels=["portal"]), UNIT)
    [draft] = [
        one for one in await intake.decisions.waiting_drafts() if one.content_id == "chi-cong"
    ]
    words = ("desk", "approve", "chi-cong", "--hash", draft.hash, "--clean")
    assert (await an.say(*words)).exit_code == 0, "the portal reaches who looks"


async def test_a_withdrawal_names_the_account(people, intake):
    an = await people("an", APPROVER)
    await intake.handle(submitted(), UNIT)
    await approve(an, intake)
    done = await an.say("withdraw", ITEM, "--reason", "Nhầm", "--yes", "--json", USER="root")
    assert done.exit_code == 0, done.stderr
    _, acts = await EditorialLog(intake.bus).history(ITEM)
    by = (acts[-1].kind, acts[-1].by, acts[-1].role)
    assert by == (ActionKind.WITHDRAW, await account_id(an), APPROVER)


async def test_two_who_withdraw_agree_about_one_text(people, intake):
    an, binh = await people("an", APPROVER), await people("binh", APPROVER)
    before, alone, after = ROLES_TEXT.rpartition('withdraw = "')
    rules = Path(an.loa.environ["LOA_DATA_DIR"]) / "roles.toml"
    rules.write_text(f"{before}{alone}two people, {after}")
    await intake.handle(submitted(), UNIT)
    await approve(an, intake)
    words = ("withdraw", ITEM, "--reason", "Nhầm", "--yes")
    assert "second account" in (await an.say(*words)).stderr
    await intake.handle(corrected(revision=2, corrects_revision=1), UNIT)
    await approve(an, intake)
    assert "second account" in (await binh.say(*words)).stderr, "they mean another text"
    assert (await an.say(*words)).exit_code == 0


async def test_a_command_is_carried_out_and_recorded_under_account_role_and_session(people, bus):
    operator = await people("an", "quan-tri-kenh")
    other = await people("binh", APPROVER)
    refused = await other("pause", "email")
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    assert (await operator("pause", "email", "--reason", "bảo trì")).exit_code == 0
    told = json_output(await operator("audit", "list", "--by", "X", "--json"))
    intent, outcome = [one for one in told if one["action"] == "channel.pause"]
    for record in (intent, outcome):
        assert (record["actor"], record["role"]) == (await account_id(operator), "quan-tri-kenh")
        assert record["session"]
    started = [one["actor"] for one in told if one["action"] == "session.start"]
    assert started == [await account_id(one) for one in (operator, other)]


async def test_a_unit_is_added_by_two_managers(people, bus):
    one, two = await people("an", MANAGER), await people("binh", MANAGER)
    words = ("units", "add", "vu-to-chuc-can-bo", "--json")
    first = await one.say(*words)
    assert first.exit_code == 2 and "second account" in first.stderr
    done = await two.say(*words)
    assert done.exit_code == 0 and json_output(done)["api_key"]


async def test_a_decision_asks_for_a_code_again_after_5_minutes(people, intake, clock):
    an = await people("an", APPROVER)
    await intake.handle(submitted(), UNIT)
    clock.advance(400)
    [draft] = await intake.decisions.waiting_drafts()
    words = ("desk", "approve", ITEM, "--hash", draft.hash, "--clean")
    assert (await an(*words)).exit_code == 2, "no code"
    assert (await an(*words, stdin="000000\n")).exit_code == 2
    assert (await an.say(*words)).exit_code == 0


async def test_the_session_is_in_a_file_of_its_owner_alone(people, tmp_path):
    an = await people("an", APPROVER)
    [file] = (tmp_path / "state-an" / "loa").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    refused = await an("whoami")
    assert refused.exit_code == 2 and "delete the file" in refused.stderr
    file.chmod(0o600)
    assert (await an("whoami")).exit_code == 0
    assert "signed out" in (await an("logout")).stdout and not file.exists()
    assert "was not signed in" in (await an("logout")).stdout
    assert (await an("whoami")).exit_code == 2


async def test_another_sign_in_ends_the_session_before(people, tmp_path):
    an = await people("an", APPROVER)
    [file] = (tmp_path / "state-an" / "loa").iterdir()
    before = file.read_text()
    await an.sign_in()
    assert (await an("whoami")).exit_code == 0 and file.read_text() != before
    file.write_text(before)
    assert (await an("whoami")).exit_code == 2


async def test_one_session_of_the_account_is_ended_by_its_id(people, tmp_path):
    an, other = await people("an", APPROVER), await people("binh", APPROVER)
    [file] = (tmp_path / "state-an" / "loa").iterdir()
    first = file.read_text()
    file.unlink()  # as at another terminal
    await an.sign_in()
    rows = json_output(await an("sessions", "--json"))
    assert [row["here"] for row in rows] == [True, False]
    for terminal in (other, an):
        run = await terminal("logout", "--session", rows[1]["id"])
        assert run.exit_code == (0 if terminal is an else 2), "another account's is not ended"
    second = file.read_text()
    file.write_text(first)
    assert (await an("whoami")).exit_code == 2
    file.write_text(second)
    assert (await an("whoami")).exit_code == 0
    assert (await an("logout", "--session", rows[0]["id"])).exit_code == 0 and not file.exists()


async def test_disabling_ends_the_session_of_a_terminal(people):
    boss = await people("an", MANAGER)
    other = await people("binh", APPROVER)
    assert (await boss("staff", "disable", "binh")).exit_code == 0
    assert (await other("whoami")).exit_code == 2
    refused = await other.say("login", "binh", lines=(PASSWORD,))
    assert refused.exit_code == 2
    assert (await boss("staff", "enable", "binh")).exit_code == 2, "that takes two managers"


async def test_with_two_managers_the_owner_of_the_folder_adds_no_more_and_two_are_needed(
    people, loa
):
    editor = await people("giang", "bien-tap-vien")
    one, two = await people("an", MANAGER), await people("binh", MANAGER)
    words = ("staff", "add", "cuong", "--name", "C", "--unit", UNIT, "--role", "bien-tap-vien")
    alone = await loa(*words, XDG_STATE_HOME="/nowhere")
    assert alone.exit_code == 2 and "not signed in" in alone.stderr
    first = await one.say(*words)
    assert first.exit_code == 2 and "second account" in first.stderr
    assert (await one.say(*words)).exit_code == 2
    [waiting] = json_output(await two("staff", "proposals", "--json"))
    assert (waiting["about"], waiting["proposed_by"]) == ("cuong", "an")
    for command in (("proposals",), ("refuse", waiting["id"])):
        assert (await editor("staff", *command)).exit_code == 2, "that takes a manager"
    for _ in range(2):
        refused = await two.say("staff", "refuse", waiting["id"])
    assert refused.exit_code == 2 and "waits no more" in refused.stderr
    assert json_output(await one("staff", "proposals", "--json")) == []
    assert (await two.say(*words)).exit_code == 2, "nothing is left to agree to"
    done = await one.say(*words)
    assert done.exit_code == 0, done.stderr
    rows = json_output(await one("staff", "list", "--json"))
    assert [(row["login"], row["state"]) for row in rows] == [
        *(("an", "active"), ("binh", "active"), ("cuong", "invited"), ("giang", "active")),
    ]


async def test_until_two_managers_have_signed_in_it_is_said_who_adds_accounts(people, loa):
    boss = await people("an", MANAGER)
    words = ("staff", "add", "binh", "--name", "B", "--unit", UNIT, "--role", MANAGER)
    refused = await boss.say(*words)
    assert refused.exit_code == 2 and "`loa logout` first" in refused.stderr
    assert (await boss("logout")).exit_code == 0
    added = await boss(*words, "--json")
    assert added.exit_code == 0 and "1 of 2 account managers" in added.stderr
    await people("chi", MANAGER, name="Lê Chi")
    other = await loa(*words[:2], "dung", *words[3:], XDG_STATE_HOME="/nowhere")
    assert "loa logout" not in other.stderr and "account managers have" not in other.stderr


async def test_roles_and_resets_end_sessions(people):
    an = await people("an", APPROVER)
    owner = an.loa.extended(XDG_STATE_HOME="/nowhere")
    assert (
        await owner("staff", "roles", "an", "--role", f"{APPROVER}/topics=viec-lam")
    ).exit_code == 0
    assert (await an("whoami")).exit_code == 2
    await an.sign_in()
    assert json_output(await an("whoami", "--json"))["roles"] == [f"{APPROVER}/topics=viec-lam"]
    reset = await owner("staff", "reset", "an", "--yes", "--break-glass", "--json")
    assert reset.exit_code == 0 and "chủ sở hữu" in reset.stderr
    assert (await an("whoami")).exit_code == 2
    assert len(json_output(reset)["invitation"]) == 32


async def test_a_disabled_account_gets_no_code_that_cannot_work(people):
    an = await people("an", APPROVER)
    owner = an.loa.extended(XDG_STATE_HOME="/nowhere")
    disabled = json_output(await owner("staff", "disable", "an", "--json"))
    assert (disabled["login"], disabled["state"]) == ("an", "disabled")
    refused = await owner("staff", "reset", "an", "--yes", "--break-glass")
    assert refused.exit_code == 2 and "`loa staff enable an`" in refused.stderr
    assert "on record" not in refused.stderr, "nothing was done"
    assert json_output(await owner("staff", "enable", "an", "--json"))["login"] == "an"
    assert (await owner("staff", "reset", "an", "--yes", "--break-glass")).exit_code == 0


async def test_a_new_role_that_needs_an_app_waits_for_one(people, intake, monkeypatch):
    an = await people("an", "nguoi-gui-tin")
    await an("logout")
    owner = an.loa.extended(XDG_STATE_HOME="/nowhere")
    invitation = json_output(await owner("staff", "reset", "an", "--yes", "--json"))["invitation"]
    words = ("login", "an", "--invited", "--without-codes")
    lines = "\n".join([invitation, PASSWORD, PASSWORD, ""])
    assert (await an(*words, stdin=lines)).exit_code == 0
    await owner("staff", "roles", "an", "--role", APPROVER)
    for ended in (f"{PASSWORD}\n\n", f"{PASSWORD}\n"):
        assert (said := await an("login", "an", stdin=ended)).exit_code == 0, said.stderr
    assert re.search(r"^Code of the authenticator app", said.stderr, re.M), "a line of its own"
    await intake.handle(submitted(), UNIT)
    refused = await reject(an, intake)
    assert refused.exit_code == 2 and "authenticator app" in refused.stderr


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("giam-doc", "quan-tri-tai-khoan"),
        ("nguoi-gui-tn", "did you mean nguoi-gui-tin?"),
        (f"{APPROVER}/topics=khong-co", "khong-co"),
        (f"{APPROVER}/units=khong-co", "khong-co"),
        (f"{APPROVER}/topic=viec-lam", "can't be read"),
    ],
)
async def test_a_role_that_is_none_is_named(bus, loa, role, words):
    refused = await loa("staff", "add", "an", "--name", "A", "--unit", UNIT, "--role", role)
    assert refused.exit_code == 2 and words in refused.stderr


async def test_roles_that_exclude_each_other_are_refused(bus, loa):
    both = ("--role", MANAGER, "--role", APPROVER)
    refused = await loa("staff", "add", "an", "--name", "A", "--unit", UNIT, *both)
    assert refused.exit_code == 2 and MANAGER in refused.stderr and APPROVER in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_only_the_owner_of_the_folder_makes_the_first_account(
    bus, loa, tmp_path, monkeypatch
):
    os.chown(tmp_path, 12345, -1)
    monkeypatch.setattr("consumers.cli.authorization.os.geteuid", lambda: 54321)
    words = ("staff", "add", "an", "--name", "A", "--unit", UNIT, "--role", MANAGER)
    refused = await loa(*words, XDG_STATE_HOME="/nowhere")
    assert refused.exit_code == 2 and "not signed in" in refused.stderr


@pytest.mark.parametrize("words", [("roles", "an", "--role", MANAGER), ("reset", "an", "--yes")])
async def test_a_folder_without_the_key_of_the_data_proves_nothing(people, tmp_path, words):
    an = await people("an", APPROVER)
    await an("logout")
    (tmp_path / "vault.key").write_text("ab" * 32)
    options = ("--break-glass",) if words[0] == "reset" else ()
    refused = await an("staff", *words, *options)
    assert refused.exit_code == 2 and "vault.key" in refused.stderr
    [row] = json_output(await an("staff", "list", "--json"))
    assert (row["state"], row["roles"]) == ("active", APPROVER)


@pytest.mark.parametrize(
    ("wrong_code", "lines", "words", "asked"),
    [
        ("a" * 32, (), ("one-use code", "mã kích hoạt"), 1),
        ("", ("ngắn", "ngắn"), ("at least 8 characters", "ít nhất 8 ký tự"), 3),
        ("", (PASSWORD, "khác"), ("the two entries differ", "khác nhau"), 3),
    ],
)
async def test_the_key_for_the_app_comes_after_a_right_code_and_password(
    bus, loa, wrong_code, lines, words, asked
):
    home = {"XDG_STATE_HOME": "/nowhere"}
    add = ("staff", "add", "an", "--name", "Trần A", "--unit", UNIT, "--role", MANAGER, "--json")
    code = wrong_code or json_output(await loa(*add, **home))["invitation"]
    stdin = "\n".join((code, *lines, ""))
    refused = await loa("login", "an", "--invited", stdin=stdin, **home)
    assert refused.exit_code == 2 and "otpauth" not in refused.output, "before the app's key"
    assert all(word in refused.stderr for word in words)
    prompts = ("One-use code, as `loa staff add`", "New password", "The same again")
    assert [one in refused.stderr for one in prompts] == [number < asked for number in range(3)]
    if asked > 1:
        assert "at least 8 characters" in refused.stderr, "the rules are told before"


async def test_who_must_have_an_app_is_told_before_a_password_is_asked_for(bus, loa):
    home = {"XDG_STATE_HOME": "/nowhere"}
    add = ("staff", "add", "an", "--name", "Trần A", "--unit", UNIT, "--role", MANAGER, "--json")
    code = json_output(await loa(*add, **home))["invitation"]
    refused = await loa("login", "an", "--invited", "--without-codes", stdin=f"{code}\n", **home)
    assert refused.exit_code == 2 and "authenticator app" in refused.stderr
    assert "New password" not in refused.stderr


async def test_where_no_active_account_may_the_way_without_one_is_named(people, loa, bus):
    await register_unit(bus)
    await people("an", APPROVER)
    home = {"XDG_STATE_HOME": "/nowhere"}
    words = ("units", "bus-key", UNIT)
    for refused in (await loa(*words, **home), await loa("units", "rotate", UNIT, **home)):
        assert refused.exit_code == 2
        assert "--by NAME" in refused.stderr and "--by TÊN" in refused.stderr
    await people("binh", MANAGER)
    refused = await loa(*words, **home)
    assert refused.exit_code == 2 and "--by NAME" not in refused.stderr


async def test_an_invitation_is_shown_once_with_what_to_do(bus, loa):
    words = ("staff", "add", "an", "--name", "A", "--unit", UNIT, "--role", MANAGER)
    said = await loa(*words, XDG_STATE_HOME="/nowhere")
    login, code, *told = said.stdout.splitlines()[-4:]
    assert login == "an" and re.fullmatch("[a-z2-7]{32}", code)
    assert all("loa login an --invited" in line for line in told)


async def test_two_managers_link_a_person_of_the_identity_provider(people, loa, bus, clock):
    with_provider = {
        "LOA_OIDC_ISSUER": "https://dinh-danh.example", "LOA_OIDC_CLIENT_ID": "loa",
        "LOA_OIDC_CLIENT_SECRET": "s",
    }  # fmt: skip
    officer = await people("chi", "nguoi-gui-tin")
    managers = [await people(login, MANAGER) for login in ("an", "binh")]
    waiting = PendingPeople(bus, clock)
    issuer = with_provider["LOA_OIDC_ISSUER"]
    await waiting.add(Identity(issuer, "7c9e", clock(), name="Lê Chi", login="le-chi"))
    none = await managers[0]("staff", "link", "chi", "7c9e")
    assert none.exit_code != 0 and "LOA_OIDC_ISSUER" in none.stderr
    for one in managers:
        one.loa = one.loa.extended(**with_provider)
    [row] = json_output(await managers[0]("staff", "identities", "--json"))
    assert (row["login"], row["subject"], row["name"]) == ("", "7c9e", "Lê Chi")
    assert row["last_seen"].endswith("Z"), "JSON has UTC, a table Vietnam's time"
    assert "+07" in (await managers[0]("staff", "identities")).stdout
    assert (await officer("staff", "link", "chi", "7c9e")).exit_code != 0
    assert (await managers[0].say("staff", "link", "chi", "é")).exit_code != 0
    first = await managers[0].say("staff", "link", "chi", "7c9e")
    assert first.exit_code != 0 and await waiting.all()
    assert (await managers[1].say("staff", "link", "chi", "7c9e")).exit_code == 0
    [row] = json_output(await managers[0]("staff", "identities", "--json"))
    assert (row["login"], row["subject"]) == ("chi", "7c9e")
    for one in managers:
        last = await one.say("staff", "unlink", "chi")
    assert last.exit_code == 0
    assert json_output(await managers[0]("staff", "identities", "--json")) == []


async def test_a_person_chooses_the_own_mail_and_two_managers_set_anothers(people):
    officer = await people("chi", "nguoi-gui-tin")
    managers = [await people(login, MANAGER) for login in ("an", "binh")]
    said = await officer("staff", "mail", "--address", "chi@example.gov.vn", "--off", "approved")
    assert said.exit_code == 0, said.stderr
    told = json_output(await officer("staff", "mail", "--on", "approved", "--json"))
    assert (told["address"], "approved" in told["kinds"]) == ("chi@example.gov.vn", True)
    wrong = await officer("staff", "mail", "--address", "chi@@example")
    assert wrong.exit_code == 2 and "email" in wrong.stderr
    words = ("staff", "address", "chi", "chi.le@example.gov.vn")
    assert (await officer(*words)).exit_code != 0
    assert (await managers[0].say(*words)).exit_code != 0, "one alone"
    assert json_output(await officer("staff", "mail", "--json"))["address"] == "chi@example.gov.vn"
    assert (await managers[1].say(*words)).exit_code == 0
    told = json_output(await officer("staff", "mail", "--json"))
    assert told["address"] == "chi.le@example.gov.vn"


async def test_a_campaign_is_shown_to_its_partners_with_what_the_person_may_read(people, bus):
    leader = await people("binh", "lanh-dao-don-vi")
    elsewhere = {"unit": "vu-cai-cach-hanh-chinh", "campaign": CAMPAIGN}
    plan = a_plan(partners=[UNIT]).model_dump(mode="json")
    log = EditorialLog(bus)
    await log.act(CAMPAIGN, save("nv-an", **elsewhere, campaign_plan=plan))
    await log.act("tin-khac", save("nv-an", **elsewhere))
    await log.act("tin-minh", save("nv-an", campaign=CAMPAIGN, unit=UNIT))
    shown = json_output(await leader("campaign", "show", CAMPAIGN, "--json"))
    assert [one["content_id"] for one in shown["at_work"]] == ["tin-minh"]
    [listed] = json_output(await leader("campaign", "list", "--json"))
    assert listed["content_id"] == CAMPAIGN
    await log.act(CAMPAIGN, save("nv-an", **elsewhere, campaign_plan=plan | {"partners": []}))
    assert (await leader("campaign", "show", CAMPAIGN)).exit_code != 0
