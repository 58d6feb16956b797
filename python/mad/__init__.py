"""Detects anomalies and incidents in microservice telemetry, names the culprit and explains both.

    import mad

    report = mad.detect("requests.csv")
    for incident in report.incidents:
        print(report.explain(incident).summary)
    report.to_html("report.html")

The detector needs no training and no labels. The Rust core does the work; this package moves
tables and bytes. Every stage can be used alone: `FeatureBuilder`, `RowScorer`, `Guardrails`,
`IncidentGrouper`, `CulpritRanker`, `TemplateExplainer`, `ServiceGraph`, and for a single series
`MadScorer`, `SlopeScorer`, `SilenceScorer` and `BinomialScorer`. `IsolationForest` scores rows of
any numbers. `LogTemplates` finds the templates
of log lines.
"""

from mad import reference
from mad._core import (
    BinomialScorer,
    Catalogue,
    Culprit,
    CulpritRanker,
    Explanation,
    FeatureBuilder,
    Guardrails,
    Incident,
    IncidentGrouper,
    InternalError,
    IsolationForest,
    LogTemplates,
    MadScorer,
    MetricCulprit,
    MetricRanking,
    Pipeline,
    Ranking,
    Report,
    Rows,
    RowScorer,
    Score,
    SeriesScores,
    ServiceGraph,
    SilenceScorer,
    SlopeScorer,
    StepSketches,
    Table,
    Telemetry,
    TemplateExplainer,
    TraceCulprit,
    TraceRanking,
    UnsortedError,
    Update,
    __version__,
    modified_z,
    rank_culprits,
    rolling_mad,
    rolling_z,
)
from mad.anomalies import anomalies
from mad.config import Config
from mad.detection import detect, detect_metrics, read
from mad.evaluation import evaluate
from mad.model import Model
from mad.series import score_series
from mad.traces import rank_traces

__all__ = [
    "BinomialScorer",
    "Catalogue",
    "Config",
    "Culprit",
    "CulpritRanker",
    "Explanation",
    "FeatureBuilder",
    "Guardrails",
    "Incident",
    "IncidentGrouper",
    "InternalError",
    "IsolationForest",
    "LogTemplates",
    "MadScorer",
    "MetricCulprit",
    "MetricRanking",
    "Model",
    "Pipeline",
    "Ranking",
    "Report",
    "RowScorer",
    "Rows",
    "Score",
    "SeriesScores",
    "ServiceGraph",
    "SilenceScorer",
    "SlopeScorer",
    "StepSketches",
    "Table",
    "Telemetry",
    "TemplateExplainer",
    "TraceCulprit",
    "TraceRanking",
    "UnsortedError",
    "Update",
    "__version__",
    "anomalies",
    "detect",
    "detect_metrics",
    "evaluate",
    "modified_z",
    "rank_culprits",
    "rank_traces",
    "read",
    "reference",
    "rolling_mad",
    "rolling_z",
    "score_series",
]
