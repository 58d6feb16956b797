"""`as_json` under the name by which the binding imports it."""

from mad.config import as_json

__all__ = ["as_json"]
