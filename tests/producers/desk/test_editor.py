"""Services of the desk to the visual editor: clean HTML of a clipboard, Markdown of a text."""

import pytest

from producers.html_to_markdown import to_markdown
from producers.html_to_markdown.back import editor_html

PASTE, TURN = "/soan/dan", "/soan/doi"
WORD = (
    "<html xmlns:o='urn:schemas-microsoft-com:office:office'><head><style>p {color: red}</style>"
    "</head><body><!--StartFragment--><p class=MsoNormal><b style='mso-bidi'>Kính gửi</b>"
    "<o:p></o:p></p><p>Số <u>123</u></p><script>alert(1)</script><!--EndFragment--></body></html>"
)


@pytest.fixture
async def officer(desk):
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        yield browser


async def test_pasted_html_comes_back_clean_with_its_losses(officer):
    answer = await officer.post(PASTE, html=WORD)
    assert answer.json()["html"] == "<p><strong>Kính gửi</strong></p>\n<p>Số 123</p>\n"
    [loss] = answer.json()["losses"]
    assert loss.startswith("Gạch chân, 1 chỗ")


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<blockquote>" * 200 + "x", "lồng quá nhiều cấp"),
        ("<table><tr>" + "<td>x</td>" * 60 + "</tr></table>", "50 cột"),
    ],
)
async def test_what_would_cost_too_much_is_refused_in_words(officer, html, said):
    for path in (PASTE, TURN):
        answer = await officer.post(path, html=html)
        assert answer.status_code == 422 and said in answer.json()["message"]


async def test_a_text_turns_into_the_other_form_and_back(officer):
    html = (await officer.post(TURN, markdown="**a** <b>b</b>\n\n- c\n")).json()["html"]
    assert "&lt;b&gt;" in html and "<strong>a</strong>" in html
    assert (await officer.post(TURN, html=html)).json()[
        "markdown"
    ] == "**a** \\<b\\>b\\</b\\>\n\n- c\n"


async def test_a_clipboard_of_word_is_larger_than_a_form(officer):
    answer = await officer.post(PASTE, html="<p>" + "chữ " * 100_000 + "</p>")
    assert answer.status_code == 200
    assert (await officer.post(PASTE, html="x" * (7 << 20))).status_code == 413


async def test_a_large_form_of_a_stranger_is_not_read(desk):
    async with desk.browser() as stranger:
        answer = await stranger.client.post(
            PASTE, content=b"x" * (1 << 20), headers=stranger.headers
        )
    assert answer.status_code == 403


async def test_conversions_are_limited_for_each_account(desk, officer):
    done = 0  # two tokens a second flow in meanwhile
    while (answer := await officer.post(TURN, markdown="x")).status_code == 200:
        done += 1
    assert 120 <= done < 1_000
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
    async with desk.signed_in("binh", "nguoi-gui-tin") as other:
        assert (await other.post(TURN, markdown="x")).status_code == 200


def test_alignment_of_columns_goes_both_ways_without_a_style():
    table = "| A | B |\n| :-: | --: |\n| 1 | 2 |\n"
    assert "style" not in editor_html(table)
    assert to_markdown(editor_html(table)).markdown == table
