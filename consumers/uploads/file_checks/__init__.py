"""Checks of uploaded files by their content, in a process of its own; names prove nothing."""

from consumers.uploads.file_checks.check import CheckedFile as CheckedFile
from consumers.uploads.file_checks.check import check_file as check_file
