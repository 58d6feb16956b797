"""The original system's numbers, kept exact: one median and MAD over the whole file, in hindsight.

For comparison only; `mad.detect` is the detector.
"""

from __future__ import annotations

import os
from typing import Any

from mad import _core


def detect(
    requests: Any, min_points: int = 20, warmup: int = 15, min_requests: int = 20
) -> _core.Table:
    """A's scored rows: bucket_ts, service, endpoint, req_count, error_count, error_rate,
    avg_latency_ms, p95_latency_ms, mad_z, is_anomaly, severity; by time, service and endpoint.

    `requests` is as in `mad.detect`, but naive times are UTC. A row is flagged when
    |mad_z| > 3.5, its group has `min_points` rows, it is not among the group's first `warmup` rows,
    and it has `min_requests` requests.
    """
    if isinstance(requests, str | os.PathLike):
        from mad.detection.files import reference_file

        settings = {"min_points": min_points, "warmup": warmup, "min_requests": min_requests}
        return reference_file(os.fspath(requests), settings)
    return _core.reference_detect(requests, min_points, warmup, min_requests)
