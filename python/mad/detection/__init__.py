"""Detection over files and tables, in memory or into a directory."""

from mad.detection.tables import detect, detect_metrics, read

__all__ = ["detect", "detect_metrics", "read"]
