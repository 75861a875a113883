"""Compare the clustered intervals with statsmodels, scipy and reference figures from R."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from homevisits.attendance.intervals import (
    HouseholdSums,
    mean_interval,
    share_interval,
    t_quantile,
    t_two_sided_probability,
    wilson_interval,
)

Households = Sequence[Sequence[float]]


def sums(households: Iterable[Sequence[float]]) -> HouseholdSums:
    """Sums of households given as the values of their students."""
    pairs = [(len(values), sum(values)) for values in households]
    return HouseholdSums(
        households=len(pairs),
        students=sum(m for m, _ in pairs),
        squared_students=sum(m * m for m, _ in pairs),
        total=sum(y for _, y in pairs),
        squared_total=sum(y * y for _, y in pairs),
        product=sum(m * y for m, y in pairs),
    )


def siblings_alike(seed: int, count: int) -> list[list[float]]:
    """Attendance rates of one to four siblings, who mostly share the rate of their household."""
    chance = random.Random(seed)
    usual = [chance.betavariate(20, 2) for _ in range(count)]
    return [[min(rate + chance.gauss(0, 0.01), 1) for _ in range(chance.choice((1, 1, 2, 3, 4)))] for rate in usual]


def chronic(households: Households) -> list[list[float]]:
    return [[float(rate < 0.9) for rate in values] for values in households]


def regression(*groups: Households) -> sm.regression.linear_model.RegressionResultsWrapper:
    """OLS of the values on one indicator per group, with errors clustered by household (CR1)."""
    rows = [(value, group, household) for group, households in enumerate(groups)
            for household, values in enumerate(households) for value in values]  # fmt: skip
    y = np.array([value for value, _, _ in rows])
    x = np.array([[float(group == number) for number in range(len(groups))] for _, group, _ in rows])
    clusters = np.array([group * 100_000 + household for _, group, household in rows])
    return sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


@pytest.mark.parametrize(("seed", "count"), [(1, 10), (2, 37), (3, 900)])
@pytest.mark.parametrize("values", [list, chronic])
def test_mean_and_clustered_interval_equal_a_regression_on_a_constant(seed: int, count: int, values: type) -> None:
    households = values(siblings_alike(seed, count))
    found, expected = sums(households), regression(households)
    assert found.mean == pytest.approx(expected.params[0], rel=1e-12)
    assert found.variance == pytest.approx(expected.cov_params()[0, 0], rel=1e-9)
    interval = mean_interval(found)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.conf_int()[0]), rel=1e-9)


def test_both_groups_equal_a_regression_on_the_indicator_but_for_its_small_sample_factor() -> None:
    """The joint regression uses one factor for both groups, G/(G-1) * (N-1)/(N-2) over all households G, students N."""
    groups = siblings_alike(4, 37), siblings_alike(5, 400)
    expected = regression(*groups)
    households, students = sum(map(len, groups)), sum(len(values) for group in groups for values in group)
    joint = households / (households - 1) * (students - 1) / (students - 2)
    for number, group in enumerate(groups):
        found, own = sums(group), len(group) / (len(group) - 1)
        assert found.mean == pytest.approx(expected.params[number], rel=1e-12)
        assert found.variance / own == pytest.approx(expected.cov_params()[number, number] / joint, rel=1e-9)


def test_without_siblings_the_mean_interval_is_the_usual_one() -> None:
    values = [value for (value, *_) in siblings_alike(6, 50)]
    found = mean_interval(sums([value] for value in values))
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values).tconfint_mean(), rel=1e-9)


@pytest.mark.parametrize(("seed", "count"), [(1, 30), (2, 97), (3, 900)])
def test_share_interval_is_wilson_with_the_effective_number_of_students(seed: int, count: int) -> None:
    households = chronic(siblings_alike(seed, count))
    found, variance = share_interval(sums(households)), regression(households).cov_params()[0, 0]
    share = float(np.mean([value for values in households for value in values]))
    effective = share * (1 - share) / variance
    assert effective < sum(map(len, households))
    alpha = 2 * stats.norm.sf(stats.t.ppf(0.975, count - 1))  # statsmodels takes the normal quantile of 1 - alpha / 2
    expected = proportion_confint(share * effective, effective, alpha=alpha, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("interval", [mean_interval, share_interval])
def test_siblings_with_the_same_value_widen_the_interval(interval: type) -> None:
    chance = random.Random(8)
    values = [float(chance.random() < 0.3) for _ in range(60)]
    alone, together = interval(sums([v] for v in values * 2)), interval(sums([v, v] for v in values))
    assert together.low < alone.low < alone.high < together.high
    assert together.high - together.low == pytest.approx(2**0.5 * (alone.high - alone.low), rel=0.05)


def test_siblings_with_opposite_values_do_not_narrow_a_share_below_independent_students() -> None:
    found = share_interval(sums([[0.0, 1.0]] * 20))
    expected = wilson_interval(0.5, 40, t_quantile(0.975, 19))
    assert (found.low, found.high) == (expected.low, expected.high)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_interval_stays_between_zero_and_one(share: float) -> None:
    found = share_interval(sums([[share, share]] * 12))
    assert 0 <= found.low < found.high <= 1


@pytest.mark.parametrize(("count", "n"), [(0, 10), (10, 10), (1, 10), (21, 97), (228, 903), (5, 100_000)])
def test_wilson_agrees_with_statsmodels(count: int, n: int) -> None:
    found = wilson_interval(count / n, n, stats.norm.ppf(0.975))
    assert [found.low, found.high] == pytest.approx(proportion_confint(count, n, method="wilson"), abs=1e-12)


def test_wilson_agrees_with_r(shared: Path) -> None:
    reference = json.loads((shared / "data" / "reference.json").read_text(encoding="utf-8"))
    expected = reference["statistics"]["district-1k"]["chronic"]
    for group in ("visited", "not"):
        count, n = expected[group]
        found = wilson_interval(count / n, n, stats.norm.ppf(0.975))
        assert [found.low, found.high] == pytest.approx(expected[f"wilson_{group}"], rel=1e-6)


@pytest.mark.parametrize("df", [1, 2.5, 3, 9.99, 29, 116.3, 5_000, 90_000.5])
def test_the_t_distribution_agrees_with_scipy(df: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
    for t in (0, 0.01, 0.7, 1.24, 5, 40):
        assert t_two_sided_probability(t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-7, abs=1e-12)


def test_households_without_any_spread_have_an_interval_of_one_point() -> None:
    found = mean_interval(sums([[0.5], [0.5, 0.5]]))
    assert (found.low, found.high) == (0.5, 0.5)
