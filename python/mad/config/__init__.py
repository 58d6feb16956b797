"""Configuration: nested settings that the core checks field by field, and where they come from."""

from mad.config.settings import AnyConfig, Config, as_json

__all__ = ["AnyConfig", "Config", "as_json"]
