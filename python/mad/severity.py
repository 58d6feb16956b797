"""Severities of rows and incidents, and their names in other systems."""

from __future__ import annotations

SEVERITIES = ("Info", "Warning", "Critical")
"""By rank: not flagged, flagged, and flagged with a significant rise of errors."""

FOUR_LEVELS = {"Info": "low", "Warning": "high", "Critical": "critical"}
"""The names in systems with the levels low, medium, high and critical, as in docs/files.md."""
