"""What was taken, kept on disk until it is in a checkpoint; and what came of it, for readers.

One server writes a journal. A batch is committed before its sender hears of it; a checkpoint and
the trimming of the batches that it covers are one transaction.
"""

from mad.journal.entries import Entry, TableWrites
from mad.journal.retention import Retention
from mad.journal.sqlite import Journal

__all__ = ["Entry", "Journal", "Retention", "TableWrites"]
