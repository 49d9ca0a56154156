"""Template of each kind of case notice, for the account's status."""

from dataclasses import dataclass

from channels.case_notice_texts import APOLOGY, NOTICE_KINDS
from channels.zalo.case_notices.template_models import ENABLE, RegisteredTemplates, Template
from contracts.case import STATUS_NAMES


@dataclass(frozen=True, slots=True)
class TemplateStatus:
    """One kind and its template; empty texts for a kind without one. Prices in đồng."""

    kind: str
    status: str
    template: str = ""
    name: str = ""
    state: str = ""
    quality: str = ""
    tag: str = ""
    price_sdt: int | None = None
    price_uid: int | None = None

    @classmethod
    def of(cls, kind: str, template: Template | None) -> "TemplateStatus":
        status = APOLOGY if kind == APOLOGY else STATUS_NAMES[int(kind)]
        if template is None:
            return cls(kind, status)
        prices = template.price_sdt, template.price_uid
        return cls(
            kind,
            status,
            template.id,
            template.name,
            template.state,
            template.quality,
            template.tag,
            *prices,
        )

    @property
    def problem(self) -> str:
        """The reason why notices of this kind cannot be sent; empty for none."""
        if not self.template:
            return "no template"
        return "" if self.state == ENABLE else f"template {self.template} is {self.state}"

    @property
    def fix(self) -> str:
        """The place to correct it; a name in the table of codes."""
        return "template" if self.template else "route"


def template_statuses(registered: RegisteredTemplates) -> list[TemplateStatus]:
    """Every kind, in order."""
    return [TemplateStatus.of(kind, registered.template_for(kind)) for kind in NOTICE_KINDS]
