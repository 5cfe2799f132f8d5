"""When a chosen rule counts as the planted one."""

import pytest

from lab.rule_search.search_parameter import SearchParameter
from lab.study.recovery import rule_recovery

GRID = (0, 10, 20, 40, 80, 160)
PARAMETERS = (
    SearchParameter("ET", "", "surrounding", "mm3", GRID),
    SearchParameter("ET", "", "NETC", "share", (0, 0.02, 0.04, 0.06, 0.1), "share"),
)


@pytest.mark.parametrize(("step", "off"), [(2, 1), (3, 0), (4, 0), (5, 1), (1, 2), (0, len(GRID))])
def test_sizes_are_counted_in_steps_from_the_equally_good_ones(step, off):
    row = rule_recovery(PARAMETERS, (step, 0), "ET", "", (40.0, 96.0))
    assert (row["steps_off"], row["threshold"]) == (off, GRID[step])


def test_a_share_counts_for_one_target_alone():
    assert rule_recovery(PARAMETERS, (0, 3), "ET", "NETC", (0.05, 0.08))["steps_off"] == 0
    assert rule_recovery(PARAMETERS, (0, 2), "ET", "NETC", (0.05, 0.08))["steps_off"] == 1
    assert rule_recovery(PARAMETERS, (0, 3), "ET", "SNFH", (0.05, 0.08))["steps_off"] > 1


def test_thresholds_that_no_step_meets_count_from_the_next_one():
    assert rule_recovery(PARAMETERS, (4, 0), "ET", "", (50.0, 60.0))["steps_off"] == 0
    assert rule_recovery(PARAMETERS, (3, 0), "ET", "", (50.0, 60.0))["steps_off"] == 1
