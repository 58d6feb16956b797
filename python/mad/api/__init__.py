"""The HTTP service: the routes under `/v1` and those of the original systems."""

from mad.api.app import create_app
from mad.api.auth import Tokens
from mad.config.server import HttpLimits

__all__ = ["HttpLimits", "Tokens", "create_app"]
