"""The menu: sections by subject, with the pages that the roles allow; and the table of roles."""

import re

import pytest

from consumers.staff.policy import default_policy
from producers.desk.rendering import desk_texts
from tests.support.desk_app import heading

NAV = desk_texts()["nav"]
_ROW = re.compile(r'<nav class="menu" aria-label="([^"]*)">(.*?)</nav>', re.S)
_LINK = re.compile(r'<a href="([^"]*)"([^>]*)>([^<]*)</a>')


def rows(page) -> dict[str, list[tuple[str, str, bool]]]:
    """Each row of the menu: address, name, and whether it is marked."""
    return {
        label: [(href, name, "aria-current" in more) for href, more, name in _LINK.findall(links)]
        for label, links in _ROW.findall(page.text)
    }


@pytest.mark.parametrize("role", default_policy().file.roles)
async def test_every_page_of_the_menu_answers_and_no_other_is_in_it(desk, role):
    async with desk.signed_in("an", role) as browser:
        [top] = list(rows(await browser.get("/")).values())[:1]
        for href, _, _ in top:
            page = await browser.get(href)
            for path, name, _ in next(iter([*rows(page).values()][1:]), top[:0]):
                answer = await browser.get(path)
                assert answer.status_code == 200, (path, name)
        known = {page["path"] for section in NAV for page in section["pages"]}
        assert {href for href, _, _ in top} <= known


async def test_a_page_below_marks_its_section_and_the_page_above_it(desk):
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        page = await browser.get("/nhan-su/them")
    top, below = rows(page).values()
    assert [name for _, name, marked in top if marked] == ["Quản trị"]
    assert [name for _, name, marked in below if marked] == ["Người dùng"]


async def test_the_table_of_roles_has_a_cell_for_each_role_and_action(desk):
    policy = default_policy().file
    async with desk.signed_in("an", "nguoi-gui-tin") as browser:
        page = await browser.get("/huong-dan/vai-tro")
    assert heading(page) == desk_texts()["role_table"]["title"]
    assert page.text.count('scope="col"') == len(policy.roles) + 2
    assert page.text.count("<td") == (len(policy.actions) + 1) * (len(policy.roles) + 1)
    for role in policy.roles.values():
        assert role.vi in page.text


@pytest.mark.parametrize(
    ("role", "path", "page"),
    [("quan-tri-tai-khoan", "/dinh-danh", "/nhan-su"), ("nguoi-gui-tin", "/tep", "/soan-moi")],
)
async def test_a_page_outside_the_menu_marks_the_page_that_leads_to_it(desk, role, path, page):
    async with desk.signed_in("an", role) as browser:
        _, below = rows(await browser.get(path)).values()
    assert [href for href, _, marked in below if marked] == [page]
