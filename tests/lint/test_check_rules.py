"""The pages of operations have a row for every rule of `loa check`."""

import pytest

from tests.lint import check_rules


@pytest.mark.parametrize("path", check_rules.PAGES, ids=lambda path: path.name)
def test_the_table_of_rules_is_up_to_date(path):
    assert path.read_text("utf-8") == check_rules.page(path)
