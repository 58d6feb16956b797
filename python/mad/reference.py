"""The exact numbers of the original system, with one median and MAD over the whole file.

For comparison only; `mad.detect` is the detector.
"""

from __future__ import annotations

import os
from typing import Any

from mad import _core


def detect(
    requests: Any, min_points: int = 20, warmup: int = 15, min_requests: int = 20
) -> _core.Table:
    """Scores requests like the original system: one median and MAD over the whole file.

    `requests` is as in `mad.detect`, but naive times are UTC. The result has one row per minute and
    endpoint, ordered by time, service and endpoint, with the columns bucket_ts, service, endpoint,
    req_count, error_count, error_rate, avg_latency_ms (ms), p95_latency_ms (ms), mad_z, is_anomaly
    and severity. A row is flagged when |mad_z| > 3.5, its group has at least `min_points` rows, it
    is not among the first `warmup` rows of the group, and it has at least `min_requests` requests.

    Empty input gives an empty table. Raises ValueError and OSError as `mad.detect` does.

    >>> import mad
    >>> scored = mad.reference.detect(
    ...     {
    ...         "timestamp": ["2026-01-06T10:00:00Z", "2026-01-06T10:00:30Z"],
    ...         "service": ["shop", "shop"],
    ...         "endpoint": ["/pay", "/pay"],
    ...         "status_code": [200, 500],
    ...         "latency_ms": [10.0, 20.0],
    ...     }
    ... )
    >>> len(scored)
    1
    """
    if isinstance(requests, str | os.PathLike):
        from mad.detection.files import reference_file

        settings = {"min_points": min_points, "warmup": warmup, "min_requests": min_requests}
        return reference_file(os.fspath(requests), settings)
    return _core.reference_detect(requests, min_points, warmup, min_requests)
