"""An operator's own texts: each entry that can't be used is named, and the others are taken."""

import pytest

from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.composition import compose
from consumers.periodic_reports.contents.texts import load_texts
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from tests.support.report_data import YEAR, write_year


def test_own_texts_replace_those_that_ship_entry_by_entry(tmp_path):
    own = tmp_path / "report.toml"
    own.write_text(
        '[masthead]\nissuer = "Văn phòng Bộ"\nsubject = "Kết quả {period} của {issuer}"\n'
        '[signature]\nsecond_authority = "Công ty Cổ phần VNG"\n'
        '[indicators.cases_delivered_share]\nshort = "Đã tới (%)"\n'
        '[units]\nvan-phong-bo = "Văn phòng"\n'
        "[plan.2026]\nitems_published = 1500\ndelivered_share = 99.5\n"
    )
    texts = load_texts(own)
    assert texts["masthead"]["issuer"] == "Văn phòng Bộ"
    assert texts["masthead"]["nation"] == load_texts(tmp_path / "none")["masthead"]["nation"]
    assert texts["plan"]["2026"]["items_published"] == 1500


def test_an_empty_file_replaces_nothing(tmp_path):
    own = tmp_path / "report.toml"
    own.touch()
    assert load_texts(own) == load_texts(tmp_path / "none")


@pytest.mark.parametrize(
    ("own", "entry"),
    [
        ("[mastheads]\nissuer = ''", "mastheads"),
        ("[masthead]\nissuers = ''", "masthead.issuers"),
        ("[masthead]\nissuer = 3", "masthead.issuer"),
        ("masthead = ''", "masthead"),
        ("[masthead]\nsubject = '{issuer'", "masthead.subject"),
        ("[masthead]\nsubject = '{year}'", "masthead.subject"),
        ("[periods]\nyear = '{period}'", "periods.year"),
        ("[tables]\ncaption = '{title}. {0}'", "tables.caption"),
        ("[recipients]\nlist = '- Lưu: VT'", "recipients.list"),
        ("[recipients]\nlist = [1]", "recipients.list"),
        ("[indicators.delivered]\nshorter = ''", "indicators.delivered.shorter"),
        ("[units]\nvan-phong-bo = 3", "units"),
        ("plan = 3", "plan"),
        ("[plan]\n2026 = 3", "plan.2026"),
        ("[plan.2026]\nitems = 3", "plan.2026"),
        ("[plan.2026]\nfollowers = 'nhiều'", "plan.2026.followers"),
        ("[plan.2026]\nfollowers = -1", "plan.2026.followers"),
        ("[plan.2026]\napproval_median = 86400", "plan.2026.approval_median"),
        ("[plan.2026]\ndelivered_share = 9950", "plan.2026.delivered_share"),
        ("[plan.2026]\nfollowers = nan", "plan.2026.followers"),
    ],
)
def test_an_entry_that_cant_be_used_is_named(tmp_path, own, entry):
    file = tmp_path / "report.toml"
    file.write_text(own)
    with pytest.raises(Invalid) as refused:
        load_texts(file)
    assert [error.field for error in refused.value.errors] == [f"report.toml.{entry}"]


def test_the_plan_of_a_duration_is_in_hours_as_reports_show_it(tmp_path):
    own = tmp_path / "report.toml"
    own.write_text("[plan.2026]\napproval_median = 24\nitems_published = 1500\n")
    plan = HeaderSources(load_texts(own), DEFAULT).header("2026", YEAR, None).plan
    summary = compose(write_year(tmp_path / "set", 20, plan=plan)).tables()[0]
    texts = load_texts(tmp_path / "none")["indicators"]
    planned = {row[0].text: row[2].text for row in summary.rows}
    assert planned[texts["approval_median"]["name"]] == "24,00"
    assert planned[texts["items_published"]["name"]] == "1.500"
