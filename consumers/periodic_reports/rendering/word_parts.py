"""Parts of a Word document that python-docx has no words for, as WordprocessingML."""

from functools import cache
from xml.sax.saxutils import escape, quoteattr

from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.oxml.table import CT_TblPr
from docx.oxml.text.parfmt import CT_PPr
from docx.oxml.xmlchemy import BaseOxmlElement
from PIL import ImageFont

from design.fonts import FONT_FOLDER

_MEASURED_PT = 100
_CELL_MARGIN = 108
"""Word's own, in twentieths of a point."""
_VML = 'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
_WATERMARK_STYLE = (
    "position:absolute;margin-left:0;margin-top:0;width:420pt;height:140pt;rotation:315;"
    "z-index:-251658752;mso-position-horizontal:center;"
    "mso-position-horizontal-relative:margin;mso-position-vertical:center;"
    "mso-position-vertical-relative:margin"
)


def field(instruction: str) -> BaseOxmlElement:
    """A field that Word fills in: `PAGE`."""
    return parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr="{instruction}"><w:r/></w:fldSimple>')


def watermark(text: str) -> BaseOxmlElement:
    """A run with *text* across the page, behind what is on it."""
    return parse_xml(
        f"<w:r {nsdecls('w')} {_VML}><w:rPr><w:noProof/></w:rPr><w:pict>"
        '<v:shapetype id="_x0000_t136" coordsize="21600,21600" o:spt="136" adj="10800" '
        'path="m@7,l@8,m@5,21600l@6,21600e"><v:formulas><v:f eqn="sum #0 0 10800"/>'
        '<v:f eqn="prod #0 2 1"/><v:f eqn="sum 21600 0 @1"/><v:f eqn="sum 0 0 @2"/>'
        '<v:f eqn="sum 21600 0 @3"/><v:f eqn="if @0 @3 0"/><v:f eqn="if @0 21600 @1"/>'
        '<v:f eqn="if @0 0 @2"/><v:f eqn="if @0 @4 21600"/></v:formulas>'
        '<v:path textpathok="t" o:connecttype="rect"/><v:textpath on="t" fitshape="t"/>'
        "</v:shapetype>"
        f'<v:shape id="PowerPlusWaterMarkObject1" type="#_x0000_t136" alt={quoteattr(text)} '
        f'style="{_WATERMARK_STYLE}" o:allowincell="f" fillcolor="#d9d9d9" stroked="f">'
        f'<v:textpath style="font-family:&quot;Times New Roman&quot;" string={quoteattr(text)}/>'
        "</v:shape></w:pict></w:r>"
    )


def draw_line_above(properties: CT_PPr) -> None:
    """Give the paragraph of these properties an upper border, in the order that Word wants."""
    border = parse_xml(
        f"<w:pBdr {nsdecls('w')}>"
        '<w:top w:val="single" w:sz="6" w:space="1" w:color="000000"/></w:pBdr>'
    )
    properties.insert_element_before(border, "w:spacing", "w:ind", "w:jc")


def begin_at_margin(properties: CT_TblPr) -> None:
    """Move a table right by the margin of its cells; else its border is outside the page's."""
    indent = parse_xml(f'<w:tblInd {nsdecls("w")} w:w="{_CELL_MARGIN}" w:type="dxa"/>')
    properties.insert_element_before(indent, "w:tblBorders", "w:tblLayout", "w:tblLook")


def repeated_head() -> BaseOxmlElement:
    """The mark of a row that every page of its table begins with."""
    return parse_xml(f"<w:tblHeader {nsdecls('w')}/>")


def whole_row() -> BaseOxmlElement:
    """The mark of a row that no page ends within."""
    return parse_xml(f"<w:cantSplit {nsdecls('w')}/>")


def language(code: str) -> BaseOxmlElement:
    return parse_xml(f'<w:lang {nsdecls("w")} w:val="{escape(code)}" w:eastAsia="{escape(code)}"/>')


def width_pt(text: str, size_pt: float) -> float:
    """How wide *text* is in bold; the font that ships has the widths of Times New Roman."""
    return float(_bold().getlength(text)) * size_pt / _MEASURED_PT


@cache
def _bold() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT_FOLDER / "LiberationSerif-Bold.ttf"), _MEASURED_PT)
