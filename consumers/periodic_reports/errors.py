"""Errors of reports; each names the file or the day.

ReportError
  LevelTwice      two counts of one level on one day
  DataSetBroken   a file that is no data set
  AlreadySealed   a sealed report, which is never sealed anew
  NotSealed       no seal
  SealBroken      a seal that can't be read
  PartsApart      years of a review that don't follow one another
"""

from typing import ClassVar

from consumers.messages import field_error
from contracts.errors import Invalid


class ReportError(Invalid):
    """The data of a report can't be used."""

    code: ClassVar[str]

    def __init__(self, value: object) -> None:
        super().__init__(field_error("report", self.code, value=value))


class LevelTwice(ReportError):
    code = "report_level_twice"


class DataSetBroken(ReportError):
    code = "report_data_broken"


class AlreadySealed(ReportError):
    code = "report_already_sealed"


class NotSealed(ReportError):
    code = "report_not_sealed"


class SealBroken(ReportError):
    code = "report_seal_broken"


class PartsApart(ReportError):
    code = "report_parts_apart"
