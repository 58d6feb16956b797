"""The journal on disk: inputs since the last checkpoint, the saved state, and tables of results for
readers.

One server writes a journal. A batch is committed before it is acknowledged. A checkpoint deletes
the batches that it covers in the same transaction.
"""

from mad.journal.entries import Entry, TableWrites
from mad.journal.retention import Retention
from mad.journal.sqlite import Journal

__all__ = ["Entry", "Journal", "Retention", "TableWrites"]
