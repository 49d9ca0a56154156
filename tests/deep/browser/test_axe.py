"""axe as the tests run it: it finds faults also where a profile has no scripts."""

import pytest

from tests.support.browser import WIDTHS, axe, faults_in_both_schemes, faults_in_every_look

FAULTY = """<!doctype html><html><title>x</title><main><h1>a</h1><img src="data:,">
<p style="color: #ddd">nhạt quá</p></main><iframe srcdoc="x"></iframe>"""


@pytest.mark.parametrize("has_scripts", [True, False])
def test_faults_are_found_with_scripts_and_without(browser, has_scripts):
    async def look(page):
        await page.set_content(FAULTY)
        return await axe(page, has_scripts=has_scripts)

    with browser.tab(java_script_enabled=has_scripts) as tab:
        rules = {one.partition(":")[0] for one in tab.do(look)}
    assert {"html-has-lang", "image-alt", "color-contrast"} <= rules


PALE = "{ p { color: #767676; background: #777 } p a { color: #222; background: #fff } }"
IN_DARK = f"""<!doctype html><html lang="vi"><title>x</title><style>p, p a {{ color: #222 }}
p a {{ text-decoration: none; color: #060 }} @media (prefers-color-scheme: dark) {PALE}</style>
<main><h1>a</h1><p>nhạt quá <a href="/">ở đây</a> và chữ đọc được</p></main>"""


@pytest.mark.parametrize("judge", [faults_in_every_look, faults_in_both_schemes])
def test_what_the_dark_scheme_alone_makes_unreadable_is_found(browser, judge):
    async def look(page):
        await page.set_content(IN_DARK)
        return await judge(page)

    with browser.tab() as tab:
        faults = tab.do(look)
    dark = [one for one in faults if "dark: color-contrast" in one]
    assert len(dark) == (len(WIDTHS) if judge is faults_in_every_look else 1), faults
