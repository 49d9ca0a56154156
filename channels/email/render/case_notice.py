"""The mail of a case notice: for one person, about one dossier, and no subscription to end."""

from datetime import datetime

from channels import case_notice_texts
from channels.email.render.build import MailContext
from channels.email.render.message import MailContent
from channels.email.render.personal import PersonalMail, paragraph_content
from contracts.case import AcceptedNotice, CaseNotice


class RenderedCaseNotice(PersonalMail):
    """One notice."""

    template_name = "notice"

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        super().__init__(context)
        self.notice = notice

    @property
    def date(self) -> datetime:
        return notice_date(self.notice)

    def content(self) -> MailContent:
        """In the words of the catalogue; the greeting is the first paragraph."""
        notice, subject = self.notice, case_notice_texts.subject(self.notice)
        texts, url = case_notice_texts.paragraphs(notice), notice.detail_url or ""
        return paragraph_content(subject, subject, texts, unit=self.unit, url=url)

    @property
    def unit(self) -> str:
        """The authority, unless it is who speaks in every mail."""
        authority = self.notice.authority
        return "" if authority.casefold() == self.context.agency.casefold() else authority


def notice_date(notice: CaseNotice) -> datetime:
    """The same at every retry, and never that of a step which lies days back, or ahead."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at
