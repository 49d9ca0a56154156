"""The accounts of units, as files and in a server's configuration."""

from producers.bus_access.unit_accounts import (
    UnitAccount,
    account_stanzas,
    exports,
    load_units,
    write_units,
)

KEY, OTHER = "U" + "A" * 55, "U" + "B" * 55
UNITS = [UnitAccount("vu-phap-che"), UnitAccount("van-phong-bo", (KEY, OTHER))]


def test_units_are_read_back_and_a_unit_without_keys_stays_known(tmp_path):
    write_units(tmp_path / "units", UNITS)
    assert load_units(tmp_path / "units") == sorted(UNITS, key=lambda one: one.unit)
    assert load_units(tmp_path / "elsewhere") == []


def test_only_a_unit_with_a_key_has_an_account_and_a_way_in():
    exported, [stanza] = exports(UNITS), account_stanzas(UNITS)
    assert exported == [
        '{service: "in.van-phong-bo.*", accounts: ["UNIT-van-phong-bo"]}',
        '{stream: "publication.status.van-phong-bo.*", accounts: ["UNIT-van-phong-bo"]}',
    ]
    assert f"users: [{{nkey: {KEY}}}, {{nkey: {OTHER}}}]" in stanza


def test_a_line_that_is_no_public_key_never_reaches_the_configuration(tmp_path):
    (tmp_path / "van-phong-bo").write_text(f"{KEY}\n{KEY[:-1]}\nU{{}}\n{KEY}}}]\n")
    (tmp_path / ".draft").write_text(KEY)
    assert load_units(tmp_path) == [UnitAccount("van-phong-bo", (KEY,))]
