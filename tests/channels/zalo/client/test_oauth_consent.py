"""`loa zalo connect` without a file: an admin's consent becomes the first token pair."""

import asyncio
import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from channels.zalo.client import oauth_consent
from channels.zalo.client.oauth_consent import Consent
from channels.zalo.client.token_store import grant_key
from consumers.cli.zalo import parse_token_pair
from contracts import subjects
from contracts.errors import Invalid
from tests.support.zalo_cli import environment

CALLBACK = "https://loa.example/zalo"


def test_the_challenge_is_that_of_the_standard():
    """The example of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert oauth_consent.code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_every_request_has_a_verifier_and_a_state_of_its_own():
    made = [Consent("app", CALLBACK, oauth_consent.new_code_verifier()) for _ in range(50)]
    assert len({one.verifier for one in made}) == len({one.state for one in made}) == 50
    assert all(len(one.verifier) == 43 and one.verifier.isalnum() for one in made)


def test_the_address_says_what_zalo_asks_for_and_hides_the_verifier():
    consent = Consent("123", CALLBACK, "v" * 43)
    parts = urlsplit(consent.url("https://oauth.zaloapp.com/"))
    assert parts.path == "/v4/oa/permission"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    challenge = oauth_consent.code_challenge("v" * 43)
    assert query == {
        "app_id": "123", "redirect_uri": CALLBACK, "code_challenge": challenge,
        "state": consent.state,
    }  # fmt: skip
    assert "v" * 43 not in repr(consent)


@pytest.mark.parametrize(
    ("landed", "code"),
    [
        (CALLBACK + "?code=c&oa_id=1&state={state}", "c"),
        ("  " + CALLBACK + "?state={state}&code=c \n", "c"),
        (CALLBACK + "?code=c&state=another", None),
        (CALLBACK + "?code=c", None),
        (CALLBACK + "?state={state}", None),
        ("c", None),
        ("", None),
        ("https://[loa", None),
        (CALLBACK + "?code=c&state=trạng-thái", None),
        (CALLBACK + "?code=c&state=%FF", None),
    ],
)
def test_only_the_answer_to_this_request_counts(landed, code):
    consent = Consent("app", CALLBACK, "v" * 43, "the-state")
    assert consent.code_from(landed.format(state="the-state")) == code


async def consent(address: str) -> str:
    """Consent in the admin's browser; returns the address at which it ends."""
    async with aiohttp.ClientSession() as browser:
        answer = await browser.get(address, allow_redirects=False)
        return answer.headers["Location"]


class AdminTerminal:
    """The terminal: the input is decided after reading the command's output."""

    def __init__(self, loop, answer) -> None:
        self.loop, self.answer, self.said = loop, answer, ""

    def echo(self, text: str = "", **_: object) -> None:
        self.said += f"{text}\n"

    def readline(self) -> str:
        address = next(word for word in self.said.split() if "/v4/oa/permission" in word)
        return asyncio.run_coroutine_threadsafe(self.answer(address), self.loop).result(10)


@pytest.fixture
def connect(loa, sandbox, monkeypatch):
    """Run the command with an admin at the terminal; *answer* turns the address into the input."""
    known = environment(sandbox) | {"LOA_ZALO_CALLBACK_URL": CALLBACK}

    async def connect(answer=consent, **settings):
        terminal = AdminTerminal(asyncio.get_running_loop(), answer)
        monkeypatch.setattr("consumers.cli.zalo.sys", SimpleNamespace(stdin=terminal))
        monkeypatch.setattr("consumers.cli.zalo.typer.echo", terminal.echo)
        return await loa("zalo", "connect", **known | settings), terminal.said

    return connect


async def stored(bus, sandbox) -> bool:
    vault = bus.bucket(subjects.VAULT.name)
    return await vault.get(grant_key(sandbox.settings.app_id)) is not None


async def test_a_consent_becomes_a_pair_that_is_stored_encrypted(bus, sandbox, connect):
    told, said = await connect()
    assert told.exit_code == 0, said
    assert "stored" in said
    value = await bus.bucket(subjects.VAULT.name).get(grant_key(sandbox.settings.app_id))
    tokens = sandbox.world.tokens
    assert tokens.access
    assert tokens.access.encode() not in value.data
    assert tokens.access not in told.output + said
    assert tokens.refresh not in told.output + said


async def test_a_fixed_verifier_is_used_where_the_console_knows_one(bus, sandbox, connect):
    seen = []

    async def looked_at(address):
        seen.append(parse_qs(urlsplit(address).query)["code_challenge"][0])
        return await consent(address)

    told, said = await connect(looked_at, LOA_ZALO_CODE_VERIFIER="f" * 43)
    assert told.exit_code == 0, said
    assert seen == [oauth_consent.code_challenge("f" * 43)]


async def used(address: str) -> str:
    """A code that another admin has used."""
    return (await consent(address)).replace("code=", "code=used-")


async def of_another_request(address: str) -> str:
    return f"{CALLBACK}?code=c&oa_id=1&state=x"


async def test_a_consent_without_a_refresh_token_replaces_no_pair(bus, sandbox, connect):
    told, said = await connect()
    assert told.exit_code == 0, said
    key = grant_key(sandbox.settings.app_id)
    before = await bus.bucket(subjects.VAULT.name).get(key)
    rules = {"omit_refresh_token": True}
    sandbox.world.rules = sandbox.world.rules.model_copy(update=rules)
    told, said = await connect()
    assert told.exit_code == 2
    assert "refresh token" in said
    assert (await bus.bucket(subjects.VAULT.name).get(key)).revision == before.revision


GOOD = {"access_token": "access", "refresh_token": "refresh", "expires_in": "90000"}


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": ""},
        {"refresh_token": ""},
        {"refresh_token": "  "},
        {"refresh_token": None},
        {"access_token": 7},
        {"access_token": "two words"},
        {"access_token": "tiếng-việt"},
    ],
)
def test_a_pasted_pair_without_two_tokens_is_refused(changes):
    with pytest.raises(Invalid):
        parse_token_pair(json.dumps(GOOD | changes))


@pytest.mark.parametrize("text", ["", "[]", "null", '"x"', "{", '{"access_token": "a"}'])
def test_a_pasted_text_that_is_no_pair_is_refused(text):
    with pytest.raises(Invalid):
        parse_token_pair(text)


def test_what_was_pasted_around_a_token_is_no_part_of_it():
    found = parse_token_pair(
        json.dumps(GOOD | {"access_token": " access\n", "refresh_token": "re/f-r_e+s=\r\n"})
    )
    assert (found.access_token, found.refresh_token) == ("access", "re/f-r_e+s=")
    assert found.lifetime_s == 90000


@pytest.mark.parametrize(
    ("answer", "settings", "field"),
    [
        (used, {}, "code"),
        (of_another_request, {}, "address"),
        (consent, {"LOA_ZALO_CALLBACK_URL": ""}, "LOA_ZALO_CALLBACK_URL"),
        (consent, {"LOA_ZALO_CALLBACK_URL": f"{CALLBACK}?x=1"}, "LOA_ZALO_CALLBACK_URL"),
    ],
    ids=["code", "state", "no callback", "a callback with a query"],
)
async def test_what_is_bad_is_named_and_not_stored(bus, sandbox, connect, answer, settings, field):
    told, said = await connect(answer, **settings)
    assert told.exit_code == 2
    assert field in said, told.output
    assert not await stored(bus, sandbox)
