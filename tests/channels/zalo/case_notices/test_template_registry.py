"""Which template serves which notice: registered by the operator, judged by Zalo, shared by all."""

import asyncio
from types import SimpleNamespace

import pytest
import structlog

from channels.case_notice_texts import NOTICE_KINDS
from channels.errors import Unreachable
from channels.zalo.case_notices.template_models import (
    RegisteredTemplates,
    TemplateParam,
    parse_price,
)
from channels.zalo.case_notices.template_models import Template as Known
from channels.zalo.case_notices.template_registry import CACHE_S, TemplateRegistry
from channels.zalo.client.transport import AiohttpTransport
from channels.zalo.errors import Refused, UnfitTemplate
from channels.zalo.factory import ChannelParts
from consumers.app.wiring import zalo
from consumers.zalo.stores import BusKeyValueStore
from contracts import subjects
from sandbox.zalo.state.templates import Param, shipped_routes
from tests.support.zalo_account import memory_stores
from tests.support.zalo_notices import OTP, SERVING, add_template

ID = Param(name="ma_ho_so")
CARE = "100002"


async def test_what_zalo_says_of_a_template_is_known(zalo_notices):
    book = await zalo_notices.templates.current()
    assert book.template_for("5") == Known(
        SERVING["5"],
        "Thông báo bổ sung giấy tờ",
        "ENABLE",
        "TRANSACTION",
        "UNDEFINED",
        800,
        560,
        7200000,
        (
            TemplateParam("kinh_gui", max_length=30),
            TemplateParam("ho_ten", max_length=30),
            TemplateParam("ma_ho_so", max_length=30),
            TemplateParam("han_bo_sung", "DATE", max_length=20),
            TemplateParam("ten_thu_tuc", max_length=90),
            TemplateParam("giay_to", max_length=200),
        ),
    )


async def test_the_book_survives_its_own_form(zalo_notices):
    book = await zalo_notices.templates.sync()
    assert (book.daily, book.quality) == (20000, "HIGH")
    assert RegisteredTemplates.decode(book.encode()) == book


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"routes": {}, "newer": 1}'])
def test_what_an_older_or_newer_version_wrote_is_read(data):
    assert RegisteredTemplates.decode(data) == RegisteredTemplates()


@pytest.mark.parametrize(
    ("kind", "template", "names"),
    [
        ("2", OTP, ["otp"]),
        ("2", CARE, ["dia_diem"]),
        ("7", SERVING["2"], ["ngay_hen_tra", "noi_nhan"]),
        ("apology", SERVING["4"], ["ngay_hen_tra"]),
    ],
)
async def test_a_template_that_wants_too_much_is_refused(zalo_notices, kind, template, names):
    before = await zalo_notices.templates.current()
    with pytest.raises(UnfitTemplate) as refused:
        await zalo_notices.templates.register({kind: template})
    assert refused.value.names == names
    assert await zalo_notices.templates.current() == before


@pytest.mark.parametrize("lenient", [{"require": False}, {"accept_null": True}])
async def test_what_a_template_can_do_without_refuses_nothing(zalo_notices, lenient):
    params = (ID, Param(name="lien_ket", max_length=200, **lenient))
    add_template(zalo_notices, *params)
    book = await zalo_notices.templates.register({"7": "7"})
    assert book.routes["7"] == "7"


async def test_a_template_that_zalo_does_not_know_is_not_registered(zalo_notices):
    with pytest.raises(Refused):
        await zalo_notices.templates.register({"2": "999999"})
    assert (await zalo_notices.templates.current()).routes == SERVING


async def test_one_template_may_serve_several_kinds_and_is_forgotten_with_the_last(zalo_notices):
    add_template(zalo_notices, ID, Param(name="trang_thai"))
    book = await zalo_notices.templates.register({"1": "7", "2": "7"})
    assert set(book.kinds_of("7")) == {"1", "2"}
    assert SERVING["1"] not in book.templates
    assert await zalo_notices.templates.remove("1")
    assert "7" in (await zalo_notices.templates.current()).templates
    assert await zalo_notices.templates.remove("2")
    assert "7" not in (await zalo_notices.templates.current()).templates
    assert not await zalo_notices.templates.remove("2")


async def test_a_sync_tells_once_what_has_changed(zalo_notices):
    with structlog.testing.capture_logs() as logs:
        await zalo_notices.set_template("5", status="DISABLE", quality="LOW")
        await zalo_notices.templates.sync()
    [line] = logs
    assert line | {"log_level": ""} == {
        "event": "zalo_template_changed", "template": SERVING["5"], "kinds": ["5"],
        "was": "ENABLE", "state": "DISABLE", "quality": "LOW", "log_level": "",
    }  # fmt: skip


async def test_a_template_that_is_gone_at_zalo_is_deleted_here(zalo_notices):
    await zalo_notices.set_template("5", status="DELETE")
    assert (await zalo_notices.templates.current()).template_for("5").state == "DELETE"
    assert (await zalo_notices.templates.current()).template_for("4").state == "ENABLE"


@pytest.mark.parametrize("code", [-138, -125, -117])
async def test_a_sync_that_zalo_refuses_changes_nothing(zalo_notices, code):
    before = await zalo_notices.templates.current()
    zalo_notices.account.fault("business.info", "refuse", code=code)
    with pytest.raises(Refused):
        await zalo_notices.templates.sync()
    assert await zalo_notices.templates.current() == before


