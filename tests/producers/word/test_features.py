"""Markdown of a Word document, feature by feature, and the losses that are counted."""

import io
import unicodedata

import pytest
from docx import Document
from docx.oxml.ns import qn
from docx.shared import Cm
from PIL import Image

from producers.html_to_markdown import Loss
from producers.word.read import read_document
from tests.support.word_documents import (
    add_numbering,
    item,
    paragraph,
    repacked,
    run,
    saved,
    with_body,
    xml,
)

VML = 'xmlns:v="urn:schemas-microsoft-com:vml"'
HIDDEN = "<w:vanish/>"


def symbol(font: str, char: str) -> str:
    return f'<w:r><w:sym w:font="{font}" w:char="{char}"/></w:r>'


def shape(inside: str) -> str:
    return f"<w:r><w:pict {VML}><v:group><v:oval>{inside}</v:oval></v:group></w:pict></w:r>"


def markdown(*elements: str, numbering: str = "") -> str:
    return read_document(with_body(*elements, numbering=numbering)).markdown


def lost(data: bytes) -> dict[Loss, int]:
    return dict(read_document(data).losses)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([paragraph(run("đậm ", "<w:b/>"), run("hết"))], "**đậm** hết\n"),
        ([paragraph(run("Số "), run("nghiêng", "<w:i/>"))], "Số *nghiêng*\n"),
        ([paragraph(run("cả hai", "<w:b/><w:i/>"))], "***cả hai***\n"),
        ([paragraph(run("a", "<w:b/>"), run("b", "<w:b/>"))], "**ab**\n"),
        ([paragraph(run("một"), "<w:r><w:br/></w:r>", run("hai"))], "một\\\nhai\n"),
        (
            [paragraph(run("25 m"), run("2", '<w:vertAlign w:val="superscript"/>'))],
            "25 m²\n",
        ),
        ([paragraph(run("CO"), run("2", '<w:vertAlign w:val="subscript"/>'))], "CO₂\n"),
        ([paragraph(run(unicodedata.normalize("NFD", "Huệ")))], "Huệ\n"),
        (
            [paragraph(run("* # 1. _a_ &lt;b&gt; [c](d) | &amp;amp;"))],
            r"\* # 1. \_a\_ \<b\> \[c\](d) \| \&amp;" + "\n",
        ),
        ([paragraph(run("1. gõ tay"))], "1\\. gõ tay\n"),
        ([paragraph(run("- gõ tay"))], "\\- gõ tay\n"),
        ([paragraph(run("Lời"), properties='<w:pStyle w:val="IntenseQuote"/>')], "> Lời\n"),
        ([paragraph(run("Tên"), properties='<w:pStyle w:val="Title"/>')], "# Tên\n"),
        ([paragraph(run("Mục"), properties='<w:pStyle w:val="Heading3"/>')], "### Mục\n"),
        ([paragraph(run("một")), paragraph(), paragraph(run("hai"))], "một\n\nhai\n"),
        (
            [
                paragraph(
                    run("bỏ ") and "",
                    "<w:del><w:r><w:delText>30/11</w:delText></w:r></w:del>",
                    f"<w:ins>{run('15/12')}</w:ins>",
                )
            ],
            "15/12\n",
        ),
        (
            ["<w:sdt><w:sdtContent>" + paragraph(run("Ô nhập")) + "</w:sdtContent></w:sdt>"],
            "Ô nhập\n",
        ),
    ],
)
def test_words_and_their_form(elements, expected):
    assert markdown(*elements) == expected


@pytest.mark.parametrize(
    ("numbering", "items", "expected"),
    [
        ("bullet|-|1\nbullet|o|1", [("a", 0), ("b", 1), ("c", 0)], "- a\n  - b\n- c\n"),
        ("decimal|%1.|1\ndecimal|%2.|1", [("a", 0), ("b", 1)], "1. a\n   1. b\n"),
        ("decimal|%1.|4", [("a", 0), ("b", 0)], "4. a\n5. b\n"),
        ("lowerLetter|%1)|1", [("a", 0), ("b", 0)], "- a) a\n- b) b\n"),
        (
            "decimal|Điều %1.|1\nlowerLetter|%2)|1",
            [("x", 0), ("y", 1), ("z", 0)],
            "- Điều 1. x\n  - a) y\n- Điều 2. z\n",
        ),
        (
            "decimal|%1.|1\ndecimal|%1.%2.|1",
            [("x", 0), ("y", 1), ("z", 1)],
            "1. x\n   - 1.1. y\n   - 1.2. z\n",
        ),
        ("upperRoman|%1.|4", [("a", 0)], "- IV. a\n"),
        ("decimalZero|%1.|1", [("a", 0)], "1. a\n"),
    ],
)
def test_lists_keep_their_numbers_and_labels(numbering, items, expected):
    assert markdown(*(item(*one) for one in items), numbering=numbering) == expected


