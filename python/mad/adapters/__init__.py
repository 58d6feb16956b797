"""What a service takes in to be watched: middleware, outgoing calls, an OpenTelemetry exporter.

    from mad.adapters.asgi import MadMiddleware

    app.add_middleware(MadMiddleware, service="checkout", url="http://127.0.0.1:8000")

Nothing here breaks a service or waits for mad: records go out in the background, and what cannot
be sent is counted and dropped. Only the standard library is needed.
"""

from mad.adapters.clock import Clock
from mad.adapters.record import Recorder, call, note, outgoing, urlopen
from mad.adapters.sender import Figures, Sender

__all__ = ["Clock", "Figures", "Recorder", "Sender", "call", "note", "outgoing", "urlopen"]
