"""Roles and actions: every cell of the table, four eyes, and roles that exclude each other."""

import itertools
import tomllib
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.staff import policy as roles
from consumers.staff.policy import Agreement, Grant, ObjectFacts, Policy, Verdict, default_policy
from contracts.errors import Invalid

REFUSED, SECOND, ALLOWED = Verdict.REFUSED, Verdict.NEEDS_SECOND, Verdict.ALLOWED
OFFICER, LEADER, EDITOR, SECRETARY = (
    *("nguoi-gui-tin", "lanh-dao-don-vi", "bien-tap-vien", "thu-ky-ban-bien-tap"),
)
DUTY, APPROVER, OPERATOR, AUDITOR = (
    *("truc-khan", "lanh-dao-duyet", "quan-tri-kenh", "kiem-tra-doc-lap"),
)
ACCOUNTS, PROTECTION = "quan-tri-tai-khoan", "bao-ve-du-lieu"
ROLES = (
    *(OFFICER, LEADER, EDITOR, SECRETARY, DUTY, APPROVER, OPERATOR, AUDITOR, ACCOUNTS, PROTECTION),
)
TABLE = {
    "write": {OFFICER: "unit", LEADER: "unit", EDITOR: "yes", SECRETARY: "yes"},
    "confirm": {LEADER: "unit"},
    "read-drafts": {
        OFFICER: "own",
        LEADER: "unit",
        EDITOR: "yes",
        SECRETARY: "yes",
        DUTY: "yes",
        APPROVER: "yes",
        AUDITOR: "yes",
    },
    "edit": {EDITOR: "yes", SECRETARY: "yes"},
    "propose-urgent": {EDITOR: "yes", SECRETARY: "yes", DUTY: "yes"},
    "approve": {APPROVER: "four eyes"},
    "approve-urgent": {APPROVER: "four eyes, two"},
    "reject": {APPROVER: "four eyes"},
    "withdraw": {APPROVER: "four eyes"},
    "operate": {OPERATOR: "yes"},
    "edit-dead-letter": {OFFICER: "unit"},
    "restore": {OPERATOR: "two", ACCOUNTS: "two"},
    "manage-people": {ACCOUNTS: "two"},
    "disable-account": {ACCOUNTS: "yes"},
    "manage-readers": {PROTECTION: "yes"},
    "audit": {AUDITOR: "yes"},
}
"""The table of roles and actions, written a second time; an absent cell is a refusal."""


@dataclass(frozen=True)
class Someone:
    id: str = "nv-một"
    name: str = "Nguyễn Văn Á"
    unit: str = "vu-mot"
    grants: tuple[Grant, ...] = ()
    is_active: bool = True


def having(*names: str, **changes: object) -> Someone:
    return replace(Someone(grants=tuple(Grant(role=name) for name in names)), **changes)


def expected(cell: str, unit: str, is_own: bool, is_last: bool) -> Verdict:
    """The verdict of a cell by its words."""
    refused = (
        not cell
        or ("unit" in cell and unit != "vu-mot")
        or (cell == "own" and not is_own)
        or ("four eyes" in cell and (is_own or is_last))
    )
    return REFUSED if refused else SECOND if "two" in cell else ALLOWED


def test_the_table_has_every_role_and_every_action():
    file = default_policy().file
    assert (tuple(file.roles), tuple(file.actions)) == (ROLES, tuple(TABLE))


@pytest.mark.parametrize("action", TABLE)
def test_every_cell_says_what_the_table_says(action):
    kinds = itertools.product(ROLES, ("vu-mot", "vu-hai"), (True, False), (True, False))
    for role, unit, is_own, is_last in kinds:
        writers = frozenset({"nv-một" if is_own else "nv-hai"})
        facts = ObjectFacts(unit, "chung", writers, "nv-một" if is_last else "nv-hai")
        ruling = default_policy().is_allowed(having(role), action, facts)
        wanted = expected(TABLE[action].get(role, ""), unit, is_own, is_last)
        assert ruling.verdict is wanted, (role, unit, is_own, is_last, ruling)
        assert ruling.verdict is ALLOWED or default_policy().refusal(ruling, action).message_vi


@pytest.mark.parametrize("action", TABLE)
def test_an_account_that_is_not_active_may_do_nothing(action):
    for role in ROLES:
        person = having(role, is_active=False)
        assert (
            default_policy().is_allowed(person, action, ObjectFacts()).reason == "staff_not_active"
        )


