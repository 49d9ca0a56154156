"""Clipboard of Word: paragraphs drawn as items become lists, hidden words go."""

import pytest

from producers.html_to_markdown import Loss, to_markdown

HEADING = "<h2 style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>{} </span>Đầu</h2>"
NOTE = "cũ\\[1\\]\n"


def item(words: str, mark: str, level: int = 1) -> str:
    """A paragraph that Word draws as an item."""
    return (
        f"<p class=MsoListParagraphCxSpMiddle style='margin-left:36.0pt;text-indent:-18.0pt;"
        f"mso-list:l0 level{level} lfo1'><![if !supportLists]><span style='font-family:Symbol'>"
        f"<span style='mso-list:Ignore'>{mark}<span style='font:7.0pt \"Times New Roman\"'>&nbsp;"
        f"&nbsp; </span></span></span><![endif]><span lang=VI>{words}</span><o:p></o:p></p>"
    )


def paragraph(words: str, kind: str = "MsoNormal", style: str = "") -> str:
    return f"<p class={kind} style='{style}'><span lang=VI>{words}</span><o:p></o:p></p>"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            [item("một", "·"), item("hai", "o", 2), item("ba", "§", 3), item("bốn", "·")],
            "- một\n  - hai\n    - ba\n- bốn\n",
        ),
        ([item("một", "1."), item("hai", "2.")], "1. một\n2. hai\n"),
        ([item("bốn", "4."), item("năm", "5.")], "4. bốn\n5. năm\n"),
        (
            [item("Phạm vi", "Điều 1."), item("trung ương", "a)", 2), item("Hiệu lực", "Điều 2.")],
            "- Điều 1. Phạm vi\n  - a) trung ương\n- Điều 2. Hiệu lực\n",
        ),
        ([item("một", "·"), item("hai", "1.")], "- một\n\n1. hai\n"),
        ([item("sâu", "o", 2), item("nông", "·")], "- sâu\n\n* nông\n"),
        (
            [item("một", "1."), paragraph("tiếp", "MsoListParagraph"), item("hai", "2.")],
            "1. một\n\n   tiếp\n\n2. hai\n",
        ),
        ([item("một", "·"), paragraph("ngoài"), item("hai", "·")], "- một\n\nngoài\n\n- hai\n"),
        ([HEADING.format("I.")], "## I. Đầu\n"),
        ([HEADING.format("·")], "## Đầu\n"),
        ([paragraph("Tên", "MsoTitle"), paragraph("Lời", "MsoQuote")], "# Tên\n\n> Lời\n"),
        ([paragraph("<st1:place w:st='on'>Hà Nội</st1:place>")], "Hà Nội\n"),
        (["<!--[if gte mso 9]><xml>x</xml><![endif]-->", paragraph("chữ")], "chữ\n"),
        ([paragraph("<ins>thêm</ins><del>bớt</del>")], "thêm\n"),
        ([paragraph("cũ<a href='#_ftn1'><span class=MsoFootnoteReference>[1]</span></a>")], NOTE),
        (["<b style='font-weight:normal'><p>thường</p></b>"], "thường\n"),
        (["<p><span style='font-weight:700'>đậm</span> chữ</p>"], "**đậm** chữ\n"),
        (["<p><span style='font-style:italic;font-weight:bold'>hai</span></p>"], "***hai***\n"),
    ],
)  # fmt: skip
def test_what_word_draws_becomes_what_it_means(parts, expected):
    assert to_markdown("".join(parts)).markdown == expected


@pytest.mark.parametrize(
    "hidden", ["display:none", "mso-hide:all", "visibility:hidden", "DISPLAY: none"]
)
def test_hidden_words_stay_hidden_and_are_counted(hidden):
    converted = to_markdown(f"<p>thấy<span style='{hidden}'>BÍ MẬT</span> được</p>")
    assert converted.markdown == "thấy được\n"
    assert converted.losses == {Loss.HIDDEN_TEXT: 1}


def test_remarks_of_reviewers_are_left_out():
    remark = "<div style='mso-element:comment-list'><p>[A1] Sửa câu này</p></div>"
    link = "<a href='#_msocom_1'>[A1]</a>"
    assert to_markdown(f"<p>chữ{link}</p>{remark}").markdown == "chữ\n"


def test_a_list_of_word_in_a_cell_keeps_its_words():
    table = f"<table><tr><td>a</td><td>{item('một', '·')}{item('hai', '·')}</td></tr></table>"
    assert "một; hai" in to_markdown(table).markdown
