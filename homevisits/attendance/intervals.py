"""How sure a number is: 95 % intervals for shares, differences of shares, and differences of means. Pure formulas."""

from dataclasses import dataclass
from math import exp, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist

PURE = True

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """`count` of `n`."""

    count: int
    n: int

    @property
    def rate(self) -> float:
        """The share itself."""
        return self.count / self.n


@dataclass(frozen=True)
class Sample:
    """What is known of a group's values: how many, their mean and their variance (with n - 1)."""

    n: int
    mean: float
    variance: float

    @classmethod
    def from_sums(cls, n: int, total: float, squares: float) -> "Sample":
        """From the sum of the values and of their squares, as a database returns them."""
        mean = total / n if n else 0.0
        return cls(n, mean, max(squares - n * mean * mean, 0.0) / (n - 1) if n > 1 else 0.0)


@dataclass(frozen=True)
class Welch:
    """The difference of two means, without assuming equal variances."""

    difference: float
    t: float
    df: float
    p: float
    interval: Interval


def wilson(share: Share) -> Interval:
    """The score interval of Wilson (1927): never below 0 or above 1, also for small groups."""
    n, p, z2 = share.n, share.rate, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def newcombe(a: Share, b: Share) -> Interval:
    """The interval of the difference of two shares, a - b (Newcombe 1998, method 10, from both Wilson intervals)."""
    difference, wa, wb = a.rate - b.rate, wilson(a), wilson(b)
    return Interval(
        difference - sqrt((a.rate - wa.low) ** 2 + (wb.high - b.rate) ** 2),
        difference + sqrt((wa.high - a.rate) ** 2 + (b.rate - wb.low) ** 2),
    )


def mean_interval(sample: Sample) -> Interval:
    """The interval of one mean."""
    half = t_quantile(0.975, sample.n - 1) * sqrt(sample.variance / sample.n)
    return Interval(sample.mean - half, sample.mean + half)


def welch(a: Sample, b: Sample) -> Welch:
    """The difference of two means, a - b, with Welch's degrees of freedom (Satterthwaite). Needs two values in each."""
    va, vb = a.variance / a.n, b.variance / b.n
    difference, error = a.mean - b.mean, sqrt(va + vb)
    if error == 0:
        same = difference == 0
        return Welch(difference, 0.0 if same else inf, inf, float(same), Interval(difference, difference))
    df = (va + vb) ** 2 / (va * va / (a.n - 1) + vb * vb / (b.n - 1))
    t = difference / error
    half = t_quantile(0.975, df) * error
    return Welch(difference, t, df, t_two_sided(t, df), Interval(difference - half, difference + half))


def t_two_sided(t: float, df: float) -> float:
    """The chance of a t as far from zero as this one or farther, for any degrees of freedom."""
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def t_quantile(probability: float, df: float) -> float:
    """The t below which `probability` (above one half) lies. By bisection: the distribution function only rises."""
    tail, low, high = 2 * (1 - probability), 0.0, 1.0
    while t_two_sided(high, df) > tail:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if t_two_sided(middle, df) > tail:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    # The fraction converges quickly only on its own side of the mean; the other side is its complement.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
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