def test_an_action_that_the_table_lacks_is_an_error():
    with pytest.raises(KeyError):
        default_policy().is_allowed(having(APPROVER), "delete-all", ObjectFacts())


@pytest.mark.parametrize(
    "writer", ["nv-một", "NGUYEN VAN A", "nguyễn  văn Á", "Nguye\u0302n Van A"]
)
def test_an_author_is_the_same_person_by_id_or_by_name_without_marks(writer):
    facts = ObjectFacts(writers=frozenset({writer}))
    assert (
        default_policy().is_allowed(having(APPROVER), "approve", facts).reason == "staff_own_item"
    )


def test_a_namesakes_item_is_own_within_the_unit_alone():
    def reading(unit: str, writer: str, *units: str) -> Verdict:
        person = replace(Someone(), grants=(Grant(role=OFFICER, units=units),))
        facts = ObjectFacts(unit, writers=frozenset({writer}))
        return default_policy().is_allowed(person, "read-drafts", facts).verdict

    assert reading("vu-mot", "Nguyen Van A") is ALLOWED
    assert reading("vu-hai", "Nguyen Van A", "vu-hai") is ALLOWED
    assert reading("vu-hai", "Nguyễn Văn Á") is REFUSED
    assert reading("vu-hai", "nv-một") is ALLOWED


def test_who_wrote_an_earlier_text_reads_the_item_and_may_approve_a_new_one():
    facts = ObjectFacts(
        "vu-mot", writers=frozenset({"nv-hai"}), earlier_writers=frozenset({"nv-một"})
    )
    assert default_policy().is_allowed(having(OFFICER), "read-drafts", facts).verdict is ALLOWED
    assert default_policy().is_allowed(having(APPROVER), "approve", facts).verdict is ALLOWED


def test_an_account_of_another_name_and_id_may_approve():
    facts = ObjectFacts(writers=frozenset({"Trần Thị B", "nv-hai"}), last_editor="nv-ba")
    assert default_policy().is_allowed(having(APPROVER), "approve", facts).verdict is ALLOWED


@pytest.mark.parametrize(
    ("action", "role", "agreed", "verdict"),
    [
        ("approve-urgent", APPROVER, Agreement("nv-hai", APPROVER), ALLOWED),
        ("approve-urgent", APPROVER, Agreement("nv-một", APPROVER), SECOND),
        ("approve-urgent", APPROVER, Agreement("nv-hai", EDITOR), SECOND),
        ("manage-people", ACCOUNTS, Agreement("nv-hai", ACCOUNTS), ALLOWED),
        ("manage-people", ACCOUNTS, Agreement("nv-một", ACCOUNTS), SECOND),
        ("restore", OPERATOR, Agreement("nv-hai", ACCOUNTS), ALLOWED),
        ("restore", OPERATOR, Agreement("nv-hai", OPERATOR), SECOND),
        ("restore", ACCOUNTS, Agreement("nv-hai", OPERATOR), ALLOWED),
        ("restore", ACCOUNTS, Agreement("nv-hai", ACCOUNTS), SECOND),
    ],
)
def test_two_people_are_two_accounts_with_the_right_roles(action, role, agreed, verdict):
    facts = ObjectFacts(agreed=(agreed,))
    assert default_policy().is_allowed(having(role), action, facts).verdict is verdict


SCOPES = st.sampled_from([(), ("vu-mot",), ("vu-hai",), ("vu-mot", "vu-hai")])
TOPICS = st.sampled_from([(), ("chung",), ("rieng",)])
GRANTS = st.lists(
    st.builds(Grant, role=st.sampled_from(ROLES), units=SCOPES, topics=TOPICS), max_size=4
).map(tuple)
FACTS = st.builds(
    ObjectFacts,
    unit=st.sampled_from(["vu-mot", "vu-hai"]),
    topic=st.sampled_from(["chung", "rieng"]),
    writers=st.frozensets(st.sampled_from(["nv-một", "nv-hai", "Nguyen Van A"])),
    last_editor=st.sampled_from(["", "nv-một", "nv-hai"]),
    agreed=st.lists(
        st.builds(Agreement, st.sampled_from(["nv-một", "nv-hai"]), st.sampled_from(ROLES))
    ).map(tuple),
)


