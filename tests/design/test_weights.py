"""The weight of each face is what docs/design.md says."""

from tests.design.weights import DOCUMENT, with_weights


def test_the_table_of_weights_is_current():
    text = DOCUMENT.read_text("utf-8")
    assert text == with_weights(text), "run python -m tests.design.weights"
