"""The command for each act and each page of the desk: `python -m tests.lint.desk_commands` writes
it.

A new act or page needs a command here, or the reason why it has none.
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
    "/tai-khoan/phien": "logout --session",
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
    "/don-vi/{unit}/khoa-nats": "units bus-key",
    "/don-vi/{unit}/khoa-thu": "units trial-key",
    "/don-vi/{unit}/thu-hoi-thu": "units trial-key --revoke",
    "/don-vi/{unit}/thu-hoi-nats": "units bus-key --revoke",
    "/de-nghi/{id}/tu-choi": "staff refuse",
    "/tep": "desk upload",
    "/su-kien-loai/{id}/sua": "dead edit",
    "/su-kien-loai/{id}/gui-lai": "dead replay",
    "/su-kien-loai/{id}/bo": "dead discard",
    "/van-hanh/{channel}/tam-dung": "pause",
    "/van-hanh/{channel}/chay-tiep": "resume",
    "/soan-moi": "desk write",
    "/tin/{content_id}/sua": "desk write --item",
    "/tin/{content_id}/ban-tin": "bulletin move",
    "/ban-tin/{series}": "bulletin propose",
    "/tin/{content_id}/dinh-chinh-so": "bulletin correct",
    "/chuyen-de/de-xuat": "campaign propose",
    "/tin/{content_id}/chuyen-de": "campaign plan",
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
    "/bao-cao/tac-gia": "report authors",
    "/soan/{content_id}/docx": "convert",
    "/soan/{content_id}/kiem-tra": "desk check",
    "/soan/{content_id}/lien-ket": "desk check --links",
    "/tin/{content_id}/lien-ket": "desk check --links",
}
"""The command, with the option that makes it this act, by the address to which a form is sent."""
WITHOUT_COMMAND: Mapping[str, str] = {
    "/tai-khoan/mat-khau": "a password is changed in a browser",
    "/tai-khoan/ung-dung": "an app is set up with the picture that the page shows",
    "/de-nghi/{id}/dong-y": "the second account gives the same command",
    "/soan/dan": "what is pasted is converted for the editor; `loa convert` does it to a file",
    "/soan/doi": "the visual editor changes its own form",
    "/soan/{content_id}/giu-tam": "keeps what is typed in a browser",
    "/soan/{content_id}/co-mat": "says who has a form open",
    "/soan/{content_id}/bo-giu-tam": "drops what was typed in a browser",
}
"""Acts without a command, and why."""
PAGES: Mapping[str, str] = {
    "/dang-nhap": "login",
    "/kich-hoat": "login --invited",
    "/dong-lenh": "login",
    "/": "desk list --mine",
    "/quyen": "whoami",
    "/tai-khoan": "sessions",
    "/tin": "desk list",
    "/lich": "desk list --from",
    "/ban-tin": "bulletin list",
    "/tin/{content_id}/ban-tin": "bulletin show",
    "/tin/{content_id}/ban-tin/in": "bulletin print",
    "/chuyen-de": "campaign list",
    "/chuyen-de/de-xuat": "campaign propose",
    "/tin/{content_id}/chuyen-de": "campaign show",
    "/tin/{content_id}/chuyen-de/bao-cao": "campaign report",
    "/soan-moi": "desk write",
    "/tin/{content_id}": "desk show",
    "/tin/{content_id}/sua": "desk show",
    "/tin/{content_id}/duyet": "desk show",
    "/tin/{content_id}/xem-truoc": "desk preview",
    "/tin/{content_id}/xem-truoc/khung": "desk preview --as",
    "/tin/{content_id}/se-toi-ai": "desk dry-run",
    "/tin/{content_id}/dang-gui": "trace",
    "/nhan-su": "staff list",
    "/nhan-su/them": "staff add",
    "/nhan-su/{id}": "staff list",
    "/dinh-danh": "staff identities",
    "/don-vi": "units list",
    "/don-vi/them": "units add",
    "/don-vi/{unit}": "units list",
    "/de-nghi": "staff proposals",
    "/tep": "desk upload",
    "/su-kien-loai": "dead list",
    "/su-kien-loai/{id}": "dead show",
    "/su-kien-loai/{id}/sua": "dead edit",
    "/van-hanh": "status",
    "/nhat-ky": "audit list",
    "/nhat-ky/doi-chieu": "audit verify",
    "/nhat-ky/trich-xuat": "audit export",
    "/bao-cao": "report span",
    "/bao-cao/so-lieu": "facts list",
    "/bao-cao/tep": "report span",
    "/bao-cao/tac-gia": "report authors",
    "/nhat-ky/{log}/{id}": "audit list --json",
}
"""The command that shows what a page shows, or asks what its form asks, by the page's address."""
WITHOUT_SHOWING: Mapping[str, str] = {
    "/oidc/vao": "leads a browser to the identity provider",
    "/oidc/ve": "takes a browser back from the identity provider",
    "/oidc/xong": "ends a browser's sign-in",
    "/tai-khoan/ung-dung": "an app is set up with the picture that the page shows",
    "/huong-dan/vai-tro": "roles are read in `roles.toml`",
    "/tin/{content_id}/dang-gui/dong": "keeps an open page new; `loa top` does so in a terminal",
    "/tep/{hash}/{name}": "a kept file is opened in a browser",
    "/don-vi/{unit}/thu/{id}/{face}": "the holder of the key asks the door for it",
    "/don-vi/{unit}/cach-gui": "shows the files of `examples` and `contracts/schemas`",
}
"""Pages without a command, and why."""


def acts() -> list[DeskRoute]:
    """The routes that change something, or that a form asks."""
    return [route for route in ROUTES if route.method != "GET"]


def pages() -> list[DeskRoute]:
    """The routes that show something."""
    return [route for route in ROUTES if route.method == "GET"]


def table() -> str:
    forms = _rows("form", acts(), COMMANDS, WITHOUT_COMMAND)
    return forms + "\n" + _rows("page", pages(), PAGES, WITHOUT_SHOWING)


def _rows(
    kind: str, routes: list[DeskRoute], commands: Mapping[str, str], reasons: Mapping[str, str]
) -> str:
    rows = (f"| `{one.path}` | {_cell(one.path, commands, reasons)} |\n" for one in routes)
    return f"| {kind} | command |\n| --- | --- |\n" + "".join(rows)


def _cell(path: str, commands: Mapping[str, str], reasons: Mapping[str, str]) -> str:
    command = commands.get(path)
    return f"`loa {command}`" if command else reasons.get(path, "?")


def page() -> str:
    """The page with the present table between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
