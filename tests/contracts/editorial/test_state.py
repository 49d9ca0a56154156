"""The table of acts and statuses, and what each rule refuses, by field and in both languages."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.editorial import Action, ActionKind, ItemState, Status, name_hash, state_after
from contracts.editorial.action import AUTOMATIC_RELEASE, GIVEN_UP, RULE, UNIT_SYSTEM, WITHHELD
from contracts.editorial.moves import MOVES
from contracts.editorial.rules import RULES
from contracts.errors import Conflict, Forbidden, Invalid
from tests.support.editorial_world import ROLES, UNIT, a_text, fold

K, S = ActionKind, Status
AT = datetime(2026, 11, 2, 8, tzinfo=UTC)
TEXT, OTHER, THIRD = a_text("Một", "An"), a_text("Hai"), a_text("Ba")
WRITER, LEADER, EDITOR, APPROVER = "nv-viet", "nv-lanh-dao", "nv-bien-tap", "nv-duyet"
OTHER_EDITOR = "nv-bien-tap-hai"
SYSTEM = {"by": UNIT, "role": UNIT_SYSTEM}
UNDECIDED = (S.SUBMITTED, S.UNIT_CONFIRMED, S.IN_EDIT, S.PENDING_APPROVAL)
ALLOWED = {
    None: "receive save",
    S.DRAFT: "receive save submit publish reject supersede withdraw",
    S.SUBMITTED: "receive confirm edit propose approve publish return reject supersede withdraw",
    S.UNIT_CONFIRMED: "receive edit propose publish return reject supersede withdraw",
    S.IN_EDIT: "receive edit propose publish return reject supersede withdraw",
    S.PENDING_APPROVAL: "receive edit approve publish return reject supersede withdraw",
    S.APPROVED: "receive edit schedule publish supersede withdraw",
    S.SCHEDULED: "receive publish supersede withdraw",
    S.PUBLISHED: "receive save publish supersede withdraw",
    S.CORRECTED: "receive save publish supersede withdraw",
    S.WITHDRAWN: "receive save publish supersede",
    S.EXPIRED: "",
    S.RETURNED: "receive save submit publish reject supersede withdraw",
    S.REJECTED: "receive save settle publish supersede withdraw",
}
"""Publishing and superseding may concern a revision before the newest one.

