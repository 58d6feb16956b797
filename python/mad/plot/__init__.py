"""Charts of results as Altair objects, for notebooks, dashboards and files.

    import mad
    from mad import plot

    report = mad.detect("requests.csv")
    plot.latency(report, service="payments")
    plot.save(plot.incident(report, report.incidents[0]), "incident.png")

The extra is `mad-py[plot]`. All functions take a `Report`, or its rows as a `Table`, a dataframe, a
mapping of columns or the path of scored.csv. Times are shown in UTC. A chart shows at most 2,000
rows; of more, all flagged rows and the peaks between them stay. No rows give an empty chart.
"""

from mad.plot.charts import (
    anomalies,
    culprits,
    errors,
    incident,
    latency,
    monitor,
    service_map,
    traffic,
    training,
)
from mad.plot.save import save

__all__ = [
    "anomalies",
    "culprits",
    "errors",
    "incident",
    "latency",
    "monitor",
    "save",
    "service_map",
    "traffic",
    "training",
]
