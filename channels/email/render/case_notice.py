"""Mail of a case notice: one person, one dossier, no subscription."""

from datetime import datetime

from channels import case_notice_texts
from channels.email.render.build import MailContext
from channels.email.render.message import MailContent
from channels.email.render.personal import PersonalMail, paragraph_content
from contracts.case import AcceptedNotice, CaseNotice


class RenderedCaseNotice(PersonalMail):
    """Mail of one notice."""

    template_name = "notice"

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        super().__init__(context)
        self.notice = notice

    @property
    def date(self) -> datetime:
        return notice_date(self.notice)

    def content(self) -> MailContent:
        """Content in the catalogue's words; the greeting is the first paragraph."""
        notice, subject = self.notice, case_notice_texts.subject(self.notice)
        texts, url = case_notice_texts.paragraphs(notice), notice.detail_url or ""
        return paragraph_content(subject, subject, texts, unit=self.unit, url=url)

    @property
    def unit(self) -> str:
        """The authority, unless it is the agency that sends all mails."""
        authority = self.notice.authority
        return "" if authority.casefold() == self.context.agency.casefold() else authority


def notice_date(notice: CaseNotice) -> datetime:
    """Time of acceptance: the same at every retry, never far in the past or the future."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at
