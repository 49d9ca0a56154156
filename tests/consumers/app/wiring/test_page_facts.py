"""Texts of pages on mails and on retention agree with the settings."""

from dataclasses import replace

from channels.email.settings import EmailSettings
from consumers.app.wiring.portal import portal_site
from consumers.app.wiring.subscribers import page_facts
from contracts.base.retention import DEFAULT


async def test_pages_tell_the_configured_sender_and_the_ministrys_own_span(node):
    days = DEFAULT.model_dump() | {"former_readers": 400, "failed_addresses": 90}
    kept = "\n".join(f"{kind} = {number}" for kind, number in days.items())
    node.settings.retention_file.write_text(kept)
    email = EmailSettings(_env_file=None, from_="Bộ Nội vụ <tin@moha.example>")
    told = page_facts(replace(node, email=email))
    assert told.sender == "Bộ Nội vụ <tin@moha.example>"
    assert (told.kept_days, told.returned_days) == (400, 90)
    assert {"confirm", "manage", "absent", "change"} <= set(told.subjects)


async def test_the_list_of_channels_names_the_same_sender(node):
    email = EmailSettings(_env_file=None, from_="Bộ Nội vụ <tin@moha.example>")
    site = portal_site(replace(node, email=email))
    assert site.mail_sender == page_facts(replace(node, email=email)).sender
