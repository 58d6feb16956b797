"""One host is cut off from a real server by a proxy, while other hosts continue."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from service import START, Server

from mad.adapters import Sender

HOSTS = ("a", "b", "c", "d")


class Proxy:
    """Passes connections on to a server, or keeps what arrives to itself while it is stopped."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._to = str(place.hostname), int(place.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._passes = threading.Event()
        self._passes.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Breaks all connections, and passes nothing on."""
        self._passes.clear()
        self._close()

    def go_on(self) -> None:
        """Passes everything on again."""
        self._passes.set()

    def close(self) -> None:
        """Ends the proxy."""
        self._listener.close()
        self._passes.set()
        self._close()

    def _close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if not self._passes.is_set():
                    client.close()
                    continue
                server = socket.create_connection(self._to)
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                to.sendall(piece)


def test_the_watermark_waits_for_a_host_that_is_cut_off_alone(tmp_path: Path) -> None:
    """Seconds are those of event time: a second of all hosts is sent in a few milliseconds."""
    with Server(tmp_path / "data", "--no-ticks") as server:
        proxy = Proxy(server.url)
        sender = Sender(proxy.url, interval=0.02, sigterm=False)
        sent, second = 0, START.timestamp()

        def pass_seconds(count: int) -> None:
            nonlocal sent, second
            for _ in range(0, count, 5):
                batch = []
                for step in range(5):
                    for place in range(3):
                        at = second + step + place / 3
                        for host in HOSTS:
                            request = {"timestamp": at, "service": f"of-{host}", "endpoint": "/pay"}
                            request |= {"host": host, "status_code": 200, "latency_ms": 90.0}
                            if host == "a":
                                sender.send("requests", request)
                            else:
                                batch.append(request)
                        sent += len(HOSTS)
                second += 5
                assert not cut or sender.stats.problem == ""
                assert cut or sender.flush(20)
                server.post("/v1/ingest/requests", batch)

        cut = False
        pass_seconds(80)
        for seconds in (45, 90, 150):
            proxy.stop()
            cut = True
            pass_seconds(seconds)
            proxy.go_on()
            assert sender.flush(20)
            cut = False
            pass_seconds(75)
        stats = server.get("/v1/query/stats")
        assert stats["rejected_by_reason"] == {}, stats
        assert sender.stats.accepted + 3 * sent // 4 == sent
        assert sender.stats.retried > 0
        answer = server.get("/v1/query/rows", service="of-a", limit=100)
        rows = answer["data"]
        # the steps of the outages are whole, and each came once
        whole = {row["bucket_ts"]: row["req_count"] for row in rows}
        assert len(whole) == len(rows) >= 8 and set(whole.values()) == {180}, whole
        sender.close()
        proxy.close()
        assert server.stop() == 0
