"""The modified z-score as an outlier detector of scikit-learn (install scikit-learn for it)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mad.adapters.baseline import THRESHOLD, Baseline, Floats


class MadDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Calls a row an outlier if one of its features deviates from the median of the training data.

    The score of a row is its largest modified z-score: `|x - median| / (MAD / 0.6745)`, where the
    scale of a feature with many equal values is its mean absolute deviation, and never below 1 % of
    the median. `fit` takes finite numbers of shape (rows, features); one row gives the floor as
    scale.

    `contamination` is the share of outliers in the training data, above 0 and at most 0.5, or
    "auto" for the threshold 3.5 (Iglewicz and Hoaglin, 1993).

    Attributes after `fit`: `center_` and `scale_` (one number a feature), `offset_` (the negative
    threshold), `n_features_in_`, and `feature_names_in_` where the data has names.

    Rows are judged alone, without their order in time. For series `mad.score_series` uses the
    order, and learns while it judges.

    >>> import numpy as np
    >>> from mad.adapters.sklearn import MadDetector
    >>> detector = MadDetector("auto").fit([[10.0], [11.0], [10.5], [9.5], [10.2]])
    >>> detector.predict([[10.4], [25.0]]).tolist()
    [1, -1]
    """

    def __init__(self, contamination: float | str = 0.1) -> None:
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> MadDetector:
        """Learns the median and the scale of every feature; `y` is ignored."""
        values = validate_data(self, X, dtype=np.float64)
        share = self.contamination
        if share != "auto" and not (isinstance(share, int | float) and 0.0 < share <= 0.5):
            raise ValueError(f"contamination is {share!r}; expected 'auto' or above 0 up to 0.5")
        baseline = Baseline.of(values)
        self.center_, self.scale_ = baseline.center, baseline.scale
        scores = -baseline.deviations(values)
        self.offset_ = -THRESHOLD
        if not isinstance(share, str):
            self.offset_ = float(np.percentile(scores, 100.0 * share))
        return self

    def score_samples(self, X: Any) -> Floats:
        """The negative largest modified z-score of each row: the lower, the more anomalous."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        return -Baseline(self.center_, self.scale_).deviations(values)

    def decision_function(self, X: Any) -> Floats:
        """`score_samples` above the threshold: negative for outliers."""
        scores = self.score_samples(X)
        return np.asarray(scores - self.offset_)

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """-1 for outliers and 1 for all other rows."""
        return np.where(self.decision_function(X) < 0.0, -1, 1)
