"""Median and scale of each column of a table, for the adapters to other libraries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

THRESHOLD = 3.5
"""Modified z-score above which Iglewicz and Hoaglin (1993) call a value an outlier."""
_MAD = 0.6744897501960817
"""MAD of a standard normal variable."""
_MEAN = 0.7978845608028654
"""Mean absolute deviation of a standard normal variable: the square root of 2 / pi."""
_ABSOLUTE, _RELATIVE = 1e-9, 0.01
"""Floor of the scale: the larger of a number and a share of the median, as in `MadScorer`."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """One center and one scale for each column."""

    center: Floats
    scale: Floats

    @classmethod
    def of(cls, values: Floats) -> Baseline:
        """The median and the MAD over 0.6745 of every column.

        Where more than half of the values are equal, the scale is the mean absolute deviation over
        0.7979, and at least the floor of `MadScorer`.
        """
        center = np.median(values, axis=0)
        distances = np.abs(values - center)
        spread = np.median(distances, axis=0) / _MAD
        spread = np.where(spread > 0.0, spread, np.mean(distances, axis=0) / _MEAN)
        return cls(center, np.maximum(spread, np.maximum(_ABSOLUTE, _RELATIVE * np.abs(center))))

    def deviations(self, values: Floats) -> Floats:
        """The largest modified z-score of each row, by absolute value."""
        z = np.abs(values - self.center) / self.scale
        return np.asarray(np.max(z, axis=1), dtype=np.float64)
