"""`loa zalo status`: who the account is, what is left, what is missing and where it is mended."""

import json

import pytest

from channels.errors import Unreachable
from channels.zalo import error_codes
from channels.zalo.account.status import Finding
from channels.zalo.client.store import GrantCipher, TokenGrant
from channels.zalo.client.transport import AiohttpTransport, HttpResponse
from channels.zalo.factory import ChannelParts
from consumers.zalo.account_texts import missing_texts
from tests.support.cli import json_output
from tests.support.zalo_account import memory_stores
from tests.support.zalo_cli import environment


@pytest.fixture
def stores():
    return memory_stores()


class CountingTransport:
    """The network, on which some paths answer something else."""

    def __init__(self, **instead):
        self.real = AiohttpTransport()
        self.instead = instead
        self.asked = []

    async def exchange(self, request):
        self.asked.append(request)
        for part, answer in self.instead.items():
            if part in request.url:
                if isinstance(answer, Exception):
                    raise answer
                return HttpResponse(200, {}, json.dumps(answer).encode())
        return await self.real.exchange(request)

    async def close(self):
        await self.real.close()


@pytest.fixture
def examine(sandbox, stores):
    async def look(*, granted=True, **instead):
        wire = CountingTransport(**instead)
        if granted:
            tokens = ChannelParts(sandbox.settings, stores, wire).tokens
            await tokens.seed(sandbox.grant())
        found = await ChannelParts(sandbox.settings, stores, wire).account_probe().run()
        await wire.close()
        return found, wire

    return look


def tasks(found):
    """The first finding of each task."""
    return {one.task: one for one in reversed(found.missing)}


async def test_an_account_is_known_with_its_tokens_and_quotas(examine):
    found, _ = await examine()
    assert (found.account.kind, found.account.verified) == ("state body", True)
    assert found.account.id and found.account.package
    assert found.token_expires_at - found.token_obtained_at == 90000
    assert found.refresh_ends_at - found.token_obtained_at == 90 * 86400
    assert found.spent == {"articles": "0 of unknown", "broadcasts": "0 of unknown"}
    assert found.broadcasts["total"] == "40"
    assert found.templates["remainingQuota"] == "20000"


async def test_without_a_consent_nothing_is_asked(examine):
    found, wire = await examine(granted=False)
    [only] = found.missing
    assert (only.task, only.fix) == ("sign in", error_codes.operator_fix("consent"))
    assert not wire.asked


async def test_a_lost_consent_says_why(examine, stores, sandbox):
    grant = TokenGrant("a", "r", lost="the consent is lost: oauth -14014")
    sealed = GrantCipher(stores.encryption_key).encrypt(grant)
    await stores.token_grants.swap(f"zalo.grant.{sandbox.settings.app_id}", sealed, 0)
    found, wire = await examine(granted=False)
    assert found.missing[0].reason == "the consent is lost: oauth -14014"
    assert not wire.asked


@pytest.mark.parametrize(
    ("path", "code", "task", "fix"),
    [
        ("getoa", -204, "sign in", "oa"),
        ("getslice", -224, "articles", "package"),
        ("getslice", -212, "articles", "api"),
        ("quota", -223, "broadcasts", "consent"),
        ("quota", -135, "template messages", None),
        ("quality", -138, "template quality", None),
    ],
)
async def test_what_is_missing_says_where_it_is_put_right(examine, path, code, task, fix):
    found, _ = await examine(**{path: {"error": code, "message": "no"}})
    one = tasks(found)[task]
    assert f"zalo {code}" in one.reason
    assert one.fix
    assert fix is None or one.fix == error_codes.operator_fix(fix)


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ({"error": -14003, "error_name": "Invalid redirect uri"}, "callback"),
        ({"error": -14002, "error_name": "Invalid appId"}, "app"),
        ({"error_name": "Invalid secret key"}, "app"),
        ({"error": -14014, "access_token": "", "refresh_token": ""}, "consent"),
    ],
)
async def test_a_token_that_can_not_be_renewed_says_where_that_is_put_right(examine, answer, fix):
    refused = {"error": -216, "message": "Access token is invalid"}
    found, _ = await examine(getoa=refused, **{"oa/access_token": answer})
    one = tasks(found)["sign in"]
    assert answer.get("error_name", "consent").casefold() in one.reason.casefold()
    assert one.fix == error_codes.operator_fix(fix)


async def test_a_zalo_that_is_away_is_said_and_nothing_is_guessed(examine):
    found, _ = await examine(getoa=Unreachable("no connection: x"))
    assert found.account is None
    assert tasks(found)["sign in"].reason == "no connection: x"


async def test_the_account_of_a_business_without_verification_misses_it(examine):
    data = {"oa_id": 12, "name": "x", "oa_type": "2", "is_verified": "false", "linked_ZCA": "z"}
    found, _ = await examine(getoa={"error": 0, "data": data})
    assert (found.account.id, found.account.kind) == ("12", "business")
    assert tasks(found)["everything that is paid"].fix == error_codes.operator_fix("oa")


async def test_every_call_proves_that_it_knows_the_secret(examine, sandbox):
    _, wire = await examine()
    proofs = {one.headers["appsecret_proof"] for one in wire.asked}
    [proof] = proofs
    assert len(proof) == 64
    assert sandbox.settings.app_secret.get_secret_value() not in proof


@pytest.fixture
def command(loa, sandbox):
    """`loa zalo ...`, told to talk to the sandbox."""
    return loa.extended("zalo", **environment(sandbox))


async def test_the_command_tells_people_and_scripts_the_same(command, sandbox, tmp_path):
    assert (told := await command("status")).exit_code == 1
    fix = error_codes.bilingual_fix(error_codes.operator_fix("consent"))
    assert fix.en in told.stdout and f"\n  việc cần làm: {fix.vi}" in told.stdout
    assert "còn thiếu để đăng nhập Zalo: chưa được cấp quyền trên Zalo\n" in told.stdout
    pair = sandbox.grant()
    file = tmp_path / "pair.json"
    file.write_text(json.dumps({"access_token": pair.access_token, "refresh_token": "r"}))
    assert (await command("connect", str(file))).exit_code == 0
    told, said = await command("status"), await command("status", "--json")
    found = json_output(said)
    assert found["account"]["kind"] == "state body"
    assert found["account"]["id"] in told.stdout
    assert (said.exit_code == 1) == bool(found["missing"])
    assert pair.access_token not in told.output + said.output


async def test_without_an_app_it_names_the_setting(command):
    told = await command("status", LOA_ZALO_APP_ID="")
    assert told.exit_code == 2
    assert "LOA_ZALO_APP_ID" in told.stderr


@pytest.mark.parametrize(
    ("task", "reason", "said"),
    [
        ("notices 5, 8", "no template", ("gửi thông báo hồ sơ loại 5, 8", "chưa chọn mẫu")),
        ("articles", "template 7 is REJECT", ("đăng bài viết", "trạng thái của mẫu 7: REJECT")),
        ("broadcasts", "no connection: x", ("phát tin", "không kết nối được: “x”")),
    ],
)
def test_what_is_missing_is_said_in_vietnamese(task, reason, said):
    texts = missing_texts(Finding(task, reason))
    assert (texts.task.vi, texts.why.vi) == said and texts.task.en == task and texts.fix.vi
