"""The table of the desk's routes and roles: `python -m tests.lint.desk_routes` writes it.

It is read again by the test that asks each route as each role, so that a changed right is a changed
line of the page, and is true over HTTP.
"""

import re
from collections.abc import Mapping

from consumers.staff.policy import Policy, default_policy
from producers.desk.routes import ROUTES
from producers.desk.visit import OWN, PUBLIC, DeskRoute
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "desk.md"
SIGNED_OUT = "signed out"
YES, NO = "yes", "–"
BEGIN, END = "<!-- routes -->\n", "<!-- /routes -->\n"
_ACCESS = {PUBLIC: "all", OWN: "signed in"}
_ROW = re.compile(r"^\| `(GET|POST) (\S+)` \| [^|]* \|(.*)\|$", re.M)


def roles() -> list[str]:
    """The columns: ids of roles, and who is signed out."""
    return [SIGNED_OUT, *default_policy().file.roles]


def table() -> str:
    """The whole table, in the order of the routes."""
    policy = default_policy()
    named = [SIGNED_OUT, *(role.en for role in policy.file.roles.values())]
    head = f"| route | for | {' | '.join(named)} |\n|{' --- |' * (len(named) + 2)}\n"
    return head + "".join(_row(route, policy) for route in ROUTES)


def _row(route: DeskRoute, policy: Policy) -> str:
    access = " ".join(f"`{one}`" for one in route.actions) or _ACCESS[str(route.access)]
    cells = [YES if _may(role, route, policy) else NO for role in roles()]
    return f"| `{route.method} {route.path}` | {access} | {' | '.join(cells)} |\n"


def _may(role: str, route: DeskRoute, policy: Policy) -> bool:
    if route.access == PUBLIC or role == SIGNED_OUT:
        return route.access == PUBLIC
    allowed = policy.file.roles[role].may
    return route.access == OWN or any(action in allowed for action in route.actions)


def page() -> str:
    """The page with the present table between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def allowed_roles() -> Mapping[tuple[str, str], frozenset[str]]:
    """The roles that reach each method and path, as the page says."""
    _, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    found = {}
    for method, path, cells in _ROW.findall(rest.partition(END)[0]):
        said = [cell.strip() for cell in cells.split("|")]
        pairs = zip(roles(), said, strict=True)
        found[method, path] = frozenset(role for role, cell in pairs if cell == YES)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
