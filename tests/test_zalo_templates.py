"""Which template serves which notice: registered by the operator, judged by Zalo, shared by all."""

import asyncio
from types import SimpleNamespace

import pytest
import structlog
from pydantic import ValidationError

from channels.errors import Unreachable
from channels.notices import KINDS
from channels.zalo.codes import Refused
from channels.zalo.connect import Stores, open_templates
from channels.zalo.rate import Limits
from channels.zalo.sandbox.shelf import Param, Template
from channels.zalo.settings import ZaloSettings
from channels.zalo.template_book import Blank, Book, price
from channels.zalo.template_book import Template as Known
from channels.zalo.templates import FRESH_S, Templates, Unfit
from channels.zalo.transport import AioTransport
from consumers.app import channels
from consumers.vault import BusVault
from contracts import subjects
from tests.notice_stage import OTP, SERVING, has, noticing
from tests.zalo_stage import MemoryNotebook, MemoryVault

ID = Param(name="ma_ho_so")
CARE = "100002"


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


async def test_what_zalo_says_of_a_template_is_known(house):
    book = await house.templates.book()
    assert book.serving("5") == Known(
        SERVING["5"],
        "Thông báo bổ sung giấy tờ",
        "ENABLE",
        "TRANSACTION",
        "UNDEFINED",
        800,
        560,
        7200000,
        (
            Blank("nguoi_nop", max_length=30),
            Blank("ho_ten", max_length=30),
            Blank("ma_ho_so", max_length=30),
            Blank("han_bo_sung", "DATE", max_length=20),
            Blank("ten_thu_tuc", max_length=90),
            Blank("giay_to", max_length=200),
        ),
    )


async def test_the_book_survives_its_own_form(house):
    book = await house.templates.sync()
    assert (book.daily, book.quality) == (20000, "HIGH")
    assert Book.decode(book.encode()) == book


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"routes": {}, "newer": 1}'])
def test_what_an_older_or_newer_version_wrote_is_read(data):
    assert Book.decode(data) == Book()


@pytest.mark.parametrize(
    ("kind", "template", "names"),
    [
        ("2", OTP, ["otp"]),
        ("2", CARE, ["dia_diem"]),
        ("7", SERVING["2"], ["ngay_hen_tra", "noi_nhan"]),
        ("apology", SERVING["4"], ["ngay_hen_tra"]),
    ],
)
async def test_a_template_that_wants_what_a_notice_may_lack_is_refused_by_name(
    house, kind, template, names
):
    before = await house.templates.book()
    with pytest.raises(Unfit) as refused:
        await house.templates.register({kind: template})
    assert refused.value.names == names
    assert await house.templates.book() == before


@pytest.mark.parametrize("lenient", [{"require": False}, {"accept_null": True}])
async def test_what_a_template_can_do_without_refuses_nothing(house, lenient):
    params = (Param(name="ma_ho_so"), Param(name="lien_ket", max_length=200, **lenient))
    has(house, Template(id="7", name="Mẫu mới", title="x", text="<ma_ho_so> x", params=params))
    book = await house.templates.register({"7": "7"})
    assert book.routes["7"] == "7"


async def test_a_template_that_zalo_does_not_know_is_not_registered(house):
    with pytest.raises(Refused):
        await house.templates.register({"2": "999999"})
    assert (await house.templates.book()).routes == SERVING


async def test_one_template_may_serve_several_kinds_and_is_forgotten_with_the_last(house):
    params = (Param(name="ma_ho_so"), Param(name="trang_thai"))
    has(house, Template(id="7", name="Mẫu chung", title="x", text="<ma_ho_so>", params=params))
    book = await house.templates.register({"1": "7", "2": "7"})
    assert set(book.kinds("7")) == {"1", "2"}
    assert SERVING["1"] not in book.templates
    assert await house.templates.remove("1")
    assert "7" in (await house.templates.book()).templates
    assert await house.templates.remove("2")
    assert "7" not in (await house.templates.book()).templates
    assert not await house.templates.remove("2")


async def test_a_sync_tells_once_what_has_changed(house):
    with structlog.testing.capture_logs() as logs:
        await house.set_template("5", status="DISABLE", quality="LOW")
        await house.templates.sync()
    [line] = logs
    assert line | {"log_level": ""} == {
        "event": "zalo_template_changed", "template": SERVING["5"], "kinds": ["5"],
        "was": "ENABLE", "state": "DISABLE", "quality": "LOW", "log_level": "",
    }  # fmt: skip


async def test_a_template_that_is_gone_at_zalo_is_deleted_here(house):
    await house.set_template("5", status="DELETE")
    assert (await house.templates.book()).serving("5").state == "DELETE"
    assert (await house.templates.book()).serving("4").state == "ENABLE"


@pytest.mark.parametrize("code", [-138, -125, -117])
async def test_a_sync_that_zalo_refuses_changes_nothing(house, code):
    before = await house.templates.book()
    house.stage.fault("business.info", "refuse", code=code)
    with pytest.raises(Refused):
        await house.templates.sync()
    assert await house.templates.book() == before


async def test_a_refused_quota_or_quality_holds_up_nothing_else(house):
    await house.templates.sync()
    for route in ("business.quota", "business.quality"):
        house.stage.fault(route, "refuse", code=-138)
    await house.set_template("5", status="DISABLE")
    book = await house.templates.book()
    assert (book.serving("5").state, book.daily, book.quality) == ("DISABLE", 20000, "")


