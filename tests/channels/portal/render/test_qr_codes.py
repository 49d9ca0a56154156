"""QR codes of the ministry's accounts: files of the portal, for configured addresses alone."""

from dataclasses import replace

import pytest

from channels.portal.model.public_channels import load_channels
from channels.portal.render.site_files import SiteFiles
from tests.support.portal_dir import PORTAL_SITE

ZALO = '[channels.zalo]\nurl = "https://zalo.me/4318657068771012646"\nshown = true\n'


def files_with(own: str) -> dict[str, bytes]:
    site = replace(PORTAL_SITE, channels=load_channels(own))
    return {path: body for path, body in SiteFiles(site).fixed_files() if body}


def codes(files: dict[str, bytes]) -> list[str]:
    return [path for path in files if path.startswith("tai-nguyen/qr-")]


def test_the_account_has_a_code_that_the_portal_serves_itself():
    files = files_with(ZALO)
    [code] = codes(files)
    assert files[code].startswith(b"<svg") and b"script" not in files[code]
    page = files["kenh/index.html"].decode()
    assert f'src="/{code}" alt="Mã QR: https://zalo.me/4318657068771012646"' in page
    assert codes(files_with(ZALO.replace("646", "647"))) != [code]


@pytest.mark.parametrize("own", ["", ZALO.replace("https://zalo.me", "/zalo")])
def test_without_an_address_that_a_telephone_opens_there_is_no_code(own):
    files = files_with(own)
    assert codes(files) == []
    assert "Mã QR" not in files["kenh/index.html"].decode()


def test_the_longest_address_has_a_code():
    longest = ZALO.replace("4318657068771012646", "ộ" * 484)
    assert len(codes(files_with(longest))) == 1
