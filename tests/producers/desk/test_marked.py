"""The marked differences on a page: for eyes and for screen readers, and harmless."""

from contracts.text.differences import marked_changes
from producers.desk.rendering import DeskPages


def render(old: str, new: str) -> str:
    template = DeskPages().environment.get_template("marked.html")
    return str(template.module.marked(marked_changes(old, new)))


def test_what_was_removed_and_added_is_marked_and_said():
    page = render("Nghỉ Tết năm 2026.", "Nghỉ Tết năm 2027.")
    assert "<del><span" in page and "2026<span" in page
    assert "<ins><span" in page and "2027<span" in page


def test_words_of_a_text_are_no_markup():
    page = render("<b>cũ</b>", "<script>mới</script>")
    assert "<script>" not in page and "<b>" not in page


def test_two_equal_texts_have_no_marks():
    assert "<ins>" not in render("Như nhau.", "Như nhau.")
