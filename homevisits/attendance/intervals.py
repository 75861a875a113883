"""95 % intervals for the mean and the share of a group of students, clustered by household.

Siblings share a home, so their attendance is not independent, and an interval that assumes independence is too narrow.
The household is the unit of sampling. With the total ``y`` of its ``m`` students, ``G`` households and ``n`` students:

- the mean is the ratio ``sum(y) / n``, and its variance is linearized: ``G / (G - 1) * sum((y - mean * m)^2) / n^2``
  (Cochran, Sampling Techniques, 3rd ed. 1977, chapter 6, without finite population correction). It is the
  cluster-robust variance CR1 of a regression on a constant.
- the interval of a mean uses Student's t with ``G - 1`` degrees of freedom.
- the interval of a share is Wilson's (1927) with that t and the effective number of students, ``p (1 - p) / variance``
  (Dean and Pagano, Journal of Survey Statistics and Methodology 3(4), 2015, 484-503), but at most ``n``.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt

PURE = True

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class HouseholdSums:
    """Sums over the households of a group, each with ``m`` students and the total ``y`` of their values."""

    households: int
    students: int
    squared_students: float  # sum of m * m
    total: float  # sum of y
    squared_total: float  # sum of y * y
    product: float  # sum of m * y

    @property
    def mean(self) -> float:
        """Mean of the students' values. If they are zeros and ones, their share."""
        return self.total / self.students

    @property
    def variance(self) -> float:
        """Variance of the mean, clustered by household. Requires at least two households."""
        residuals = self.squared_total - 2 * self.mean * self.product + self.mean**2 * self.squared_students
        return self.households / (self.households - 1) * max(residuals, 0.0) / self.students**2


def mean_interval(sums: HouseholdSums) -> Interval:
    """Return the interval of a mean."""
    half = _critical_t(sums) * sqrt(sums.variance)
    return Interval(sums.mean - half, sums.mean + half)


def share_interval(sums: HouseholdSums) -> Interval:
    """Return the interval of a share, from values of zero and one. It stays between 0 and 1."""
    share, variance = sums.mean, sums.variance
    effective = share * (1 - share) / variance if variance > 0 else sums.students
    return wilson_interval(share, min(effective, sums.students), _critical_t(sums))


def wilson_interval(share: float, n: float, z: float) -> Interval:
    """Return the score interval of a share of `n`. `z`: the quantile for the confidence level."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def _critical_t(sums: HouseholdSums) -> float:
    return t_quantile((1 + CONFIDENCE) / 2, sums.households - 1)


def t_two_sided_probability(t: float, df: float) -> float:
    """Return the two-sided probability of a value at least as far from zero as `t`."""
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def t_quantile(probability: float, df: float) -> float:
    """Return the quantile of Student's t for a `probability` above one half, by bisection."""
    tail, low, high = 2 * (1 - probability), 0.0, 1.0
    while t_two_sided_probability(high, df) > tail:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if t_two_sided_probability(middle, df) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    # The continued fraction converges quickly only below the mean; above it, use the complement.
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(a, b, x) / a
    return 1 - front * _continued_fraction(b, a, 1 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d, tiny)
            c = _away_from_zero(1 + term / c, tiny)
            step = c * d
            value *= step
        if abs(step - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
