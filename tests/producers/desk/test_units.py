"""A unit's page: who sees which, its events with what became of them, its quota and its keys."""

import html
import re
from contextlib import suppress

import pytest
import structlog

from consumers.callbacks import status_store
from consumers.callbacks.attempt_log import Attempt, AttemptLog
from consumers.callbacks.endpoints import Endpoint, EndpointSecret, endpoint_key, progress_key
from consumers.callbacks.progress import Progress, Span
from consumers.callbacks.status_store import StatusStore
from consumers.intake.handler import Intake
from consumers.trials.guests import GuestAddresses
from contracts import envelope, subjects
from contracts.base.times import utc_now
from contracts.delivery import ChannelName
from contracts.errors import ContractError
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from contracts.publication import Publication
from contracts.testing import sample
from contracts.trials.faces import FACES
from contracts.trials.records import TrialEvent
from contracts.vocabulary import DEFAULT
from producers.desk.editor.conversion import editor_texts
from producers.desk.rendering import desk_texts
from producers.gateway.access import BURST, EVENTS_PER_MINUTE
from tests.producers.desk.test_audit import recorded
from tests.support.bus_requests import recorded_requests
from tests.support.dead_letters import bury, store_on_content
from tests.support.desk_app import DeskApp, heading
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    event_id,
    submitted,
    unit_event,
    withdrawn,
)
from tests.support.staff import KEYS

OFFICER, LEADER, EDITOR = "nguoi-gui-tin", "lanh-dao-don-vi", "bien-tap-vien"
OPERATOR, MANAGER = "quan-tri-kenh", "quan-tri-tai-khoan"
OTHER = "vu-phap-che"
PAGE, OTHERS_PAGE = f"/don-vi/{UNIT}", f"/don-vi/{OTHER}"
TEXTS, WHY = desk_texts(), editor_texts()["links"]["why"]
SAID, STATE = TEXTS["unit"], TEXTS["unit"]["state"]
_ROW = re.compile(r'<tr><th scope="row">.*?</tr>', re.S)
_FORMS = re.compile(rf'<form method="post" action="({PAGE}/[a-z-]+)"')


@pytest.fixture
async def registered(desk):
    """The desk of two units that send."""
    for unit in (UNIT, OTHER):
        await desk.registry.add(unit, release="desk")
    return desk


async def sent(desk: DeskApp, event, unit: str = UNIT) -> None:
    """An event that intake has taken in, or refused."""
    kind = event.type.split(".")[-2]
    subject = subjects.content(unit, kind)
    origin = await store_on_content(desk.bus, envelope.to_structured(event), subject)
    with suppress(ContractError):
        await Intake(desk.bus, DEFAULT, desk.clock).handle(event, unit, kind, seq=0)
    assert origin.stream == "CONTENT"


def event_rows(page) -> list[str]:
    """The rows of the events, as people read them."""
    section = page.text.split(f"<h2>{SAID['events']}</h2>")[1].split("</section>")[0]
    return [html.unescape(re.sub(r"<[^>]+>", " ", one)) for one in _ROW.findall(section)]


@pytest.mark.parametrize("role", [OFFICER, LEADER])
async def test_a_person_of_a_unit_sees_its_page_and_no_other(registered, role):
    async with registered.signed_in("an", role) as browser:
        listed = await browser.get("/don-vi")
        assert (listed.status_code, listed.headers["location"]) == (303, PAGE)
        page = await browser.get(PAGE)
        assert heading(page) == DEFAULT.units[UNIT].name
        assert _FORMS.findall(page.text) == []
        for path in (OTHERS_PAGE, f"{OTHERS_PAGE}/cach-gui"):
            refused = await browser.get(path)
            assert refused.status_code == 403 and OTHER not in refused.text


@pytest.mark.parametrize(("role", "forms"), [(OPERATOR, 0), (MANAGER, 5)])
async def test_the_center_sees_every_unit_and_its_managers_have_forms(registered, role, forms):
    async with registered.signed_in("an", role) as browser:
        listed = (await browser.get("/don-vi")).text
        for path in (PAGE, OTHERS_PAGE):
            assert f'href="{path}"' in listed
            assert (await browser.get(path)).status_code == 200
        assert len(set(_FORMS.findall((await browser.get(PAGE)).text))) == forms
        assert (await browser.get("/don-vi/cuc-van-thu-va-luu-tru")).status_code == 404


