"""The table of routes and roles in docs/desk.md is what the code says."""

from tests.lint import desk_routes


def test_the_table_of_routes_and_roles_is_up_to_date():
    assert desk_routes.PAGE.read_text("utf-8") == desk_routes.page()


def test_the_table_has_every_route_once():
    text = desk_routes.PAGE.read_text("utf-8").partition(desk_routes.BEGIN)[2]
    for method, path in desk_routes.allowed_roles():
        assert text.count(f"| `{method} {path}` |") == 1
