"""One host is cut off from a real server by a proxy, while other hosts continue."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from peers import Proxy
from service import START, Server

from mad.adapters import Sender

HOSTS = ("a", "b", "c", "d")


def test_the_watermark_waits_for_a_host_that_is_cut_off_alone(tmp_path: Path) -> None:
    """Seconds are those of event time: a second of all hosts is sent in a few milliseconds."""
    with Server(tmp_path / "data", "--no-ticks") as server:
        proxy = Proxy(int(urlsplit(server.url).port or 0))
        sender = Sender(f"http://127.0.0.1:{proxy.port}", interval=0.02, sigterm=False)
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
            proxy.cut()
            cut = True
            pass_seconds(seconds)
            proxy.restore()
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
        proxy.cut()
        assert server.stop() == 0
