"""The rules of `loa check` in the pages of operations: `python -m tests.lint.check_rules`."""

from pathlib import Path

from consumers.check.findings import Rule, load_rules
from tests.support.repository import ROOT

BEGIN, END = "<!-- rules of check -->\n", "<!-- /rules of check -->\n"
_HEADS = {
    ROOT / "docs" / "operations.md": ("rule", "what is wrong", "do"),
    ROOT / "docs" / "operations.vi.md": ("quy tắc", "điều bị vi phạm", "cần làm"),
}
PAGES = [*_HEADS]


def table(path: Path) -> str:
    """A row for each rule: what it means, and what to do, in the page's language."""
    head = f"| {' | '.join(_HEADS[path])} |\n| --- | --- | --- |\n"
    rules = sorted(load_rules().items())
    rows = (f"| `{name}` | {' | '.join(_cells(rule, path))} |\n" for name, rule in rules)
    return head + "".join(rows)


def _cells(rule: Rule, path: Path) -> tuple[str, str]:
    return (rule.means_vi, rule.do_vi) if path.name.endswith(".vi.md") else (rule.means, rule.do)


def page(path: Path) -> str:
    """A page with the present table between its marks."""
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table(path) + END + after


if __name__ == "__main__":
    for one in PAGES:
        one.write_text(page(one), "utf-8")
