"""How a publication becomes visible: staged, committed to the index, put in place, ticked off.

    stage     all files are written aside and fsynced; a full disk is found here, nothing is visible
    commit    the index takes the revision: from here on it will be shown, whoever finishes it
    swap      the files are renamed into place: item, then feeds, then home
    tick off  the index forgets what was undone

A writer that is killed leaves undone work in the index; whoever takes the lock next finishes it
first. So a row in doubt has an answer: what is in the index is delivered, the rest never will be.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from channels.base import Deadline, Outcome, Verdict
from channels.portal.files import Stage, holds
from channels.portal.index import Index, Row
from channels.portal.lock import Busy, alone
from channels.portal.press import File, Press
from contracts.publication import Publication

CHUNK = 200
AGAIN_S = 30.0
BUSY_S = 5.0


class IndexLost(Exception):
    """There are pages and no index: it has to be rebuilt from the publications."""


class Writer:
    """The only thing that changes the portal's folder; used by one thread.

    `folder/public` is what web servers serve; `folder/state` is nobody's but the writer's.
    """

    def __init__(self, folder: Path, press: Press, patience_s: float) -> None:
        self.public = folder / "public"
        self._state = folder / "state"
        self._press = press
        self._patience_s = patience_s
        self._index: Index | None = None

    def prepare(self) -> None:
        """Make the folder ready: finish what a killed writer left, renew what is out of date.

        Raises OSError, sqlite3.Error, Busy or IndexLost.
        """
        self.public.mkdir(parents=True, exist_ok=True)
        (self._state / "aside").mkdir(parents=True, exist_ok=True)
        with self._alone():
            index = self._open()
            self._renew(index)
            self._finish(index)
            self._print_pages(index, index.old_print(CHUNK))

    def show(self, publication: Publication, expired: Deadline) -> Outcome:
        """Make *publication* visible. Never raises for what disk or index do."""
        committed = False
        try:
            with self._alone():
                index = self._open()
                self._finish(index)
                if index.revision(publication.content_id) > publication.revision:
                    return Outcome(Verdict.FAILED, "superseded_by_newer")
                if expired():
                    return Outcome(Verdict.UNSENT, "deadline_passed")
                stage = self._commit(index, publication)
                committed = True
                self._complete(index, stage)
                return Outcome(Verdict.DELIVERED)
        except Busy:
            return Outcome(Verdict.HELD, "folder_busy", BUSY_S)
        except (OSError, sqlite3.Error) as error:
            verdict = Verdict.DOUBT if committed else Verdict.HELD
            return Outcome(verdict, reason(error), AGAIN_S)
