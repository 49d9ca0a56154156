"""The tour of a page by keys finds each fault that is planted, and none on a page without."""

import pytest

from tests.support.keyboard import tour

FINE = '<a href="#">một</a><br><input name="hai"><button>ba</button>'
BAR = "position: fixed; top: 0; left: 0; width: 100%; height: 4rem; background: red"
PLANTED = {
    "has no ring": f"{FINE}<style>:focus {{ outline: none }}</style>",
    "lies beneath DIV": f'{FINE}<div style="{BAR}"></div>',
    "is out of sight": f'{FINE}<a href="#" style="position: fixed; left: -99px">bốn</a>',
    "comes after": f'{FINE}<a href="#" style="position: absolute; top: 0; left: 0">bốn</a>',
    "of 3 places": f"{FINE}<script>onkeydown = (e) => e.target.name && e.preventDefault()</script>",
}
STYLE = "<style>:focus-visible { outline: 3px solid } body { padding-top: 2rem }</style>"


async def faults(page, html: str) -> list[str]:
    await page.set_content(f"<!doctype html>{STYLE}{html}")
    return await tour(page)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(browser, fault):
    with browser.tab() as tab:
        found = tab.do(lambda page: faults(page, PLANTED[fault]))
    assert any(fault in one for one in found), found


def test_a_page_without_faults_has_none(browser):
    with browser.tab() as tab:
        assert tab.do(lambda page: faults(page, FINE)) == []
