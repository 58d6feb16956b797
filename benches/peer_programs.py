"""The peers, each as a separate program: `python peer_programs.py NAME INPUT OUTPUT`.

`peers.py` starts them as child processes and measures what they take.
"""

from __future__ import annotations

import sys

MIN_POINTS, WARM_UP, MIN_REQUESTS = 20, 15, 20
THRESHOLD, CRITICAL_ERROR_RATE, SMALLEST_MAD = 3.5, 0.05, 1e-9
KEY = ["bucket_ts", "service", "endpoint"]


def duckdb_features(source: str, target: str) -> None:
    """The features alone, by DuckDB, from the same file to a CSV."""
    import duckdb

    quantiles = ", ".join(
        f"quantile_cont(latency_ms, {q}) AS {name}_latency_ms"
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )
    duckdb.sql(
        f"""
        COPY (
            SELECT time_bucket(INTERVAL 1 MINUTE, timestamp) AS bucket_ts, service, endpoint,
                count(*) AS req_count, count(*) FILTER (status_code >= 500) AS error_count,
                avg((status_code >= 500)::INTEGER) AS error_rate,
                avg(latency_ms) AS avg_latency_ms, {quantiles}, max(latency_ms) AS max_latency_ms
            FROM read_csv('{source}') GROUP BY ALL ORDER BY 1, 2, 3
        ) TO '{target}' (HEADER)
        """
    )


def pandas_rows(source: str, target: str) -> None:
    """The original's method as it is written there: loops over groups and rows."""
    import numpy as np
    import pandas as pd

    requests = pd.read_csv(source)
    requests["bucket_ts"] = pd.to_datetime(requests["timestamp"], format="ISO8601").dt.floor("min")
    features = []
    for (bucket, service, endpoint), group in requests.groupby(KEY):
        latencies = group["latency_ms"].to_numpy()
        errors = int((group["status_code"] >= 500).sum())
        features.append(
            {
                "bucket_ts": bucket,
                "service": service,
                "endpoint": endpoint,
                "req_count": len(group),
                "error_count": errors,
                "avg_latency_ms": float(latencies.mean()),
                "p95_latency_ms": float(np.percentile(latencies, 95)),
                "error_rate": errors / len(group),
            }
        )
    scored = []
    for _, group in pd.DataFrame(features).groupby(["service", "endpoint"]):
        ordered = group.sort_values("bucket_ts").reset_index(drop=True)
        p95 = ordered["p95_latency_ms"].to_numpy()
        median = np.median(p95)
        mad = max(np.median(np.abs(p95 - median)), SMALLEST_MAD)
        for i, row in ordered.iterrows():
            z = 0.6745 * (row["p95_latency_ms"] - median) / mad
            judged = len(ordered) >= MIN_POINTS and i >= WARM_UP
            flagged = bool(judged and row["req_count"] >= MIN_REQUESTS and abs(z) > THRESHOLD)
            critical = row["error_rate"] >= CRITICAL_ERROR_RATE
            severity = ("Critical" if critical else "Warning") if flagged else "Info"
            scored.append({**row, "mad_z": z, "is_anomaly": flagged, "severity": severity})
    pd.DataFrame(scored).sort_values(KEY).to_csv(target, index=False)