async def test_a_refused_quota_or_quality_holds_up_nothing_else(zalo_notices):
    await zalo_notices.templates.sync()
    for route in ("business.quota", "business.quality"):
        zalo_notices.account.fault(route, "refuse", code=-138)
    await zalo_notices.set_template("5", status="DISABLE")
    book = await zalo_notices.templates.current()
    assert (book.template_for("5").state, book.daily, book.quality) == ("DISABLE", 20000, "")


async def test_without_a_template_zalo_is_not_asked(zalo_notices):
    for kind in NOTICE_KINDS:
        await zalo_notices.templates.remove(kind)
    for route in ("business.quota", "business.quality", "business.info"):
        zalo_notices.account.fault(route, "refuse", code=-135, times=9)
    assert (await zalo_notices.templates.sync()).routes == {}


async def test_a_worker_looks_every_four_hours_and_sooner_without_answer(zalo_notices, monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError
        zalo_notices.account.sandbox.faults.planned.clear()
        zalo_notices.account.fault(
            "business.info", ["refuse", "html_before"][len(waits) - 1], times=9
        )

    monkeypatch.setattr(zalo, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        await zalo.keep_templates_synced(zalo_notices.templates)
    assert waits == [4 * 3600, 4 * 3600, 600]


async def test_an_answer_without_a_state_changes_nothing(zalo_notices):
    before = await zalo_notices.templates.current()
    zalo_notices.account.replace_body("/template/info/v2", b'{"error":0,"data":{}}')
    with pytest.raises(Unreachable):
        await zalo_notices.templates.sync()
    assert await zalo_notices.templates.current() == before


async def test_what_a_webhook_tells_counts_at_once_and_strangers_are_passed_over(zalo_notices):
    await zalo_notices.templates.apply_template_event(SERVING["5"], quality="LOW")
    await zalo_notices.templates.apply_template_event(SERVING["5"], state="DISABLE")
    await zalo_notices.templates.apply_template_event("4711", state="DISABLE")
    book = await zalo_notices.templates.current()
    assert (book.template_for("5").state, book.template_for("5").quality) == ("DISABLE", "LOW")
    assert len(book.templates) == len(NOTICE_KINDS)


async def test_a_minute_long_the_store_is_not_asked_and_then_it_is(zalo_notices):
    mine, store = zalo_notices.templates, zalo_notices.account.elsewhere.shared
    other = TemplateRegistry(mine.api, store, mine.shared.key)
    await other.current()
    await mine.apply_template_event(SERVING["5"], state="DISABLE")
    zalo_notices.clock.advance(CACHE_S - 1)
    assert (await other.current()).template_for("5").is_usable
    zalo_notices.clock.advance(1)
    assert not (await other.current()).template_for("5").is_usable


def registries_of_processes(bus, zalo_notices, count):
    """The registries of *count* processes, with one value on the bus."""
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    api = zalo_notices.templates.api
    return [TemplateRegistry(api, store, "zalo.templates.x") for _ in range(count)]


async def test_changes_by_several_processes_at_once_are_all_kept(bus, zalo_notices):
    registries = registries_of_processes(bus, zalo_notices, 5)
    await registries[0].register(SERVING)
    kinds = NOTICE_KINDS[:5]
    await asyncio.gather(*(one.remove(kind) for one, kind in zip(registries, kinds, strict=True)))
    assert set((await registries[0].sync()).routes) == set(NOTICE_KINDS[5:])


async def test_a_route_that_another_process_added_can_be_removed_here(bus, zalo_notices):
    here, there = registries_of_processes(bus, zalo_notices, 2)
    await here.register({"4": SERVING["4"]})
    await there.register({"5": SERVING["5"]})
    assert "5" not in (await here.current()).routes
    assert await here.remove("5")
    assert set((await here.sync()).routes) == set((await there.sync()).routes) == {"4"}


async def test_an_event_about_a_template_that_another_process_added_counts(bus, zalo_notices):
    """The cached value does not have the template, so the stored one is read."""
    here, there = registries_of_processes(bus, zalo_notices, 2)
    await here.register({"4": SERVING["4"]})
    await there.register({"5": SERVING["5"]})
    await here.apply_template_event(SERVING["5"], state="DISABLE")
    for registry in (here, there):
        assert (await registry.shared.read()).template_for("5").state == "DISABLE"


@pytest.mark.parametrize(
    ("said", "dong"),
    [
        ((800,), 800), (("800",), 800), (("800.0",), 800), ((799.5,), 800), ((None, "300"), 300),
        ((0,), 0), ((None,), None), (("",), None), (("-5",), None), (("nan",), None),
        (("inf",), None),
    ],
)  # fmt: skip
def test_a_price_is_read_in_every_form_and_never_too_low(said, dong):
    assert parse_price(*said) == dong


def test_a_message_by_user_id_whose_price_is_not_named_costs_what_a_phone_does():
    template = Known("7", price_sdt=800)
    assert (template.price_for(True), template.price_for(False)) == (800, 800)


async def test_the_sandbox_s_templates_serve_every_kind_by_themselves(zalo_notices):
    """A start again changes nothing that an operator has chosen."""
    account, stores = zalo_notices.account.sandbox.settings, zalo_notices.account.stores
    fresh = memory_stores(stores.token_grants, key=stores.encryption_key)
    zalo_notices.account.sandbox.world.tokens.expires = 1e12
    await zalo.register_missing_templates(account, fresh, shipped_routes())
    transport = AiohttpTransport()
    registry = ChannelParts(account, fresh, transport).templates
    assert (await registry.current()).routes == SERVING
    add_template(zalo_notices, ID)
    await registry.register({"9": "7"})
    await registry.remove("4")
    await zalo.register_missing_templates(account, fresh, shipped_routes())
    assert (await registry.sync()).routes == SERVING | {"9": "7"}
    await transport.close()