async def test_without_a_template_zalo_is_not_asked(house):
    for kind in KINDS:
        await house.templates.remove(kind)
    for route in ("business.quota", "business.quality", "business.info"):
        house.stage.fault(route, "refuse", code=-135, times=9)
    assert (await house.templates.sync()).routes == {}


async def test_a_worker_looks_every_four_hours_and_sooner_when_nobody_answered(house, monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError
        house.stage.sandbox.faults.planned.clear()
        house.stage.fault("business.info", ["refuse", "html_before"][len(waits) - 1], times=9)

    monkeypatch.setattr(channels, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        await channels.keep_templates(house.templates)
    assert waits == [4 * 3600, 4 * 3600, 600]


def test_rates_and_caps_are_settings(house, monkeypatch):
    assert house.channel.api.bucket.limits == Limits(5.0, 10.0)
    assert house.templates.api.bucket.limits == Limits(20.0, 40.0)
    for name, value in (("CALLS_PER_S", "0.2"), ("NOTICES_PER_S", "50"), ("MONEY_PER_DAY", "9")):
        monkeypatch.setenv(f"LOA_ZALO_{name}", value)
    settings = ZaloSettings(_env_file=None)
    assert (settings.calls_per_s, settings.notices_per_s) == (0.2, 50.0)
    assert (settings.money_per_day, settings.money_per_month, settings.notices_per_day) == (9, 0, 0)


@pytest.mark.parametrize(
    "wrong", [{"calls_per_s": 0}, {"notices_per_s": -1}, {"money_per_day": -1}]
)
def test_a_rate_or_a_cap_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ZaloSettings(**wrong)


async def test_an_answer_without_a_state_changes_nothing(house, monkeypatch):
    before = await house.templates.book()

    async def nothing(path, **query):
        return {}

    monkeypatch.setattr(house.templates, "ask", nothing)
    with pytest.raises(Unreachable):
        await house.templates.sync()
    assert await house.templates.book() == before


async def test_what_a_webhook_tells_counts_at_once_and_strangers_are_passed_over(house):
    await house.templates.heard(SERVING["5"], quality="LOW")
    await house.templates.heard(SERVING["5"], state="DISABLE")
    await house.templates.heard("4711", state="DISABLE")
    book = await house.templates.book()
    assert (book.serving("5").state, book.serving("5").quality) == ("DISABLE", "LOW")
    assert len(book.templates) == len(KINDS)


async def test_a_minute_long_the_store_is_not_asked_and_then_it_is(house):
    mine, store = house.templates, house.stage.elsewhere.rates
    other = Templates(mine.api, store, mine.key)
    await other.book()
    await mine.heard(SERVING["5"], state="DISABLE")
    house.clock.advance(FRESH_S - 1)
    assert (await other.book()).serving("5").usable
    house.clock.advance(1)
    assert not (await other.book()).serving("5").usable


async def test_everybody_s_changes_stand(bus, house):
    store = BusVault(bus, subjects.CONTROL.name)
    registries = [Templates(house.templates.api, store, "zalo.templates.x") for _ in range(5)]
    await registries[0].register(SERVING)
    kinds = iter(KINDS)
    await asyncio.gather(*(one.remove(next(kinds)) for one in registries))
    assert set((await registries[0].sync()).routes) == set(KINDS[5:])


@pytest.mark.parametrize(
    ("said", "dong"),
    [
        ((800,), 800), (("800",), 800), (("800.0",), 800), ((799.5,), 800), ((None, "300"), 300),
        ((0,), 0), ((None,), None), (("",), None), (("-5",), None), (("nan",), None),
        (("inf",), None),
    ],
)  # fmt: skip
def test_a_price_is_read_in_every_form_and_never_too_low(said, dong):
    assert price(*said) == dong


def test_a_message_by_user_id_whose_price_is_not_named_costs_what_a_phone_does():
    template = Known("7", price_sdt=800)
    assert (template.costs(True), template.costs(False)) == (800, 800)


async def test_the_sandbox_s_templates_serve_every_kind_by_themselves(house):
    """A start again changes nothing that an operator has chosen."""
    account, stores = house.stage.sandbox.settings, house.stage.stores
    fresh = Stores(stores.vault, MemoryNotebook(), stores.key, MemoryVault())
    house.stage.sandbox.world.tokens.expires = 1e12
    await channels.register_shipped(account, fresh)
    transport = AioTransport()
    registry = open_templates(account, fresh, transport)
    assert (await registry.book()).routes == SERVING
    chosen = Template(id="7", name="Mẫu riêng", title="x", text="<x>", params=(ID,))
    has(house, chosen)
    await registry.register({"9": "7"})
    await registry.remove("4")
    await channels.register_shipped(account, fresh)
    assert (await registry.sync()).routes == SERVING | {"9": "7"}
    await transport.close()


async def test_all_processes_share_the_registry_over_the_bus(bus, house):
    store = BusVault(bus, subjects.CONTROL.name)
    one, other = (Templates(house.templates.api, store, "zalo.templates.x") for _ in range(2))
    await one.register({"2": SERVING["2"]})
    await other.register({"4": SERVING["4"]})
    house.clock.advance(FRESH_S)
    assert set((await one.book()).routes) == {"2", "4"}
