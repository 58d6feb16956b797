"""The modified z-score with the methods and attributes of a detector of PyOD, without PyOD."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mad.adapters.baseline import Baseline, Floats


class MadDetector:
    """Scores rows by their largest modified z-score; see `mad.adapters.sklearn.MadDetector`.

    `contamination` is the share of outliers in the training data, above 0 and at most 0.5.

    Attributes after `fit`: `decision_scores_` (of the training rows; the higher, the more
    anomalous), `threshold_` (their `1 - contamination` quantile), and `labels_` (1 above the
    threshold, else 0). ValueError for data that is not finite, has no rows or other columns.

    >>> from mad.adapters.pyod import MadDetector
    >>> detector = MadDetector(contamination=0.2).fit([[10.0], [11.0], [10.5], [9.5], [25.0]])
    >>> detector.labels_.tolist(), detector.predict([[10.4], [40.0]]).tolist()
    ([0, 0, 0, 0, 1], [0, 1])
    """

    def __init__(self, contamination: float = 0.1) -> None:
        if not 0.0 < contamination <= 0.5:
            raise ValueError(f"contamination is {contamination}; expected above 0 up to 0.5")
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> MadDetector:
        """Learns the median and the scale of every feature; `y` is ignored."""
        values = _table(X)
        self._baseline = Baseline.of(values)
        self.decision_scores_ = self._baseline.deviations(values)
        self.threshold_ = float(
            np.percentile(self.decision_scores_, 100 * (1 - self.contamination))
        )
        self.labels_ = self._outliers(self.decision_scores_)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> npt.NDArray[np.int64]:
        """The labels of the training rows."""
        return self.fit(X, y).labels_

    def decision_function(self, X: Any) -> Floats:
        """The largest modified z-score of each row."""
        if not hasattr(self, "_baseline"):
            raise ValueError("the detector is not fitted; call fit first")
        values = _table(X)
        if values.shape[1] != len(self._baseline.center):
            expected = len(self._baseline.center)
            raise ValueError(f"the data has {values.shape[1]} columns; expected {expected}")
        return self._baseline.deviations(values)

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """1 for outliers and 0 for all other rows."""
        return self._outliers(self.decision_function(X))

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each row to be normal and to be an outlier: its score between the
        lowest and the highest score of the training rows, clipped to 0 and 1."""
        scores = self.decision_function(X)
        low, high = float(self.decision_scores_.min()), float(self.decision_scores_.max())
        share = np.clip((scores - low) / max(high - low, 1e-12), 0.0, 1.0)
        return np.column_stack([1.0 - share, share])

    def _outliers(self, scores: Floats) -> npt.NDArray[np.int64]:
        return (scores > self.threshold_).astype(np.int64)


def _table(X: Any) -> Floats:
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"the data has the shape {values.shape}; expected rows and columns")
    if not np.isfinite(values).all():
        raise ValueError("the data has NaN or infinite values")
    return values
