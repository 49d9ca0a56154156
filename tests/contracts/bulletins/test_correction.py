"""The correction of an issue: nothing of what was withdrawn, and what was corrected as it is."""

from contracts.bulletins import composition, correction
from contracts.bulletins.issue import PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN
from tests.support.bulletin_history import BEGIN, a_released_item, propose

PHONE = "0901234567"


def released(*items) -> dict:
    return {one.content_id: one for one in items}


def test_a_withdrawn_item_leaves_no_word_in_the_corrected_issue():
    bad, good = a_released_item("xau", title=f"Gọi {PHONE}"), a_released_item("tot")
    issue = propose(bad, good)
    now = released(bad._replace(revision=2, action=WITHDRAWN, title=f"Gỡ {PHONE}"), good)
    found = correction.correct(issue, now)
    fields = found.fields({"reason": "Cũ."}, is_new=True)
    assert PHONE in composition.body_of(issue) and PHONE not in str(fields)
    assert [one.content_id for one in found.issue.entries] == ["tot"]
    assert "1 tin" in fields["reason"] and fields["reason"] != "Cũ."


def test_a_corrected_item_stays_in_its_place_with_its_present_text():
    items = [a_released_item(name) for name in ("a", "b", "c")]
    issue = propose(*items)
    now = released(*items) | {"b": items[1]._replace(revision=2, title="Tên mới", text="Mới.")}
    entries = correction.correct(issue, now).issue.entries
    assert [one.content_id for one in entries] == ["a", "b", "c"]
    assert (entries[1].title, entries[1].text, entries[1].revision) == ("Tên mới", "Mới.", 2)


def test_an_amendment_of_an_item_that_was_withdrawn_since_says_so():
    first = a_released_item("a")
    issue = propose(first, a_released_item("b"))
    changed = first._replace(revision=2, action="corrected", reason="Sai ngày.")
    later = a_released_item("c", first_shown_at=issue.gathered_until.replace(year=2027))
    second = propose(changed, later, earlier=[issue], number=2, of_week=1)
    gone = changed._replace(revision=3, action=WITHDRAWN, reason="", title="Đã gỡ")
    [told] = correction.correct(second, released(gone)).issue.amendments
    assert (told.change, told.title, told.revision) == ("withdrawn", "Đã gỡ", 3)


def test_an_issue_of_items_that_are_as_it_tells_stays_and_a_repeat_changes_nothing():
    items = [a_released_item(name) for name in ("a", "b")]
    issue, now = propose(*items), released(*items)
    assert correction.correct(issue, now) == (issue, 0, 0)
    now["a"] = items[0]._replace(revision=2, action=WITHDRAWN)
    once = correction.correct(issue, now)
    assert (once.withdrawn, once.corrected) == (1, 0)
    again = correction.correct(once.issue, now)
    assert again == (once.issue, 0, 0)


def test_a_reason_that_people_wrote_is_kept():
    found = correction.correct(propose(a_released_item()), released(a_released_item()))
    assert found.fields({"reason": "Sai tên."}, is_new=False)["reason"] == "Sai tên."


def test_the_reason_counts_all_that_readers_lose_however_often_a_correction_is_made_anew():
    items = [a_released_item(name) for name in ("a", "b", "c", "d")]
    out, now = propose(*items), released(*items)
    draft, data = out, {}
    for name, action in (("a", WITHDRAWN), ("c", "corrected"), ("b", WITHDRAWN)):
        now[name] = now[name]._replace(revision=2, action=action)
        found = correction.correct(draft, now, out)
        draft, data = found.issue, found.fields(data, is_new=draft == out)
    assert data["reason"] == composition.correction_reason(withdrawn=2, corrected=1)
    assert correction.correct(draft, now, out) == (draft, 2, 1), "also when nothing changes"


def test_an_issue_that_tells_a_withdrawn_item_is_found_until_it_is_corrected():
    first = a_released_item("a")
    issue = propose(first, a_released_item("b"))
    published = PublishedIssue(issue.content_id, issue)
    assert correction.tells_withdrawn(published, {"a": 2, "x": 9}) == ["a"]
    gone = first._replace(revision=2, action=WITHDRAWN, first_shown_at=BEGIN)
    second = propose(gone, earlier=[issue], number=2, of_week=1)
    assert [one.change for one in second.amendments] == [WITHDRAWN]
    assert correction.tells_withdrawn(PublishedIssue("2", second), {"a": 2}) == []
