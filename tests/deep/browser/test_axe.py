"""axe as the tests run it: it finds faults also where a profile has no scripts."""

import pytest

from tests.support.browser import axe

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