def test_a_list_goes_on_counting_after_a_paragraph():
    text = markdown(item("a"), paragraph(run("xen giữa")), item("b"), numbering="decimal|%1.|1")
    assert text == "1. a\n\nxen giữa\n\n2. b\n"


def test_a_new_list_straight_after_another_begins_anew():
    second = item("b").replace('w:val="90"', 'w:val="91"')
    document = Document()
    body = document.element.body
    add_numbering(document, "decimal|%1.|1")
    again = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    numbers = document.part.numbering_part.element
    numbers.append(xml(f'<w:num w:numId="91"><w:abstractNumId w:val="90"/>{again}</w:num>'))
    for one in (item("a"), second):
        body.insert(len(body) - 1, xml(one))
    assert read_document(saved(document)).markdown == "1. a\n\n1) b\n"


def table() -> Document:
    document = Document()
    grid = document.add_table(3, 3)
    for at, words in enumerate(("Vùng", "Số", "", "Bắc", "1", "2", "", "3", "4")):
        grid.cell(at // 3, at % 3).text = words
    return document


def test_a_table_keeps_its_cells_in_their_columns():
    document = table()
    cells = document.tables[0]
    cells.cell(0, 1).merge(cells.cell(0, 2))
    cells.cell(1, 0).merge(cells.cell(2, 0)).text = "Bắc | Nam"
    cells.cell(2, 2).paragraphs[0].add_run(" đậm").bold = True
    found = read_document(saved(document))
    assert found.markdown == (
        "| Vùng | Số |  |\n| --- | --- | --- |\n"
        "| Bắc \\| Nam | 1 | 2 |\n| Bắc \\| Nam | 3 | 4 **đậm** |\n"
    )
    assert dict(found.losses) == {Loss.MERGED_CELL: 2}


def test_paragraphs_and_lists_of_a_cell_are_joined():
    document = table()
    cell = document.tables[0].cell(2, 2)
    cell.add_paragraph("một", style="List Bullet")
    cell.add_paragraph("hai", style="List Bullet")
    found = read_document(saved(document))
    assert "| 4; một; hai |" in found.markdown
    assert dict(found.losses) == {Loss.CELL_PARAGRAPHS: 1, Loss.CELL_LIST: 1}


def test_a_table_of_one_cell_is_a_frame():
    document = Document()
    cell = document.add_table(1, 1).cell(0, 0)
    cell.text = "một"
    cell.add_paragraph("hai")
    assert read_document(saved(document)).markdown == "một\n\nhai\n"


def hyperlink(document: Document, text: str, target: str) -> None:
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink"
    number = document.part.relate_to(target, kind, is_external=True)
    line = '<w:u w:val="single"/>'
    link = f'<w:hyperlink r:id="{number}">{run(text, line)}</w:hyperlink>'
    document.paragraphs[-1]._p.append(xml(link))


def test_links_to_the_web_stay_and_all_others_leave_their_words():
    document = Document()
    document.add_paragraph("Xem! ")
    hyperlink(document, "Cổng", "https://moha.gov.vn/tin?a=1&b=(2)")
    for target in ("javascript:alert(1)", "file:///C:/mat.docx"):
        document.add_paragraph()
        hyperlink(document, "chữ", target)
    found = read_document(saved(document))
    assert found.markdown == "Xem! [Cổng](<https://moha.gov.vn/tin?a=1&b=(2)>)\n\nchữ\n\nchữ\n"
    assert dict(found.losses) == {Loss.LINK: 2}


def test_pictures_are_left_out_and_counted():
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    document = Document()
    document.add_paragraph("Trước").add_run().add_picture(picture, width=Cm(1))
    found = read_document(saved(document))
    assert (found.markdown, dict(found.losses)) == ("Trước\n", {Loss.IMAGE: 1})


def test_hidden_words_never_come_out():
    """By themselves, by a style of words or of paragraphs, or by a style that one is based on."""
    document = Document()
    styles = document.styles.element
    for kind, name, more in (
        ("character", "An", f"<w:rPr>{HIDDEN}</w:rPr>"),
        ("character", "AnHon", '<w:basedOn w:val="An"/>'),
        ("paragraph", "DoanAn", f"<w:rPr>{HIDDEN}</w:rPr>"),
    ):
        named = f'w:type="{kind}" w:styleId="{name}"'
        style = f'<w:style {named}><w:name w:val="{name}"/>{more}</w:style>'
        styles.append(xml(style))
    body = document.element.body
    hidden = [
        run("MẬT", one) for one in (HIDDEN, '<w:rStyle w:val="An"/>', '<w:rStyle w:val="AnHon"/>')
    ]
    shown = run("hiện", '<w:vanish w:val="0"/>')
    for one in (
        paragraph(run("Đầu"), *hidden),
        paragraph(run("MẬT"), shown, properties='<w:pStyle w:val="DoanAn"/>'),
    ):
        body.insert(len(body) - 1, xml(one))
    found = read_document(saved(document))
    assert (found.markdown, dict(found.losses)) == ("Đầu\n\nhiện\n", {Loss.HIDDEN_TEXT: 4})


def test_a_document_in_the_strict_format_hides_the_same_words():
    transitional = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
    data = with_body(
        paragraph(run("Đầu"), run("MẬT", HIDDEN)), item("a"), numbering="decimal|%1.|4"
    )
    parts = ("word/document.xml", "word/numbering.xml", "word/styles.xml")
    data = repacked(data, {name: lambda part: part.replace(transitional, strict) for name in parts})
    assert read_document(data).markdown == "Đầu\n\n4. a\n"


def test_signs_of_our_own_in_a_document_are_no_labels():
    assert markdown(paragraph(run("\ue0001.\ue001 x"))) == "1\\. x\n"


@pytest.mark.parametrize(
    ("element", "loss"),
    [
        (paragraph(run("a", '<w:u w:val="single"/>')), Loss.UNDERLINE),
        (paragraph(run("a", "<w:strike/>")), Loss.STRIKETHROUGH),
        (paragraph(run("a"), run("th", '<w:vertAlign w:val="superscript"/>')), Loss.RAISED_TEXT),
        (paragraph(run("a"), "<m:oMath><m:r><m:t>x</m:t></m:r></m:oMath>"), Loss.EQUATION),
        (paragraph(run("a"), "<w:r><w:object/></w:r>"), Loss.EMBEDDED_OBJECT),
        (paragraph(run("a"), '<w:altChunk r:id="rId99"/>'), Loss.EMBEDDED_OBJECT),
        (paragraph(run("a"), symbol("Symbol", "F094")), Loss.SYMBOL),
    ],
)
def test_what_markdown_cannot_say_is_counted(element, loss):
    assert lost(with_body(element)) == {loss: 1}


def test_a_symbol_that_unicode_has_is_kept():
    data = with_body(paragraph(run("a"), symbol("Symbol", "00B7"), symbol("Wingdings 2", "F097")))
    found = read_document(data)
    assert (found.markdown, dict(found.losses)) == ("a•⦁\n", {})


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ('<w:fldSimple w:instr=" SEQ B "><w:r><w:t>1</w:t></w:r></w:fldSimple>', "Bảng 1"),
        (
            '<w:fldSimple w:instr=" HYPERLINK &quot;https://a.vn/&quot; "><w:r><w:t>b</w:t></w:r>'
            "</w:fldSimple>",
            "Bảng [b](https://a.vn/)",
        ),
        ('<w:bdo w:val="ltr"><w:r><w:t>1900</w:t></w:r></w:bdo>', "Bảng 1900"),
        ('<w:dir w:val="rtl"><w:r><w:t>1900</w:t></w:r></w:dir>', "Bảng 1900"),
        (
            "<w:r><w:ruby><w:rt><w:r><w:t>ha</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>河</w:t></w:r>"
            "</w:rubyBase></w:ruby></w:r>",
            "Bảng ha河",
        ),
        (
            shape(
                "<v:textbox><w:txbxContent><w:p><w:r><w:t>Vụ</w:t></w:r></w:p></w:txbxContent>"
                "</v:textbox>"
            ),
            "Bảng\n\nVụ",
        ),
        (shape('<v:textpath string="Vụ"/>'), "Bảng\n\nVụ"),
    ],
)
def test_words_in_elements_that_word_writes_seldom_are_kept(elements, said):
    found = read_document(with_body(paragraph(run("Bảng "), elements)))
    assert (found.markdown, dict(found.losses)) == (f"{said}\n", {})


