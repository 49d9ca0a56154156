"""The mail of a case notice: for one person, about one dossier, and no subscription to end."""

from datetime import datetime

from channels import notices
from channels.email.build import House
from channels.email.letter import Letter
from channels.email.personal import Personal, worded
from contracts.case import AcceptedNotice, CaseNotice


class RenderedNotice(Personal):
    """One notice."""

    name = "notice"

    def __init__(self, notice: CaseNotice, house: House) -> None:
        super().__init__(house)
        self.notice = notice

    @property
    def date(self) -> datetime:
        return date(self.notice)

    def words(self) -> Letter:
        """In the words of the catalogue; the greeting is the first paragraph."""
        notice, subject = self.notice, notices.subject(self.notice)
        texts, url = notices.paragraphs(notice), notice.detail_url or ""
        return worded(subject, subject, texts, unit=self.unit, url=url)

    @property
    def unit(self) -> str:
        """The authority, unless it is who speaks in every mail."""
        authority = self.notice.authority
        return "" if authority.casefold() == self.house.agency.casefold() else authority


def date(notice: CaseNotice) -> datetime:
    """The same at every retry, and never that of a step which lies days back, or ahead."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at