A remark is possible on every item."""


class Story:
    """Acts on one item, each by its usual person."""

    def __init__(self) -> None:
        self.state = ItemState()
        self.count = 0

    def build(self, kind: ActionKind, by: str, /, **more) -> Action:
        text = more.get("text")
        facts = {
            "by": by,
            "id": f"viec-{self.count}",
            "at": AT,
            "revision": self.state.revision or 1,
            "hash": text.hash if text else self.state.hash,
            "prev": self.state.head,
        }
        return Action(kind=kind, **facts | more)

    def act(self, kind: ActionKind, by: str, /, **more) -> "Story":
        self.state = state_after(self.state, self.build(kind, by, **more))
        self.count += 1
        return self

    def received(self) -> "Story":
        number = self.state.revision + 1
        return self.act(K.RECEIVE, UNIT, role=UNIT_SYSTEM, text=TEXT, revision=number)

    def sent(self) -> "Story":
        return self.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER)

    def proposed(self) -> "Story":
        self.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER)
        return self.act(K.EDIT, EDITOR, text=OTHER).act(K.PROPOSE, EDITOR)


@pytest.fixture
def item() -> Story:
    return Story()


@pytest.mark.parametrize("status", [None, *Status])
@pytest.mark.parametrize("kind", ActionKind)
def test_the_table_has_exactly_the_acts_of_each_status(status, kind):
    is_remark = kind is K.COMMENT and status not in (None, S.EXPIRED)
    assert ((status, kind) in MOVES) == (is_remark or kind.value in ALLOWED[status].split())


def test_a_text_goes_the_whole_way_and_each_step_is_in_its_state(item):
    item.proposed()
    assert (item.state.unit_checker, item.state.center_checker) == (LEADER, EDITOR)
    item.act(K.APPROVE, APPROVER).act(K.SCHEDULE, EDITOR).act(K.PUBLISH, "loa", role=RULE)
    assert (item.state.status, item.state.out, item.state.approved) == (S.PUBLISHED, 1, {})
    item.received().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    assert (item.state.status, item.state.out) == (S.CORRECTED, 2)
    item.act(K.WITHDRAW, APPROVER, note="Sai số liệu.")
    assert (item.state.status, item.state.out) == (S.WITHDRAWN, 0)


def test_what_a_rule_approves_leaves_at_once_and_no_person_changes_it(item):
    by_rule = SYSTEM | {"text": TEXT, "rule": AUTOMATIC_RELEASE}
    item.act(K.RECEIVE, UNIT, **by_rule)
    assert (item.state.status, item.state.approved) == (S.SCHEDULED, {1: TEXT})
    for kind in (K.EDIT, K.RETURN, K.REJECT, K.APPROVE):
        assert refused(Conflict, lambda kind=kind: item.act(kind, EDITOR, note="Sai.")) == "kind"
    item.act(K.PUBLISH, "loa", role=RULE)
    assert (item.state.status, item.state.out, item.state.by_rule) == (S.PUBLISHED, 1, {1})
    item.received()
    assert (item.state.status, item.state.approved) == (S.SUBMITTED, {})


def test_a_later_change_takes_the_approval_back(item):
    item.proposed().act(K.APPROVE, APPROVER).act(K.EDIT, EDITOR, text=TEXT)
    assert (item.state.status, item.state.approved) == (S.PENDING_APPROVAL, {})
    item.act(K.APPROVE, APPROVER)
    assert item.state.approved[1] == TEXT


def test_who_approves_an_edited_proposal_answers_for_it(item):
    item.proposed().act(K.EDIT, OTHER_EDITOR, text=THIRD, is_clean=False)
    assert item.state.center_checker == ""
    assert refused(Invalid, lambda: item.act(K.APPROVE, APPROVER, is_clean=False)) == "clean"
    assert refused(Forbidden, lambda: item.act(K.APPROVE, APPROVER)) == "kind"
    item.act(K.APPROVE, APPROVER, is_clean=True)
    assert (item.state.status, item.state.center_checker) == (S.APPROVED, APPROVER)


def test_in_a_log_of_an_earlier_version_the_editor_answered_for_a_proposal(item):
    item.proposed().act(K.EDIT, OTHER_EDITOR, text=THIRD).act(K.APPROVE, APPROVER)
    assert (item.state.status, item.state.center_checker) == (S.APPROVED, OTHER_EDITOR)


@pytest.mark.parametrize("kind", [K.CONFIRM, K.PROPOSE])
def test_who_answers_for_a_text_says_so(item, kind):
    item.sent()
    if kind is K.PROPOSE:
        item.act(K.CONFIRM, LEADER, is_clean=True)
    assert refused(Invalid, lambda: item.act(kind, EDITOR, is_clean=False)) == "clean"
    assert item.act(kind, EDITOR, is_clean=True).state.last_change.kind is kind


def test_a_text_that_is_about_to_leave_is_not_edited(item):
    item.proposed().act(K.APPROVE, APPROVER).act(K.SCHEDULE, "loa", role=RULE)
    assert refused(Conflict, lambda: item.act(K.EDIT, EDITOR, text=TEXT)) == "kind"
    assert item.act(K.PUBLISH, "loa", role=RULE).state.out == 1


def test_an_approved_revision_may_come_out_after_a_newer_one_was_sent(item):
    item.received().act(K.APPROVE, APPROVER).received()
    item.act(K.PUBLISH, "loa", role=RULE, revision=1, hash=TEXT.hash)
    assert (item.state.status, item.state.revision, item.state.out) == (S.SUBMITTED, 2, 1)


def test_what_is_out_is_withdrawn_while_a_newer_text_waits(item):
    item.received().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    item.act(K.SAVE, WRITER, text=OTHER, revision=2)
    withdrawal = {"note": "Sai.", "revision": 1, "hash": TEXT.hash}
    item.act(K.WITHDRAW, LEADER, **withdrawal)
    assert (item.state.status, item.state.revision, item.state.out) == (S.DRAFT, 2, 0)
    assert refused(Conflict, lambda: item.act(K.WITHDRAW, LEADER, **withdrawal)) == "revision"
    item.act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER).act(K.PROPOSE, EDITOR)
    item.act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    assert (item.state.status, item.state.out) == (S.PUBLISHED, 2)


def test_a_withdrawal_behind_a_newer_text_reaches_what_is_on_its_way(item):
    item.received().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    item.received().act(K.APPROVE, APPROVER).received()
    older = {"note": "Sai.", "hash": TEXT.hash}
    item.act(K.WITHDRAW, UNIT, role=UNIT_SYSTEM, revision=2, **older)
    item.act(K.PUBLISH, "loa", role=RULE, revision=2, hash=TEXT.hash)
    assert (item.state.status, item.state.out) == (S.SUBMITTED, 0)


@pytest.mark.parametrize("revision", [1, 2, 5], ids=["replaced", "rejected", "to come"])
def test_what_readers_do_not_have_is_not_withdrawn_behind_a_newer_text(item, revision):
    item.received().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    item.received().act(K.REJECT, APPROVER, note="Sai.").received()
    item.act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE).received()
    withdrawal = {"note": "Sai.", "revision": revision, "hash": item.state.hash_of(revision)}
    assert refused(Conflict, lambda: item.act(K.WITHDRAW, LEADER, **withdrawal)) == "revision"


@pytest.mark.parametrize("newer", [False, True], ids=["alone", "with a newer text"])
def test_a_text_that_was_on_its_way_when_the_item_was_withdrawn_is_not_out(item, newer):
    item.received().act(K.APPROVE, APPROVER).act(K.WITHDRAW, LEADER, note="Sai.")
    item = item.received() if newer else item
    item.act(K.PUBLISH, "loa", role=RULE, revision=1, hash=TEXT.hash)
    assert item.state.out == 0
    assert item.state.status is (S.SUBMITTED if newer else S.WITHDRAWN)
    if newer:
        item.act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
        assert (item.state.status, item.state.out) == (S.PUBLISHED, 2)


@pytest.mark.parametrize("who", [WRITER, LEADER, EDITOR, "AN", "an"])
def test_nobody_approves_what_they_wrote_checked_or_edited_last(item, who):
    item.proposed()
    assert refused(Forbidden, lambda: item.act(K.APPROVE, who)) == "by"


@pytest.mark.parametrize("more", [{}, {"text": OTHER}], ids=["no text", "the same text"])
def test_an_edit_that_changes_nothing_takes_nothing_from_a_proposed_text(item, more):
    item.proposed().act(K.APPROVE, APPROVER)
    assert refused(Invalid, lambda: item.act(K.EDIT, OTHER_EDITOR, **more)) == "text"
    assert item.state.approved[1] == OTHER


def test_who_takes_a_text_without_a_change_has_not_edited_it_last(item):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER)
    item.act(K.EDIT, EDITOR, text=OTHER).act(K.EDIT, OTHER_EDITOR).act(K.PROPOSE, OTHER_EDITOR)
    assert refused(Forbidden, lambda: item.act(K.APPROVE, EDITOR)) == "by"


def test_an_editor_does_not_approve_their_text_which_another_has_put_back(item):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER)
    item.act(K.EDIT, EDITOR, text=OTHER).act(K.EDIT, OTHER_EDITOR, text=THIRD)
    item.act(K.EDIT, OTHER_EDITOR, text=OTHER).act(K.PROPOSE, OTHER_EDITOR)
    assert refused(Forbidden, lambda: item.act(K.APPROVE, EDITOR)) == "by"


def test_a_draft_keeps_its_number(item):
    item.act(K.SAVE, WRITER, text=TEXT)
    again = {"text": OTHER, "revision": 2}
    assert refused(Conflict, lambda: item.act(K.SAVE, EDITOR, **again)) == "revision"


def test_a_rejection_is_open_until_it_is_settled(item):
    item.received().act(K.REJECT, APPROVER, note="Sai.")
    assert item.state.has_open_rejection and item.state.is_unfinished
    item.act(K.SETTLE, "loa", role=RULE)
    assert not item.state.is_unfinished
    assert not item.received().state.has_open_rejection
    assert item.act(K.REJECT, APPROVER, note="Sai.").state.has_open_rejection
    assert not item.act(K.WITHDRAW, LEADER, note="Sai.").state.is_unfinished


def test_who_wrote_a_text_that_is_not_sent_gives_it_up(item):
    item.act(K.SAVE, WRITER, text=TEXT)
    for code in ({}, {"note": "Thôi."}, {"code": "trung-lap"}):
        assert refused(Conflict, lambda code=code: item.act(K.REJECT, WRITER, **code)) == "kind"
    gives_up = {"code": GIVEN_UP}
    assert refused(Forbidden, lambda: item.act(K.REJECT, APPROVER, **gives_up)) == "by"
    item.act(K.REJECT, WRITER, **gives_up)
    assert item.state.is_given_up and item.state.has_open_rejection
    item.act(K.SETTLE, "loa", role=RULE)
    assert (item.state.status, item.state.is_unfinished) == (S.REJECTED, False)
    item.act(K.SAVE, WRITER, text=OTHER, revision=2).act(K.SUBMIT, WRITER)
    assert refused(Conflict, lambda: item.act(K.REJECT, WRITER, **gives_up)) == "kind"


def test_who_gave_a_text_up_wrote_what_the_units_system_sends_next(item):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.REJECT, WRITER, code=GIVEN_UP).received()
    assert WRITER in item.state.writers


def test_a_correction_that_is_given_up_leaves_the_text_that_is_out(item):
    item.proposed().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    item.act(K.SAVE, WRITER, text=OTHER, revision=2).act(K.REJECT, WRITER, code=GIVEN_UP)
    assert (item.state.status, item.state.out) == (S.REJECTED, 1)


def test_nothing_is_to_be_carried_out_of_a_text_that_another_replaced(item):
    item.received().act(K.SUPERSEDE, "loa", role=RULE)
    assert (item.state.status, item.state.is_unfinished) == (S.REJECTED, False)


@pytest.mark.parametrize("end", [K.WITHDRAW, K.REJECT])
def test_who_wrote_a_text_that_never_was_out_does_not_approve_the_one_made_of_it(item, end):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER)
    item.act(end, LEADER, note="Sai.").act(K.SAVE, "nv-khac", text=OTHER, revision=2)
    item.act(K.SUBMIT, "nv-khac").act(K.CONFIRM, LEADER).act(K.PROPOSE, EDITOR)
    assert refused(Forbidden, lambda: item.act(K.APPROVE, WRITER)) == "by"


def test_a_text_of_the_units_system_in_place_of_a_draft_does_not_hide_its_writer(item):
    item.act(K.SAVE, WRITER, text=OTHER).received()
    assert refused(Forbidden, lambda: item.act(K.APPROVE, WRITER)) == "by"


@pytest.mark.parametrize("who", [WRITER, "NV VIET", "An"])
def test_the_writer_does_not_confirm_for_the_unit(item, who):
    item.sent()
    assert refused(Forbidden, lambda: item.act(K.CONFIRM, who)) == "by"
    assert item.state.unit_checker == ""


def test_the_editor_does_not_check_for_the_unit_too(item):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER)
    assert refused(Forbidden, lambda: item.act(K.PROPOSE, LEADER)) == "by"


def test_an_unconfirmed_text_of_a_person_is_not_approved(item):
    item.act(K.SAVE, WRITER, text=TEXT).act(K.SUBMIT, WRITER)
    assert refused(Forbidden, lambda: item.act(K.APPROVE, APPROVER)) == "kind"


def test_a_text_is_withdrawn_from_readers_by_another_person_or_its_units_system(item):
    item.proposed().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    own = {"note": "Sai."}
    assert refused(Forbidden, lambda: item.act(K.WITHDRAW, WRITER, **own)) == "by"
    item.act(K.WITHDRAW, UNIT, role=UNIT_SYSTEM, **own)
    assert item.state.status is S.WITHDRAWN


def test_who_wrote_what_readers_have_does_not_withdraw_it_behind_anothers_draft(item):
    item.proposed().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    item.act(K.SAVE, "nv-khac", text=TEXT, revision=2)
    assert refused(Forbidden, lambda: item.act(K.WITHDRAW, WRITER, note="Sai.")) == "by"
    item.act(K.WITHDRAW, "nv-khac", note="Sai.")
    assert item.state.status is S.WITHDRAWN


REFUSED = {
    "another text": (K.APPROVE, Conflict, "hash", {"hash": TEXT.hash}),
    "another revision": (K.APPROVE, Conflict, "revision", {"revision": 2}),
    "a text that it does not change": (K.APPROVE, Invalid, "text", {"text": OTHER}),
    "another act before": (K.APPROVE, Conflict, "prev", {"prev": "khac"}),
    "not now": (K.SUBMIT, Conflict, "kind", {}),
    "not approved": (K.PUBLISH, Conflict, "revision", {"role": RULE}),
    "no reason to return": (K.RETURN, Invalid, "note", {}),
    "no code to reject": (K.REJECT, Invalid, "code", {}),
    "an unknown code": (K.REJECT, Invalid, "code", {"code": "khong-co", "note": "Trùng."}),
    "an older revision": (K.RECEIVE, Conflict, "revision", SYSTEM | {"text": TEXT}),
    "a person's act by a rule": (K.APPROVE, Forbidden, "rule", {"rule": AUTOMATIC_RELEASE}),
    "an unknown rule": (
        *(K.RECEIVE, Forbidden, "rule"),
        SYSTEM | {"revision": 2, "text": THIRD, "rule": "khac"},
    ),
    "no text": (K.RECEIVE, Invalid, "text", SYSTEM | {"revision": 2}),
    "a reason of blanks": (K.RETURN, Invalid, "note", {"note": " \u200b\n"}),
    "a name without letters": (K.APPROVE, Invalid, "by", {"by": "***"}),
}


STEPS_TO = {
    K.SUBMIT: "save", K.CONFIRM: "save submit", K.EDIT: "save submit confirm",
    K.PROPOSE: "save submit confirm", K.APPROVE: "save submit confirm propose",
    K.SCHEDULE: "save submit confirm propose approve",
    K.PUBLISH: "save submit confirm propose approve",
    K.SUPERSEDE: "save submit confirm propose approve",
    K.RETURN: "save submit", K.REJECT: "save submit", K.WITHDRAW: "save submit",
    K.SETTLE: "save submit reject",
    K.RECEIVE: "", K.SAVE: "", K.COMMENT: "save",
}  # fmt: skip
USUALLY = {K.SAVE: WRITER, K.SUBMIT: WRITER, K.CONFIRM: LEADER, K.APPROVE: APPROVER}
BY_RULE = {K.PUBLISH, K.SETTLE, K.SUPERSEDE}


@pytest.mark.parametrize("kind", ActionKind)
def test_every_act_names_the_hash_of_the_text_that_it_concerns(item, kind):
    def facts(one: ActionKind) -> dict[str, Any]:
        more: dict[str, Any] = {"note": "Sai."} | ({"role": RULE} if one in BY_RULE else {})
        more |= SYSTEM if one is K.RECEIVE else {}
        return more | ({"text": TEXT} if one in (K.SAVE, K.RECEIVE) else {})

    for step in map(ActionKind, STEPS_TO[kind].split()):
        item.act(step, USUALLY.get(step, EDITOR), **facts(step))
    more = facts(kind) | ({"text": OTHER} if kind is K.EDIT else {})
    wrong = more | {"hash": THIRD.hash}
    assert refused(Conflict, lambda: item.act(kind, USUALLY.get(kind, EDITOR), **wrong)) == "hash"
    item.act(kind, USUALLY.get(kind, EDITOR), **more)


def test_a_refusal_says_which_acts_are_possible_now(item):
    item.sent().act(K.CONFIRM, LEADER)
    with pytest.raises(Conflict) as caught:
        item.act(K.APPROVE, APPROVER)
    [error] = caught.value.errors
    assert error.message.endswith("edit, propose, return, reject, withdraw, comment")
    assert error.message_vi.endswith("biên tập, trình duyệt, trả lại, từ chối, gỡ, góp ý")


def test_an_editor_waits_for_the_unit_unless_its_system_sent_the_text(item):
    item.sent()
    for kind in (K.EDIT, K.PROPOSE):
        assert refused(Forbidden, lambda kind=kind: item.act(kind, EDITOR)) == "kind"
    sent_by_system = Story().received().act(K.EDIT, EDITOR, text=OTHER).act(K.PROPOSE, EDITOR)
    assert sent_by_system.act(K.APPROVE, APPROVER).state.approved[1] == OTHER


def test_a_remark_changes_nothing_but_the_chain(item):
    item.proposed()
    before = item.state
    item.act(K.COMMENT, APPROVER, note="Thiếu số hiệu văn bản.", place=2)
    assert item.state == replace(before, head=item.state.head, ids=item.state.ids)
    assert item.state.head != before.head


def test_what_is_out_is_not_called_unapproved(item):
    item.received()
    again = {"role": RULE, "revision": 1, "hash": TEXT.hash}
    with pytest.raises(Conflict) as unapproved:
        item.act(K.PUBLISH, "loa", **again)
    item.act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", **again)
    with pytest.raises(Conflict) as twice:
        item.act(K.PUBLISH, "loa", **again)
    assert str(twice.value) != str(unapproved.value)


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_field_and_changes_nothing(item, case):
    kind, error, field, more = REFUSED[case]
    before = item.proposed().state
    assert refused(error, lambda: item.act(kind, APPROVER, **more)) == field
    assert item.state is before


def refused(kind, act) -> str:
    """The field that is named, in both languages."""
    with pytest.raises(kind) as caught:
        act()
    [error] = caught.value.errors
    assert error.message != error.message_vi
    return error.field


@pytest.mark.parametrize("role", ["", "lanh-dao-duyet", RULE, UNIT_SYSTEM])
@pytest.mark.parametrize("kind", ActionKind)
def test_each_act_is_done_by_a_person_a_units_system_or_a_rule(kind, role):
    act = Story().build(kind, UNIT, role=role)
    [check_actor] = [one for one in RULES if one.__name__ == "_check_actor"]
    is_person = role not in (RULE, UNIT_SYSTEM)
    if ("" if is_person else role) in ROLES.get(kind, ("",)):
        check_actor(ItemState(), act)
    else:
        assert refused(Forbidden, lambda: check_actor(ItemState(), act)) == "role"


@pytest.mark.parametrize(
    ("kind", "role", "code", "may"),
    [
        (K.WITHDRAW, RULE, WITHHELD, True), (K.WITHDRAW, RULE, "trung-lap", False),
        (K.WITHDRAW, "", WITHHELD, False), (K.WITHDRAW, UNIT_SYSTEM, WITHHELD, False),
        (K.REJECT, RULE, WITHHELD, False),
    ],
)  # fmt: skip
def test_a_rule_withdraws_only_what_it_keeps_back_at_its_time(kind, role, code, may):
    act = Story().build(kind, UNIT, role=role, code=code)
    [check_actor] = [one for one in RULES if one.__name__ == "_check_actor"]
    if may:
        check_actor(ItemState(), act)
    else:
        assert refused(Forbidden, lambda: check_actor(ItemState(), act)) == "role"


BEFORE = "3cf5bedbd50165d27e55fdc03465fc2fb99a698707c2d699324befb11cb8b3f8"
AN, HOA = {"name_hash": name_hash("Trần Thị An")}, {"name_hash": name_hash("Lê Hoa")}


@pytest.mark.parametrize(
    ("who", "more"),
    [("tk-7", AN), ("Tran Thi An", {}), ("tk-8", {}), ("LÊ HOA", {}), ("tk-9", HOA)],
    ids=["their account", "their name", "an account", "its name", "another account of its name"],
)
def test_a_person_is_the_same_by_an_accounts_id_and_by_its_name(item, who, more):
    text = a_text("Một", "Trần Thị An")
    item.act(K.SAVE, WRITER, text=text).act(K.SUBMIT, WRITER).act(K.CONFIRM, LEADER)
    item.act(K.EDIT, "tk-8", text=OTHER, **HOA).act(K.PROPOSE, "tk-8", **HOA)
    assert refused(Forbidden, lambda: item.act(K.APPROVE, who, **more)) == "by"


def test_an_account_keeps_the_names_that_it_had(item):
    item.act(K.SAVE, "tk-7", text=OTHER, **AN).act(K.SUBMIT, "tk-7", **HOA)
    assert refused(Forbidden, lambda: item.act(K.CONFIRM, "Trần Thị An")) == "by"


def test_an_act_without_a_hash_of_a_name_has_the_digest_that_it_had_before_there_was_one(item):
    act = item.build(K.SAVE, WRITER, text=TEXT)
    assert b"name_hash" not in act.encode()
    assert act.digest == BEFORE


def test_what_a_later_version_says_of_an_act_stays_in_its_digest(item):
    later = item.build(K.SAVE, WRITER, text=TEXT, later="Hà Nội")
    assert Action.model_validate_json(later.encode()).digest == later.digest
    assert b"later" in later.encode()


def test_a_units_system_sends_texts_of_its_own_unit(item):
    other = SYSTEM | {"by": "vu-khac"}
    assert refused(Forbidden, lambda: item.act(K.RECEIVE, UNIT, text=TEXT, **other)) == "by"


def test_a_person_does_not_withdraw_their_text_as_a_units_system(item):
    item.received().act(K.APPROVE, APPROVER).act(K.PUBLISH, "loa", role=RULE)
    own = {"role": UNIT_SYSTEM, "note": "Sai."}
    assert refused(Forbidden, lambda: item.act(K.WITHDRAW, "An", **own)) == "by"


def test_a_repeated_act_is_one_step(item):
    act = item.received().build(K.APPROVE, APPROVER)
    item.act(K.APPROVE, APPROVER)
    assert state_after(item.state, act) is item.state


def test_acts_read_again_give_the_same_state(item):
    first = item.build(K.RECEIVE, UNIT, role=UNIT_SYSTEM, text=TEXT)
    after = state_after(item.state, first)
    assert fold([Action.model_validate_json(first.encode())]) == after
    assert len({first.digest, first.model_copy(update={"note": "x"}).digest}) == 2