@given(grants=GRANTS, facts=FACTS, action=st.sampled_from([*TABLE]))
def test_no_set_of_roles_lets_one_person_decide_alone(grants, facts, action):
    """Hard rules: own items, edits and roles that exclude each other never pass."""
    ruling = default_policy().is_allowed(having(grants=grants), action, facts)
    covering = {one.role for one in grants if one.covers(facts)}
    if action.startswith("approve") and ruling.verdict is not REFUSED:
        assert not facts.writers & {"nv-một", "Nguyen Van A"} and facts.last_editor != "nv-một"
        assert APPROVER in covering and not covering & {EDITOR, SECRETARY}
    if {one.role for one in grants} >= {ACCOUNTS, APPROVER}:
        assert ruling.verdict is REFUSED
    if "two" in TABLE[action].get(ruling.role, "") and ruling.verdict is ALLOWED:
        assert any(one.account == "nv-hai" for one in facts.agreed)


@given(grants=GRANTS)
def test_granted_roles_never_meet_in_one_item(grants):
    """Grants that pass `check_grants` are never refused later because of a conflict."""
    try:
        default_policy().check_grants(grants)
    except Invalid:
        return
    for unit, topic in itertools.product(("vu-mot", "vu-hai", "x"), ("chung", "rieng", "x")):
        covering = {one.role for one in grants if one.covers(ObjectFacts(unit, topic))}
        assert not (APPROVER in covering and covering & {EDITOR, SECRETARY})
    held = {one.role for one in grants}
    assert not (ACCOUNTS in held and held & {APPROVER, AUDITOR})


@pytest.mark.parametrize(
    "grants",
    [
        [Grant(role=ACCOUNTS), Grant(role=APPROVER)],
        [Grant(role=ACCOUNTS, units=("vu-mot",)), Grant(role=AUDITOR, units=("vu-hai",))],
        [Grant(role=EDITOR), Grant(role=APPROVER, topics=("chung",))],
        [Grant(role="giam-doc")],
    ],
)
def test_a_conflict_or_an_unknown_role_is_refused_in_both_languages(grants):
    with pytest.raises(Invalid) as wrong:
        default_policy().check_grants(grants)
    [error] = wrong.value.errors
    assert error.field == "role" and error.message and error.message_vi != error.message


def test_editor_and_approver_of_different_topics_are_fine():
    grants = (Grant(role=EDITOR, topics=("chung",)), Grant(role=APPROVER, topics=("rieng",)))
    default_policy().check_grants(grants)
    person = having(grants=grants)
    by_topic = [
        default_policy().is_allowed(person, "approve", ObjectFacts(topic=topic)).verdict
        for topic in ("rieng", "chung")
    ]
    assert by_topic == [ALLOWED, REFUSED]


SHIPPED = roles._ROLES_FILE.read_text("utf-8")


@pytest.mark.parametrize(
    "broken",
    [
        SHIPPED.replace('approve = "not own, not last edited"', 'approve = "yes"'),
        SHIPPED.replace('approve = "not own, not last edited"', 'approve = "not last edited"'),
        SHIPPED.replace('write = "own unit"', 'wirte = "own unit"'),
        SHIPPED.replace('write = "own unit"', 'write = "own house"'),
        SHIPPED.replace('"with quan-tri-kenh"', '"with quan-tri"'),
        SHIPPED.replace(
            '["quan-tri-tai-khoan", "lanh-dao-duyet"]', '["ke-toan", "lanh-dao-duyet"]'
        ),
        SHIPPED.replace("[actions]", "[action]"),
        "not toml [",
    ],
)
def test_an_unusable_file_is_refused_and_named(broken):
    assert broken != SHIPPED
    with pytest.raises(Invalid) as wrong:
        Policy.parse(broken)
    assert wrong.value.errors[0].field == "roles.toml"


def test_the_operators_file_replaces_the_shipped_one(tmp_path):
    assert roles.load_policy(tmp_path) is default_policy()
    (tmp_path / "roles.toml").write_text(SHIPPED.replace('audit = "yes"\n', ""))
    person, changed = having(AUDITOR), roles.load_policy(tmp_path)
    assert changed.is_allowed(person, "audit", ObjectFacts()).verdict is REFUSED


def test_every_role_and_action_has_a_name_in_both_languages():
    file = tomllib.loads(SHIPPED)
    named = [*file["roles"].values(), *file["actions"].values()]
    assert all(one["en"] and one["vi"] for one in named)


def test_who_decides_or_manages_signs_in_with_a_second_factor():
    wanted = {APPROVER, OPERATOR, AUDITOR, ACCOUNTS, PROTECTION}
    assert {
        one for one in ROLES if default_policy().needs_second_factor([Grant(role=one)])
    } == wanted
