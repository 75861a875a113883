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
    _incomplete_beta,
    mean_interval,
    share_interval,
    t_quantile,
    t_two_sided_probability,
    wilson_interval,
)

Households = Sequence[Sequence[float]]


def sum_households(households: Iterable[Sequence[float]]) -> HouseholdSums:
    """Return the sums of households, each given as the values of its students."""
    pairs = [(len(values), sum(values)) for values in households]
    return HouseholdSums(
        households=len(pairs),
        students=sum(m for m, _ in pairs),
        squared_students=sum(m * m for m, _ in pairs),
        total=sum(y for _, y in pairs),
        squared_total=sum(y * y for _, y in pairs),
        product=sum(m * y for m, y in pairs),
    )


def create_similar_siblings(seed: int, count: int) -> list[list[float]]:
    """Return attendance rates of 1 to 4 siblings, who mostly share the rate of their household."""
    random_source = random.Random(seed)
    usual = [random_source.betavariate(20, 2) for _ in range(count)]
    return [
        [min(rate + random_source.gauss(0, 0.01), 1) for _ in range(random_source.choice((1, 1, 2, 3, 4)))]
        for rate in usual
    ]


def mark_chronic(households: Households) -> list[list[float]]:
    return [[float(rate < 0.9) for rate in values] for values in households]


def fit_regression(*groups: Households) -> sm.regression.linear_model.RegressionResultsWrapper:
    """Fit an OLS regression on an indicator for each group, with errors clustered by household (CR1)."""
    rows = [(value, group, household) for group, households in enumerate(groups)
            for household, values in enumerate(households) for value in values]  # fmt: skip
    y = np.array([value for value, _, _ in rows])
    x = np.array([[float(group == number) for number in range(len(groups))] for _, group, _ in rows])
    clusters = np.array([group * 100_000 + household for _, group, household in rows])
    return sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


@pytest.mark.parametrize(("seed", "count"), [(1, 10), (2, 37), (3, 900)])
@pytest.mark.parametrize("values", [list, mark_chronic])
def test_mean_and_clustered_interval_equal_a_regression_on_a_constant(seed: int, count: int, values: type) -> None:
    households = values(create_similar_siblings(seed, count))
    result, expected = sum_households(households), fit_regression(households)
    assert result.mean == pytest.approx(expected.params[0], rel=1e-12)
    assert result.variance == pytest.approx(expected.cov_params()[0, 0], rel=1e-9)
    interval = mean_interval(result)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.conf_int()[0]), rel=1e-9)


def test_group_results_equal_a_joint_regression_except_its_factor() -> None:
    """The joint regression uses the factor G/(G-1) * (N-1)/(N-2) for both groups (G households, N students)."""
    groups = create_similar_siblings(4, 37), create_similar_siblings(5, 400)
    expected = fit_regression(*groups)
    households, students = sum(map(len, groups)), sum(len(values) for group in groups for values in group)
    joint = households / (households - 1) * (students - 1) / (students - 2)
    for number, group in enumerate(groups):
        result, factor = sum_households(group), len(group) / (len(group) - 1)
        assert result.mean == pytest.approx(expected.params[number], rel=1e-12)
        assert result.variance / factor == pytest.approx(expected.cov_params()[number, number] / joint, rel=1e-9)


def test_mean_interval_without_siblings_is_the_t_interval() -> None:
    values = [value for (value, *_) in create_similar_siblings(6, 50)]
    interval = mean_interval(sum_households([value] for value in values))
    assert (interval.low, interval.high) == pytest.approx(DescrStatsW(values).tconfint_mean(), rel=1e-9)


@pytest.mark.parametrize(("seed", "count"), [(1, 30), (2, 97), (3, 900)])
def test_share_interval_is_wilson_with_the_effective_number_of_students(seed: int, count: int) -> None:
    households = mark_chronic(create_similar_siblings(seed, count))
    interval, variance = share_interval(sum_households(households)), fit_regression(households).cov_params()[0, 0]
    share = float(np.mean([value for values in households for value in values]))
    effective = share * (1 - share) / variance
    assert effective < sum(map(len, households))
    alpha = 2 * stats.norm.sf(stats.t.ppf(0.975, count - 1))  # statsmodels takes the normal quantile of 1 - alpha / 2
    expected = proportion_confint(share * effective, effective, alpha=alpha, method="wilson")
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("interval", [mean_interval, share_interval])
def test_siblings_with_the_same_value_widen_the_interval(interval: type) -> None:
    random_source = random.Random(8)
    values = [float(random_source.random() < 0.3) for _ in range(60)]
    alone, together = (
        interval(sum_households([v] for v in values * 2)),
        interval(sum_households([v, v] for v in values)),
    )
    assert together.low < alone.low < alone.high < together.high
    assert together.high - together.low == pytest.approx(2**0.5 * (alone.high - alone.low), rel=0.05)


def test_opposite_siblings_do_not_narrow_the_share_interval() -> None:
    interval = share_interval(sum_households([[0.0, 1.0]] * 20))
    expected = wilson_interval(0.5, 40, t_quantile(0.975, 19))
    assert (interval.low, interval.high) == (expected.low, expected.high)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_share_interval_stays_between_zero_and_one(share: float) -> None:
    interval = share_interval(sum_households([[share, share]] * 12))
    assert 0 <= interval.low < interval.high <= 1


@pytest.mark.parametrize(("count", "n"), [(0, 10), (10, 10), (1, 10), (21, 97), (228, 903), (5, 100_000)])
def test_wilson_agrees_with_statsmodels(count: int, n: int) -> None:
    interval = wilson_interval(count / n, n, stats.norm.ppf(0.975))
    assert [interval.low, interval.high] == pytest.approx(proportion_confint(count, n, method="wilson"), abs=1e-12)


def test_wilson_agrees_with_r(shared: Path) -> None:
    reference = json.loads((shared / "data" / "reference.json").read_text(encoding="utf-8"))
    expected = reference["statistics"]["district-1k"]["chronic"]
    for group in ("visited", "not"):
        count, n = expected[group]
        interval = wilson_interval(count / n, n, stats.norm.ppf(0.975))
        assert [interval.low, interval.high] == pytest.approx(expected[f"wilson_{group}"], rel=1e-6)


@pytest.mark.parametrize("df", [1, 2.5, 3, 9.99, 29, 116.3, 5_000, 90_000.5])
def test_t_distribution_agrees_with_scipy(df: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
    for t in (0, 0.01, 0.7, 1.24, 5, 40):
        assert t_two_sided_probability(t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-7, abs=1e-12)


def test_equal_values_give_an_interval_of_zero_width() -> None:
    interval = mean_interval(sum_households([[0.5], [0.5, 0.5]]))
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_slowly_converging_fraction_is_cut_off_close_to_its_limit() -> None:
    a = 5e6
    assert _incomplete_beta(a, a, 0.49999) == pytest.approx(stats.beta.cdf(0.49999, a, a), rel=1e-6)
