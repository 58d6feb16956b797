"""The service over HTTP: what the originals answered, and `/v1`."""

from mad.api.app import create_app
from mad.api.auth import Tokens

__all__ = ["Tokens", "create_app"]
