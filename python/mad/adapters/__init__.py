"""Instruments a service: ASGI and WSGI middleware, outgoing calls and an OpenTelemetry exporter.

    from mad.adapters.asgi import MadMiddleware

    app.add_middleware(MadMiddleware, service="checkout", url="http://127.0.0.1:8000")

The adapters never fail a request and never wait for mad. Records are sent in the background;
records that cannot be sent are counted and dropped. Only the standard library is needed.
"""

from mad.adapters.clock import Clock
from mad.adapters.record import Recorder, call, note, outgoing, urlopen
from mad.adapters.sender import Sender, SenderStats

__all__ = ["Clock", "Recorder", "Sender", "SenderStats", "call", "note", "outgoing", "urlopen"]
