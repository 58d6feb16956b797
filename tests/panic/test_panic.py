"""A panic of the core, in an extension with the feature `faults`: `make test-panic`."""

from __future__ import annotations

import pytest

import mad
from mad import _core

ROWS = {
    "timestamp": [1_767_696_300 + i for i in range(64)],
    "service": ["shop", "cart"] * 32,
    "endpoint": ["/pay"] * 64,
    "status_code": [200] * 64,
    "latency_ms": [12.5] * 64,
}


def test_a_panic_is_an_error_and_spoils_the_object() -> None:
    assert _core.HAS_FAULTS, "built without the feature `faults`"
    pipeline = mad.Pipeline()
    bad = {**ROWS, "service": ["mad.panic"] * 64}
    with pytest.raises(mad.InternalError, match="an injected fault"):
        pipeline.ingest(bad)
    with pytest.raises(mad.InternalError, match="an earlier call"):
        pipeline.ingest(ROWS)
