"""Mail of a case notice: one person, one dossier, no subscription."""

from datetime import datetime

from channels import case_notice_texts
from channels.email.render.build import MailContext
from channels.email.render.message import MailContent
from channels.email.render.personal import PersonalMail, paragraphs_html
from contracts.case import AcceptedNotice, CaseNotice


class RenderedCaseNotice(PersonalMail):
    """Mail of one notice."""

    template_name = "notice"

    def __init__(self, notice: CaseNotice, context: MailContext) -> None:
        super().__init__(context)
        self.notice = notice

    def content(self) -> MailContent:
        """Content in the catalogue's words; the greeting is the first paragraph."""
        notice, subject = self.notice, case_notice_texts.subject(self.notice)
        paragraphs = case_notice_texts.paragraphs(notice)
        is_agency = notice.authority.casefold() == self.context.agency.casefold()
        return MailContent(
            subject=subject,
            title=subject,
            date=notice_date(notice),
            url=notice.detail_url or "",
            sender_unit="" if is_agency else notice.authority,
            html=paragraphs_html(paragraphs),
            plain="\n\n".join(paragraphs),
        )


def notice_date(notice: CaseNotice) -> datetime:
    """Time of acceptance: the same at every retry, never far in the past or the future."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at
