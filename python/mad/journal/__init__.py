"""The journal on disk: inputs since the last checkpoint, the saved state, and tables of results for
readers.

One server writes a journal. A batch is committed before it is acknowledged. A checkpoint deletes
the batches that it covers in the same transaction. A copy in PostgreSQL is optional.
"""

from mad.config.server import Retention
from mad.journal.alerts import Delivery, Outcome
from mad.journal.damage import DamagedJournal, JournalFailed
from mad.journal.entries import Alert, AuditLine, Entry, TableWrites
from mad.journal.postgres import Mirror
from mad.journal.recover import recover
from mad.journal.sqlite import Journal

__all__ = [
    "Alert",
    "AuditLine",
    "DamagedJournal",
    "Delivery",
    "Entry",
    "Journal",
    "JournalFailed",
    "Mirror",
    "Outcome",
    "Retention",
    "TableWrites",
    "recover",
]