def pandas_vectorised(source: str, target: str) -> None:
    """The original's method with pandas at its best: grouped columns, no loop."""
    import numpy as np
    import pandas as pd

    requests = pd.read_csv(source, usecols=["timestamp", *KEY[1:], "status_code", "latency_ms"])
    requests["bucket_ts"] = pd.to_datetime(requests["timestamp"], format="ISO8601").dt.floor("min")
    requests["error"] = requests["status_code"] >= 500
    groups = requests.groupby(KEY, sort=True)
    latencies = groups["latency_ms"]
    features = pd.DataFrame(
        {
            "req_count": latencies.size(),
            "error_count": groups["error"].sum(),
            "avg_latency_ms": latencies.mean(),
            "p95_latency_ms": latencies.quantile(0.95),
        }
    ).reset_index()
    features["error_rate"] = features["error_count"] / features["req_count"]
    by_entity = features.groupby(KEY[1:])["p95_latency_ms"]
    distance = features["p95_latency_ms"] - by_entity.transform("median")
    spread = distance.abs().groupby([features[name] for name in KEY[1:]]).transform("median")
    features["mad_z"] = 0.6745 * distance / spread.clip(lower=SMALLEST_MAD)
    features["is_anomaly"] = (
        (features["mad_z"].abs() > THRESHOLD)
        & (by_entity.transform("size") >= MIN_POINTS)
        & (by_entity.cumcount() >= WARM_UP)
        & (features["req_count"] >= MIN_REQUESTS)
    )
    flagged = np.where(features["error_rate"] >= CRITICAL_ERROR_RATE, "Critical", "Warning")
    features["severity"] = np.where(features["is_anomaly"], flagged, "Info")
    features.to_csv(target, index=False)


def agree(ours: str, theirs: str) -> None:
    """Prints the rows of two feature files, how many are the same, and the furthest apart."""
    import duckdb

    names = ["error_rate", *(f"{name}_latency_ms" for name in ("avg", "p50", "p95", "p99", "max"))]
    apart = ", ".join(f"abs(a.{n} - b.{n}) / greatest(abs(b.{n}), 1e-9)" for n in names)
    same = "a.req_count = b.req_count AND a.error_count = b.error_count"
    rows, equal, furthest = duckdb.sql(
        f"""
        SELECT count(*), count(*) FILTER ({same}), max(greatest({apart}))
        FROM read_csv('{ours}') a FULL JOIN read_csv('{theirs}') b
            USING (bucket_ts, service, endpoint)
        """
    ).fetchall()[0]
    sys.stdout.write(f"{rows} {equal} {furthest}")


def rolling(rows: str, repeats: str) -> None:
    """Rolling MAD by three: seconds of each repeat, as `NAME SECONDS...` lines, checked equal."""
    import time
    from collections.abc import Callable
    from typing import Any

    import duckdb
    import numpy as np
    import pandas as pd

    import mad

    window = 240
    values = np.random.default_rng(1).normal(size=int(rows))

    def one(part: np.ndarray) -> float:
        return float(np.median(np.abs(part - np.median(part))))

    def connection(threads: int | None) -> Any:
        found = duckdb.connect()
        if threads is not None:
            found.execute(f"SET threads = {threads}")
        table = pd.DataFrame({"i": np.arange(len(values)), "x": values})
        found.register("given", table)
        found.execute("CREATE TABLE t AS SELECT * FROM given")
        return found

    def query(found: Any) -> np.ndarray:
        before = window - 1
        over = f"(ORDER BY i ROWS BETWEEN {before} PRECEDING AND CURRENT ROW)"
        sql = f"SELECT CASE WHEN i >= {before} THEN mad(x) OVER {over} END AS m FROM t ORDER BY i"
        return np.ma.filled(found.execute(sql).fetchnumpy()["m"], np.nan)

    single, default = connection(1), connection(None)
    series = pd.Series(values)
    ways: dict[str, Callable[[], Any]] = {
        "mad": lambda: mad.rolling_mad(values, window)[1],
        "duckdb-1": lambda: query(single),
        "duckdb": lambda: query(default),
        "pandas": lambda: series.rolling(window).apply(one, raw=True).to_numpy(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    expected = ways["mad"]()
    for _ in range(int(repeats)):
        for name, way in ways.items():
            started = time.perf_counter()
            result = way()
            seconds[name].append(time.perf_counter() - started)
            if not np.array_equal(result, expected, equal_nan=True):
                raise SystemExit(f"{name} and mad give different rolling MADs")
    for name, times in seconds.items():
        sys.stdout.write(f"{name} {' '.join(map(str, times))}\n")


PROGRAMS = {
    program.__name__: program
    for program in (duckdb_features, pandas_rows, pandas_vectorised, agree, rolling)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
