"""Sinks for results: files of a directory."""
