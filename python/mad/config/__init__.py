"""Configuration: nested settings from files, the environment and arguments, checked by the core."""

from mad.config.settings import AnyConfig, Config, as_json

__all__ = ["AnyConfig", "Config", "as_json"]
