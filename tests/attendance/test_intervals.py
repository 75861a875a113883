"""The formulas, judged by R (the shared reference) and by scipy and statsmodels."""

import csv
import json
import random
from pathlib import Path
from statistics import mean, variance
from typing import Any

import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from homevisits.attendance.intervals import (
    Sample,
    Share,
    mean_interval,
    newcombe,
    t_quantile,
    t_two_sided,
    welch,
    wilson,
)


@pytest.fixture(scope="module")
def district(shared: Path) -> Any:
    return json.loads((shared / "data" / "reference.json").read_text(encoding="utf-8"))["statistics"]["district-1k"]


@pytest.fixture(scope="module")
def students(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "district-1k" / "truth" / "analysis_students.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sample(values: list[float]) -> Sample:
    return Sample.from_sums(len(values), sum(values), sum(value * value for value in values))


def test_shares_and_their_difference_agree_with_r(district: Any) -> None:
    wanted = district["chronic"]
    visited, others = Share(*wanted["visited"]), Share(*wanted["not"])
    assert (visited.rate, others.rate) == pytest.approx((wanted["rate_visited"], wanted["rate_not"]), rel=1e-6)
    for share, key in ((visited, "wilson_visited"), (others, "wilson_not")):
        found = wilson(share)
        assert [found.low, found.high] == pytest.approx(wanted[key], rel=1e-6)
    found = newcombe(visited, others)
    assert [found.low, found.high] == pytest.approx(wanted["newcombe_ci95"], rel=1e-6)


def test_the_difference_of_means_agrees_with_r(district: Any, students: list[dict[str, str]]) -> None:
    rates: dict[bool, list[float]] = {True: [], False: []}
    for row in students:
        if int(row["post_days"]) > 0 and int(row["pre_days"]) > 0:
            rates[int(row["visits"]) > 0].append(int(row["post_abs"]) / int(row["post_days"]))
    found, wanted = welch(sample(rates[True]), sample(rates[False])), district["welch"]
    assert len(rates[True]) == district["sample"]["visited"]
    assert found.difference == pytest.approx(district["means"]["difference"], rel=1e-6)
    assert (found.t, found.df, found.p) == pytest.approx((wanted["t"], wanted["df"], wanted["p"]), rel=1e-6)
    assert [found.interval.low, found.interval.high] == pytest.approx(wanted["ci95"], rel=1e-6)


@pytest.mark.parametrize(("count", "n"), [(0, 10), (10, 10), (1, 10), (21, 97), (228, 903), (5, 100_000)])
def test_wilson_agrees_with_statsmodels(count: int, n: int) -> None:
    found = wilson(Share(count, n))
    assert [found.low, found.high] == pytest.approx(proportion_confint(count, n, method="wilson"), abs=1e-12)


@pytest.mark.parametrize("pair", [((0, 10), (10, 10)), ((3, 12), (9, 40)), ((21, 97), (228, 903))])
def test_newcombe_agrees_with_statsmodels(pair: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (a, m), (b, n) = pair
    found = newcombe(Share(a, m), Share(b, n))
    assert [found.low, found.high] == pytest.approx(confint_proportions_2indep(a, m, b, n, method="newcomb"), abs=1e-9)


@pytest.mark.parametrize("df", [1, 2.5, 3, 9.99, 29, 116.3, 5_000, 90_000.5])
def test_the_t_distribution_agrees_with_scipy(df: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)
    for t in (0, 0.01, 0.7, 1.24, 5, 40):
        assert t_two_sided(t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-7, abs=1e-12)


def test_welch_and_the_mean_agree_with_statsmodels_on_uneven_groups() -> None:
    dice = random.Random(7)
    a, b = [dice.betavariate(20, 2) for _ in range(37)], [dice.betavariate(30, 2) for _ in range(900)]
    found = welch(sample(a), sample(b))
    judge = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    assert (found.t, found.p, found.df) == pytest.approx(judge.ttest_ind(usevar="unequal"), rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx(judge.tconfint_diff(usevar="unequal"), rel=1e-9)
    one = mean_interval(sample(a))
    assert (one.low, one.high) == pytest.approx(DescrStatsW(a).tconfint_mean(), rel=1e-9)


def test_sums_give_the_mean_and_the_variance() -> None:
    values = [0.9, 0.95, 1.0, 0.4]
    found = sample(values)
    assert (found.mean, found.variance) == pytest.approx((mean(values), variance(values)))


def test_groups_without_any_spread_have_an_interval_of_one_point() -> None:
    same = sample([0.5, 0.5])
    found = welch(same, same)
    assert (found.interval.low, found.interval.high, found.p) == (0, 0, 1)
