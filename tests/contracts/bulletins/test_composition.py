"""The text of an issue follows from its parts, and shows exactly what they say."""

import hypothesis
from hypothesis import strategies

from channels.markdown_text import paragraphs
from contracts import text
from contracts.bulletins import composition, editing
from tests.support.bulletin_history import SERIES, a_released_item, propose
from tests.support.repository import ROOT

_GOLDEN = ROOT / "tests" / "golden" / "bulletin-1.txt"


def an_issue():
    """With two sections, a correction, a withdrawal, an introduction and its makers."""
    old = [a_released_item("sua"), a_released_item("go", title="Tin [gỡ] *hai*")]
    first = propose(*old)
    changed = [
        old[0]._replace(revision=2, action="corrected", reason="Ghi sai ngày; đúng là 02/10."),
        old[1]._replace(revision=2, action="withdrawn"),
        a_released_item("moi", first_shown_at=first.gathered_until.replace(hour=20)),
        a_released_item(
            "so", topic="chuyen-doi-so", text="1. Có 100 * 2 tin #mới_của <Bộ>",
            first_shown_at=first.gathered_until.replace(hour=21),
        ),
    ]  # fmt: skip
    issue = propose(*changed, earlier=[first], number=2, of_week=1)
    return editing.compiled_by(editing.introduce(issue, "Tuần qua có **hai** tin."), "Lê An")


def test_the_bytes_of_the_body_stay():
    """A change here makes every draft of an issue one that has to be saved anew."""
    assert composition.body_of(an_issue()) + "\n" == _GOLDEN.read_text("utf-8")


def test_title_and_summary_name_number_days_and_contents():
    issue = an_issue()
    assert composition.title_of(issue, SERIES.name) == (
        "Bản tin cải cách hành chính số 02/2026 (từ ngày 05/10/2026 đến ngày 11/10/2026)"
    )
    assert composition.summary_of(issue) == (
        "Trong số này: Cải cách chế độ công vụ (1 tin); Xây dựng, phát triển Chính "
        "phủ điện tử, Chính phủ số (1 tin); Đính chính, gỡ tin (2 tin)."
    )


def test_an_item_that_a_reader_had_alone_is_a_line_in_its_place():
    whole, short = (composition.body_of(an_issue(), had) for had in (frozenset(), {"moi"}))
    assert "### [Tin moi](moi)\n\nNội dung tóm tắt." in whole
    assert "- [Tin moi](moi)\n\n## " in short


def test_an_issue_with_nothing_in_it_has_no_empty_sections():
    assert "##" not in composition.body_of(propose())
    assert composition.summary_of(propose()) == ""


_LINES = strategies.text(
    strategies.sampled_from("aáđ 019.)*_[](){}<>&#|~!\\`'\"-+=:/;^$%@?,"), min_size=1, max_size=40
)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(_LINES)
def test_whatever_a_title_holds_is_shown_as_it_is(line):
    shown = text.line(line)
    if shown:
        assert paragraphs(composition.escaped(shown)) == [shown]
        assert paragraphs(f"### [{composition.escaped(shown)}](tin-1)") == [shown]
