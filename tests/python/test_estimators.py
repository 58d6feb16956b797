"""The adapters to scikit-learn, PyOD and River."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mad.adapters.pyod import MadDetector as PyodDetector


def data() -> tuple[Any, Any]:
    """300 rows of three features, and labels: the last ten are outliers in the second feature."""
    draws = np.random.default_rng(5)
    values = draws.normal([10.0, 200.0, -3.0], [1.0, 20.0, 0.5], (300, 3))
    values[-10:, 1] += 400.0
    return values, np.repeat([0, 1], [290, 10])


def test_scikit_learn_accepts_the_detector() -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    from mad.adapters.sklearn import MadDetector

    results = checks.check_estimator(MadDetector(), on_fail=None)
    failed = [one for one in results if one["status"] not in ("passed", "skipped")]
    assert len(results) > 40
    assert not failed, failed


def test_outliers_are_found_by_every_manner() -> None:
    values, labels = data()
    pyod = PyodDetector(contamination=10 / 300).fit(values)
    assert pyod.labels_.tolist() == labels.tolist() == pyod.predict(values).tolist()
    assert pyod.decision_scores_.tolist() == pyod.decision_function(values).tolist()
    assert pyod.fit_predict(values).tolist() == labels.tolist()
    probabilities = pyod.predict_proba(values)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (probabilities[-10:, 1] > 0.5).all()

    pytest.importorskip("sklearn")
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from mad.adapters.sklearn import MadDetector

    sklearn = MadDetector(contamination=10 / 300).fit(values)
    assert (sklearn.predict(values) == np.where(labels, -1, 1)).all()
    assert -sklearn.score_samples(values) == pytest.approx(pyod.decision_scores_)
    piped = make_pipeline(StandardScaler(), MadDetector("auto"))
    assert (cross_val_predict(piped, values, labels, method="predict")[-10:] == -1).all()
    again = pickle.loads(pickle.dumps(sklearn))
    assert (again.predict(values) == sklearn.predict(values)).all()


def test_degenerate_tables_have_an_answer_or_an_error() -> None:
    pytest.importorskip("sklearn")
    from mad.adapters.sklearn import MadDetector

    constant = np.full((50, 1), 7.0)
    for detector in (MadDetector(), PyodDetector()):
        detector.fit(constant)
        scores = np.abs(detector.decision_function([[7.0], [8.0]]))
        assert np.isfinite(scores).all()
    assert MadDetector("auto").fit(constant).predict([[7.0], [8.0]]).tolist() == [1, -1]
    mostly = np.array([[1.0]] * 40 + [[2.0]] * 9 + [[90.0]])
    assert MadDetector("auto").fit(mostly).predict([[1.0], [2.0], [90.0]]).tolist() == [1, 1, -1]
    for share in (0.0, 0.6, "all", None):
        with pytest.raises(ValueError, match="contamination"):
            MadDetector(contamination=share).fit(constant)
    for share in (0.0, 0.6):
        with pytest.raises(ValueError, match="contamination"):
            PyodDetector(contamination=share)
    for wrong in ([], [[float("nan")]], [1.0, 2.0]):
        with pytest.raises(ValueError, match="the data has"):
            PyodDetector().fit(wrong)
    with pytest.raises(ValueError, match="not fitted"):
        PyodDetector().predict(constant)
    with pytest.raises(ValueError, match="expected 1"):
        PyodDetector().fit(constant).predict(np.ones((2, 2)))


def test_rows_are_scored_by_the_rows_before_them() -> None:
    pytest.importorskip("river", reason="river needs Python 3.11")
    from mad.adapters.river import MadDetector

    values, _ = data()
    detector = MadDetector(window=120)
    scores = []
    for row in values.tolist():
        x = dict(zip("abc", row, strict=True)) | {"path": "/pay", "ok": True}
        scores.append(detector.score_one(x))
        detector.learn_one(x)
    assert scores[0] == 0.0
    assert all(score >= 0.5 for score in scores[290:])
    assert sum(score >= 0.5 for score in scores[:290]) <= 2
    assert detector.score_one({"new": 1e9}) == detector.score_one({}) == 0.0
    assert detector.score_one({"a": float("nan")}) == 0.0
    again = pickle.loads(pickle.dumps(detector))
    assert again.score_one({"a": 30.0}) == detector.score_one({"a": 30.0}) > 0.5
    fresh = detector.clone()
    assert fresh.window == 120 and fresh.score_one({"a": 30.0}) == 0.0
    with pytest.raises(ValueError, match="window"):
        MadDetector(window=1)


def test_river_runs_the_detector() -> None:
    pytest.importorskip("river", reason="river needs Python 3.11")
    from river import anomaly, compose

    from mad.adapters.river import MadDetector

    values, _ = data()
    model = compose.Pipeline(compose.Select("a", "b"), MadDetector(window=120))
    for row in values[:200].tolist():
        model.learn_one(dict(zip("abc", row, strict=True)))
    assert model.score_one({"a": 10.0, "b": 900.0, "c": 0.0}) > 0.5
    assert model.score_one({"a": 10.0, "b": 200.0, "c": 900.0}) < 0.5
    filtered = anomaly.QuantileFilter(MadDetector(window=120), q=0.95)
    flagged = []
    for row in values.tolist():
        x = dict(zip("abc", row, strict=True))
        flagged.append(filtered.classify(filtered.score_one(x)))
        filtered.learn_one(x)
    assert all(flagged[290:])
