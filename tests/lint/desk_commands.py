"""The command for each act of the desk's pages: `python -m tests.lint.desk_commands` writes it.

A new act of the pages needs a command here, or the reason why it has none.
"""

from collections.abc import Mapping

from producers.desk.routes import ROUTES
from producers.desk.visit import DeskRoute
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "desk.md"
BEGIN, END = "<!-- commands -->\n", "<!-- /commands -->\n"
COMMANDS: Mapping[str, str] = {
    "/dang-nhap": "login",
    "/kich-hoat": "login --invited",
    "/dang-xuat": "logout",
    "/oidc/dang-xuat": "logout",
    "/tai-khoan/thu": "staff mail",
    "/tai-khoan/moi-phien": "logout --everywhere",
    "/dong-lenh": "login",
    "/dong-lenh/dong-y": "login",
    "/tin/{content_id}/se-toi-ai": "desk test-send",
    "/nhan-su/them": "staff add",
    "/nhan-su/{id}/vai-tro": "staff roles",
    "/nhan-su/{id}/thu": "staff address",
    "/nhan-su/{id}/mo": "staff enable",
    "/nhan-su/{id}/cap-lai": "staff reset",
    "/nhan-su/{id}/khoa": "staff disable",
    "/nhan-su/{id}/go-lien-ket": "staff unlink",
    "/dinh-danh": "staff link",
    "/don-vi/them": "units add",
    "/don-vi/{unit}/quyen": "units set",
    "/don-vi/{unit}/khoa-moi": "units rotate",
    "/don-vi/{unit}/thu-hoi": "units revoke",
    "/tep": "desk upload",
    "/su-kien-loai/{id}/sua": "dead edit",
    "/su-kien-loai/{id}/gui-lai": "dead replay",
    "/su-kien-loai/{id}/bo": "dead discard",
    "/van-hanh/{channel}/tam-dung": "pause",
    "/van-hanh/{channel}/chay-tiep": "resume",
    "/tin/moi": "desk write",
    "/tin/{content_id}/sua": "desk write --item",
    "/tin/{content_id}/doi-gio": "desk reschedule",
    "/tin/{content_id}/gui": "desk submit",
    "/tin/{content_id}/xac-nhan": "desk confirm",
    "/tin/{content_id}/trinh": "desk propose",
    "/tin/{content_id}/duyet": "desk approve",
    "/tin/{content_id}/tra-lai": "desk return",
    "/tin/{content_id}/bo": "desk discard",
    "/tin/{content_id}/tu-choi": "desk reject",
    "/tin/{content_id}/go": "withdraw",
    "/tin/{content_id}/gop-y": "desk comment",
    "/nhat-ky/doi-chieu": "audit verify",
    "/nhat-ky/trich-xuat": "audit export",
    "/soan/{content_id}/docx": "convert",
}
"""The command, with the option that makes it this act, by the address to which a form is sent."""
WITHOUT_COMMAND: Mapping[str, str] = {
    "/tai-khoan/mat-khau": "a password is changed in a browser",
    "/tai-khoan/ung-dung": "an app is set up with the picture that the page shows",
    "/tai-khoan/phien": "`loa logout --everywhere` ends them all",
    "/de-nghi/{id}/dong-y": "the second account gives the same command",
    "/de-nghi/{id}/tu-choi": "a proposal ends by itself",
    "/soan/dan": "of the visual editor",
    "/soan/doi": "of the visual editor",
    "/soan/{content_id}/giu-tam": "of the visual editor",
    "/soan/{content_id}/co-mat": "of the visual editor",
    "/soan/{content_id}/bo-giu-tam": "of the visual editor",
    "/soan/{content_id}/kiem-tra": "of the visual editor",
    "/soan/{content_id}/lien-ket": "a check beside the text",
    "/tin/{content_id}/lien-ket": "a check beside the text",
}
"""Acts without a command, and why."""


def acts() -> list[DeskRoute]:
    """The routes that change something, or that a form asks."""
    return [route for route in ROUTES if route.method != "GET"]


def table() -> str:
    rows = (f"| `{route.path}` | {_cell(route.path)} |\n" for route in acts())
    return "| form | command |\n| --- | --- |\n" + "".join(rows)


def _cell(path: str) -> str:
    command = COMMANDS.get(path)
    return f"`loa {command}`" if command else WITHOUT_COMMAND.get(path, "?")


def page() -> str:
    """The page with the present table between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