def test_styles_without_an_id_or_a_type_are_no_end_of_a_document():
    for attribute in (b' w:type="paragraph"', b' w:styleId="Quote"'):
        data = repacked(
            with_body(paragraph(run("a"))),
            {"word/styles.xml": lambda part, gone=attribute: part.replace(gone, b"")},
        )
        assert read_document(data).markdown == "a\n"


def test_footnotes_are_numbered_at_the_end():
    names = {"footnotes": "footnote"}
    note = '<w:footnote w:id="2"><w:p><w:r><w:t>Ban hành 2020.</w:t></w:r></w:p></w:footnote>'
    data = with_body(paragraph(run("Nghị định"), '<w:r><w:footnoteReference w:id="2"/></w:r>'))
    spaces = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    added = {f"word/{name}.xml": f"<w:{name} {spaces}>{note}</w:{name}>".encode() for name in names}
    found = read_document(repacked(data, added=added))
    assert found.markdown == "Nghị định\\[1\\]\n\n1. Ban hành 2020.\n"
    assert not found.losses


def test_headers_and_comments_are_not_part_of_the_text():
    document = Document()
    document.add_paragraph("Thân")
    document.sections[0].header.paragraphs[0].text = "ĐẦU TRANG"
    document.add_comment(document.paragraphs[0].runs, "NHẬN XÉT", "a")
    assert read_document(saved(document)).markdown == "Thân\n"
    assert document.element.body.find(qn("w:p")) is not None
