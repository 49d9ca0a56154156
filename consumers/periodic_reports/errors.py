"""What can be wrong with the data of a report."""


class ReportError(Exception):
    """The data of a report can't be used."""


class LevelTwice(ReportError):
    """Two counts of one level on one day."""


class DataSetBroken(ReportError):
    """A file that is no data set."""


class AlreadySealed(ReportError):
    """The folder has a sealed report; it is never sealed anew."""


class NotSealed(ReportError):
    """The folder has no seal."""


class SealBroken(ReportError):
    """The seal can't be read."""