async def test_an_editor_has_no_page_of_units(registered):
    async with registered.signed_in("an", EDITOR) as browser:
        for path in ("/don-vi", PAGE, f"{PAGE}/cach-gui"):
            assert (await browser.get(path)).status_code == 403


async def test_a_person_of_a_unit_that_does_not_send_reads_how_it_can(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        listed = await browser.get("/don-vi")
        assert listed.status_code == 200 and SAID["none"] in listed.text
        assert (await browser.get(PAGE)).status_code == 404


async def test_events_are_listed_with_what_became_of_them_newest_first(registered):
    refused = corrected("khong-co", 2)
    await sent(registered, submitted())
    await sent(registered, submitted("tin-khac"), OTHER)
    await sent(registered, refused)
    await sent(registered, withdrawn())
    await store_on_content(registered.bus, envelope.to_structured(submitted("dang-den")))
    async with registered.signed_in("an", OFFICER) as browser:
        page = await browser.get(PAGE)
    rows = event_rows(page)
    assert [next(said for said in STATE.values() if said in row) for row in rows] == [
        *(STATE["received"], STATE["withdrawn"], STATE["refused"], STATE["withdrawn"])
    ]
    assert [ITEM in row for row in rows] == [False, True, False, True]
    assert event_id(refused) in rows[2]
    assert "tin-khac" not in page.text


async def test_a_refusal_names_the_field_in_both_languages_and_leads_to_the_letter(
    registered, letters
):
    await sent(registered, submitted())
    again = unit_event("submitted", submitted(title="Bản khác cùng số").data, id="lan-hai")
    await sent(registered, again)
    await bury(letters, envelope.to_structured(again))
    async with registered.signed_in("an", OFFICER) as browser:
        page = await browser.get(PAGE)
    refused = event_rows(page)[0]
    assert STATE["refused"] in refused and "Số bản (revision)" in refused
    assert 'lang="en"' in page.text and "1 was already used by another event" in refused
    assert 'href="/su-kien-loai/1"' in page.text


async def test_a_message_that_can_not_be_read_is_listed_with_its_letter(registered, letters):
    await bury(letters, b"{")
    async with registered.signed_in("an", OFFICER) as browser:
        [row] = event_rows(await browser.get(PAGE))
    assert STATE["refused"] in row and "Tiêu đề (title)" in row and "Số bản" not in row


async def test_who_may_not_read_letters_or_items_gets_no_link_to_them(registered, letters):
    await sent(registered, submitted())
    await bury(letters, b"{")
    async with registered.signed_in("an", MANAGER) as browser:
        page = (await browser.get(PAGE)).text
    assert "/su-kien-loai" not in page and f'href="/tin/{ITEM}"' not in page
    assert f"<code>{ITEM}</code>" in page


async def test_an_item_is_linked_for_who_may_read_it(registered):
    await sent(registered, submitted())
    async with registered.signed_in("an", LEADER) as browser:
        page = (await browser.get(PAGE)).text
    assert f'<a href="/tin/{ITEM}"><bdi>{submitted().data["title"]}</bdi></a>' in page


async def test_a_case_event_shows_neither_dossier_nor_contact(registered):
    event = sample("updated")
    body = envelope.to_structured(envelope.from_structured(event))
    await store_on_content(registered.bus, body, subjects.case(UNIT))
    async with registered.signed_in("an", OFFICER) as browser:
        page = await browser.get(PAGE)
    [row] = event_rows(page)
    assert SAID["kind"]["updated"] in row
    for private in (event["data"]["case_code"], event["data"]["contact"]["email"]):
        assert private not in page.text


def older_link(page, said: str) -> str:
    """The address behind a link to older lines; empty where there is none."""
    found = re.findall(rf'<a class="older" href="([^"#]*)#[a-z-]+">{said}</a>', page.text)
    return html.unescape(found[0]) if found else ""


async def test_links_lead_through_the_events_of_all_kinds_fifty_a_page(registered):
    for number in range(60):
        body = envelope.to_structured(submitted(f"tin-{number}"))
        await store_on_content(registered.bus, body)
        if number % 20 == 0:
            await store_on_content(registered.bus, b"{}", subjects.case(UNIT))
    async with registered.signed_in("an", OFFICER) as browser:
        page, pages = await browser.get(PAGE), []
        while path := older_link(page, SAID["older_events"]):
            pages.append(event_rows(page))
            page = await browser.get(path)
        rows = [*pages[0], *event_rows(page)]
        assert [len(one) for one in pages] == [50]
        behind = await browser.get(f"{PAGE}?truoc=1")
        assert event_rows(behind) == [] and SAID["no_older_events"] in behind.text
        for junk in ("x", "-1", "9" * 18, "9" * 40):
            assert event_rows(await browser.get(f"{PAGE}?truoc={junk}")) == pages[0]
    named = [found[0] if (found := re.search(r"tin-\d+", row)) else "" for row in rows]
    newest = [f"tin-{number}" for number in range(59, -1, -1)]
    assert named == [*newest[:19], "", *newest[19:39], "", *newest[39:59], "", *newest[59:]]


async def test_a_page_of_many_events_asks_no_more_of_the_bus(registered):
    requests = []
    async with registered.signed_in("an", OFFICER) as browser:
        for more in (50, 150):
            for number in range(more):
                event = submitted(f"tin-{more}-{number}")
                await store_on_content(registered.bus, envelope.to_structured(event))
            await browser.get(PAGE)
            with recorded_requests() as made:
                assert len(event_rows(await browser.get(PAGE))) == 50
            requests.append(sorted(made.made))
    assert requests[0] == requests[1]


async def test_a_unit_without_anything_reads_where_to_begin(registered):
    await registered.registry.revoke(UNIT)
    async with registered.signed_in("an", OFFICER) as browser:
        page = (await browser.get(PAGE)).text
        how = (await browser.get(f"{PAGE}/cach-gui")).text
    empty = ("no_events", "no_keys", "no_bus_keys", "no_callbacks", "no_trial_keys", "no_trials")
    assert [name for name in (*empty, "no_guests") if SAID[name] not in page] == []
    places = set(re.findall(rf'href="{PAGE}/cach-gui#([a-z-]+)"', page))
    assert (
        places == {"hoi-truoc", "goi-lai", "gui-thu"} == places & set(re.findall('id="(.*?)"', how))
    )


async def test_the_quota_counts_the_events_of_the_unit(registered):
    for number in range(3):
        await store_on_content(registered.bus, envelope.to_structured(submitted(f"tin-{number}")))
    await store_on_content(registered.bus, b"{}", subjects.content(OTHER, "submitted"))
    async with registered.signed_in("an", OFFICER) as browser:
        page = (await browser.get(PAGE)).text
    assert SAID["of_limit"].format(3, EVENTS_PER_MINUTE) in page
    assert f"<dt>{SAID['today']}</dt><dd>3</dd>" in page
    assert SAID["quota_rule"].format(EVENTS_PER_MINUTE, BURST) in page


async def test_keys_are_listed_until_they_end(registered):
    ends = re.compile(rf'data-column="{SAID["ends"]}">([^<]*)<')
    async with registered.signed_in("an", OFFICER) as browser:
        assert ends.findall((await browser.get(PAGE)).text) == [SAID["stays"]]
        await registered.registry.rotate(UNIT)
        first, second = ends.findall((await browser.get(PAGE)).text)
        assert first != SAID["stays"] and second == SAID["stays"]
        registered.clock.advance(24 * 3600)
    async with registered.browser(await registered.session_of("an")) as browser:
        assert ends.findall((await browser.get(PAGE)).text) == [SAID["stays"]]
        await registered.registry.revoke(UNIT)
        assert SAID["no_keys"] in (await browser.get(PAGE)).text


@pytest.mark.promise("15.4")
async def test_two_managers_give_a_key_for_the_bus_and_one_ends_it(registered):
    add, end = f"{PAGE}/khoa-nats", f"{PAGE}/thu-hoi-nats"
    with structlog.testing.capture_logs() as logs:
        async with (
            registered.signed_in("an", MANAGER) as one,
            registered.signed_in("binh", MANAGER) as two,
        ):
            assert "<code>SU" not in (await one.press(PAGE, add)).text, "it takes two"
            [seed] = re.findall(r"<code>(SU[A-Z2-7]+)</code>", (await two.press(PAGE, add)).text)
            [key] = (await registered.registry.require(UNIT)).bus_keys
            page = await one.get(PAGE)
            assert key.id in page.text and seed not in page.text
            await one.press(PAGE, end)
            assert (await registered.registry.require(UNIT)).bus_keys == ()
            assert (await one.post(end, key=key.id)).status_code == 422, "it has ended"
    told = "".join(one.model_dump_json() for one in await recorded(registered))
    assert '"units.bus-key"' in told and '"units.bus-key-revoke"' in told
    assert seed not in told + str(logs)


async def test_no_page_of_a_unit_has_a_key_or_its_hash(registered):
    secret = await registered.registry.rotate(UNIT)
    seed = await registered.registry.add_bus_key(UNIT)
    hashes = [key.hash for key in (await registered.registry.require(UNIT)).keys]
    async with registered.signed_in("an", MANAGER) as browser:
        for path in ("/don-vi", PAGE, f"{PAGE}/cach-gui"):
            page = (await browser.get(path)).text
            assert not [one for one in (secret, seed, *hashes) if one in page]


async def send_trial(desk: DeskApp) -> TrialEvent:
    """A trial of the unit that was released, as the service stores it."""
    at, event = utc_now(desk.clock), submitted()
    data = envelope.from_structured(envelope.to_structured(event)).data
    said = {"unit": UNIT, "event_id": event_id(event), "action": "published"}
    times = {"released_at": at, "first_released_at": at}
    publication = Publication.model_validate({**data, **said, **times})
    record = TrialEvent(
        hash="h",
        unit=UNIT,
        content_id=ITEM,
        revision=1,
        type=event.type,
        at=at,
        event_id=event_id(event),
        state="released",
        publication=publication,
    )
    await desk.bus.bucket(subjects.TRIALS.name).put(record.key, record.model_dump_json().encode())
    return record


async def test_trials_are_listed_with_their_faces_for_people_of_the_unit_alone(registered):
    record = await send_trial(registered)
    faces = {name: f"{PAGE}/thu/{record.event_id}/{name}" for name in FACES}
    async with registered.signed_in("an", OFFICER) as browser:
        page = (await browser.get(PAGE)).text
        assert SAID["trial_state"]["released"] in page and record.event_id in page
        for name, path in faces.items():
            assert f'href="{path}"' in page
            face = await browser.get(path)
            assert face.status_code == 200, name
            assert "sandbox" in face.headers["content-security-policy"]
        for wrong in ("khac.html", "mail.css"):
            assert (await browser.get(f"{PAGE}/thu/{record.event_id}/{wrong}")).status_code == 404
        assert (await browser.get(f"{PAGE}/thu/{'a' * 26}/mail.txt")).status_code == 404
    registered.unit = OTHER
    async with registered.signed_in("binh", OFFICER) as other:
        assert (await other.get(faces["mail.txt"])).status_code == 403
        assert record.event_id not in (await other.get(OTHERS_PAGE)).text


async def test_guests_are_shown_with_masked_addresses(registered):
    address = "an.nguyen@example.gov.vn"
    guest = GuestAddresses(KEYS.derive).guest(UNIT, address, utc_now(registered.clock))
    await registered.registry.add_guest(UNIT, guest)
    async with registered.signed_in("an", OFFICER) as browser:
        page = (await browser.get(PAGE)).text
    assert "an***@example.gov.vn" in page and address not in page


async def test_a_guest_of_another_key_file_is_shown_by_id(registered):
    addresses = GuestAddresses(lambda _: b"k" * 32)
    guest = addresses.guest(UNIT, "an@example.gov.vn", utc_now(registered.clock))
    await registered.registry.add_guest(UNIT, guest)
    async with registered.signed_in("an", OFFICER) as browser:
        assert f"? ({guest.id})" in (await browser.get(PAGE)).text


@pytest.mark.promise("15.4")
async def test_two_managers_give_a_key_for_trials_and_one_ends_it(registered):
    add, end = f"{PAGE}/khoa-thu", f"{PAGE}/thu-hoi-thu"
    async with (
        registered.signed_in("an", MANAGER) as one,
        registered.signed_in("binh", MANAGER) as two,
    ):
        assert "loatrial_" not in (await one.press(PAGE, add)).text, "it takes two"
        [key] = re.findall(
            r"<code>(loatrial_[a-z0-9_-]+)</code>", (await two.press(PAGE, add)).text
        )
        assert await registered.registry.trials.unit_of(key, utc_now(registered.clock)) == UNIT
        assert key not in (await one.get(PAGE)).text
        await one.press(PAGE, end)
        assert await registered.registry.trials.unit_of(key, utc_now(registered.clock)) is None


async def add_endpoint(desk: DeskApp, unit: str, id: str, *spans: Span) -> None:
    """An address of a unit that is called, as the bucket holds it."""
    at, url = utc_now(desk.clock), "https://he-thong.example.gov.vn/loa?ma=b1mat"
    endpoint = Endpoint(
        origin=url.partition("/loa")[0],
        url=url,
        kinds=(StatusKind.RELEASED,),
        contact="c0ntact",
        secrets=(EndpointSecret(sealed="s3cr3t", created=at),),
        created=at,
    )
    bucket = desk.bus.bucket(subjects.CALLBACKS.name)
    await bucket.put(endpoint_key(unit, id), endpoint.model_dump_json().encode())
    await bucket.put(progress_key(unit, id), Progress(spans=spans).model_dump_json().encode())


async def test_more_may_wait_than_was_counted(registered, monkeypatch):
    await add_endpoint(registered, UNIT, "e1", Span(next=1))
    at, kind = utc_now(registered.clock), StatusKind.RELEASED
    told = ContentStatus(unit=UNIT, kind=kind, content_id="tin", revision=1, at=at)
    await StatusStore(registered.bus).tell([status_fact(told)])
    async with registered.signed_in("an", OFFICER) as browser:
        assert "<dd>1</dd>" in (await browser.get(PAGE)).text
        monkeypatch.setattr(status_store, "MOST_READ", 0)
        assert f"<dd>{SAID['waiting_at_least'].format(0)}</dd>" in (await browser.get(PAGE)).text


async def test_links_lead_through_the_log_of_one_address_ten_attempts_a_page(registered):
    at, log = utc_now(registered.clock), AttemptLog(registered.bus)
    for id in ("e1", "e2"):
        await add_endpoint(registered, UNIT, id)
    tried = [
        Attempt(at=at, fact="f", kind=StatusKind.RELEASED, content_id=f"tin-{number}")
        for number in range(24)
    ]
    for first in range(0, len(tried), 7):
        await log.add(UNIT, "e1", tried[first : first + 7])
        await log.add(UNIT, "e2", [tried[0].model_copy(update={"content_id": "tin-khac"})])
    async with registered.signed_in("an", OFFICER) as browser:
        page, shown = await browser.get(PAGE), []
        while True:
            shown.append(re.findall(r"<code>tin-(\d+)</code>", page.text))
            assert page.text.count("<code>tin-khac</code>") == 4, "the other log stays where it is"
            if not (path := older_link(page, SAID["older_attempts"])):
                break
            page = await browser.get(path)
        assert [len(one) for one in shown] == [10, 10, 4]
        assert [int(number) for one in shown for number in one] == [*range(23, -1, -1)]
        for junk in ("x", "e1.x.0", f"e1.{'9' * 18}.0", "e3.1.0", f"e1.{'9' * 40}.0"):
            page = await browser.get(f"{PAGE}?goi-truoc={junk}")
            assert re.findall(r"<code>tin-(\d+)</code>", page.text) == shown[0]


async def test_callbacks_are_listed_with_their_log_and_without_their_path(registered):
    at = utc_now(registered.clock)
    for unit in (UNIT, OTHER):
        await add_endpoint(registered, unit, "e1")
    kind, log = StatusKind.RELEASED, AttemptLog(registered.bus)
    failed = Attempt(at=at, fact="f", kind=kind, content_id="tin-cua-minh", reason="unknown host x")
    gone = failed.model_copy(update={"status": 410, "reason": "http 410"})
    delivered = {"kind": StatusKind.DELIVERED, "channel": ChannelName.EMAIL, "status": 204}
    await log.add(UNIT, "e1", [failed, gone, failed.model_copy(update=delivered)])
    await log.add(OTHER, "e1", [failed.model_copy(update={"content_id": "tin-nguoi-khac"})])
    async with registered.signed_in("an", OFFICER) as browser:
        page = (await browser.get(PAGE)).text
    assert "https://he-thong.example.gov.vn</bdi>" in page
    assert SAID["callback_state"]["on"] in page and "tin-cua-minh" in page
    assert WHY["unknown_host"] in page and "HTTP 410" in page
    assert f"{SAID['callback_kind']['delivered']} (thư điện tử)" in page
    assert "<code>e1</code>" in page, "by which commands name it"
    hidden = ("/loa?ma", "b1mat", "s3cr3t", "c0ntact", "tin-nguoi-khac")
    assert not [one for one in hidden if one in page]
