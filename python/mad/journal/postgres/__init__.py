"""A copy of the journal in PostgreSQL that is written before a batch is acknowledged.

The SQLite file stays the working copy of one server. Each of its transactions sends the rows that
it changed to PostgreSQL in one statement, and is committed there first. A start on an empty
directory, or on one that is behind, restores the file from PostgreSQL.
"""

from mad.journal.postgres.mirror import Mirror

__all__ = ["Mirror"]
