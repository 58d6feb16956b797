"""The journal on disk: inputs since the last checkpoint, the saved state, and tables of results for
readers.

One server writes a journal. A batch is committed before it is acknowledged. A checkpoint deletes
the batches that it covers in the same transaction.
"""

from mad.config.server import Retention
from mad.journal.damage import DamagedJournal
from mad.journal.entries import AuditLine, Entry, TableWrites
from mad.journal.recover import recover
from mad.journal.sqlite import Journal, JournalFailed

__all__ = [
    "AuditLine",
    "DamagedJournal",
    "Entry",
    "Journal",
    "JournalFailed",
    "Retention",
    "TableWrites",
    "recover",
]
