"""Log and counters of a made-up service agree when they should, and every request that is missing is noticed."""

from __future__ import annotations

import random

import pytest

from tools.reconcile.access_log import Line
from tools.reconcile.comparison import Comparison, Row
from tools.reconcile.edges import GONE_AFTER_INTERVALS
from tools.reconcile.errors import LogError, RangeError
from tools.reconcile.report import Report
from tools.reconcile.scrapes import ERRORS, LATENCY, REQUESTS
from tools.reconcile.tests.simulated_stack import ADDRESS, INSTANCE, INTERVAL, OTHER, Process, SimulatedStack


def row(report: Report, metric: str = REQUESTS, task: str = "embedding", label: str = "success") -> Row:
    (found,) = [one for one in report.comparison.of(metric) if (one.key.task, one.key.label) == (task, label)]
    return found


def quiet_stack() -> SimulatedStack:
    """Some requests, none of them near a scrape."""
    stack = SimulatedStack()
    stack.request(1002.0, 1003.0, 1012.0, 1041.5)
    stack.request(1008.0, task="similarity")
    stack.request(1023.0, 1024.0, status="error", reason="overloaded")
    return stack


def restarted_stack(instance: str = INSTANCE, volume: str | None = "gte-metrics") -> SimulatedStack:
    """A restart at 1028, after 2 requests that no scrape has seen; 4 before, 3 after."""
    stack = SimulatedStack(processes=[Process(0.0, 1028.0), Process(1028.5, instance=instance, volume=volume)])
    stack.request(1002.0, 1003.0, 1012.0, 1013.0, 1026.0, 1027.0, 1033.0, 1041.0, 1042.0)
    return stack


def replica(started: float = 0.5, ended: float = float("inf")) -> Process:
    """A second one, with a volume of its own; requests with an odd millisecond are its."""
    return Process(started, ended, OTHER, "of the second replica")


def old(started: float, ended: float = float("inf"), instance: str = INSTANCE) -> Process:
    """One whose counters begin at 0 each time, and whose exporter doesn't say so."""
    return Process(started, ended, instance, volume=None, says_start=False)


def test_what_is_on_both_sides_is_equal() -> None:
    report = quiet_stack().judge()
    found = report.comparison
    assert found.equal
    assert found.exact
    assert (found.begin.at, found.end.at) == (1000.0, 1060.0)
    assert (row(report).lines, row(report).counter) == (4, 4)
    assert (row(report, task="similarity").lines, row(report, task="similarity").counter) == (1, 1)
    assert (row(report, ERRORS, label="overloaded").lines, row(report, ERRORS, label="overloaded").counter) == (2, 2)
    assert (row(report, LATENCY, label="").lines, row(report, LATENCY, label="").counter) == (6, 6)
    assert report.verdict == "Equal: 7 requests in the log and 7 in Prometheus, alike by task, status and reason."
    assert list(report.notes()) == []


def test_what_was_counted_before_the_range_does_not_matter() -> None:
    stack = quiet_stack()
    stack.request(10.0, 20.0, 999.0)
    assert row(stack.judge()).counter == 4


def test_a_request_without_a_line_is_noticed() -> None:
    stack = quiet_stack()
    stack.unlogged.append(Line(1017.0, "embedding", "success"))
    report = stack.judge()
    assert row(report).difference == 1
    assert row(report, LATENCY, label="").difference == 1
    assert report.verdict == "Different: the log lacks 1 request that Prometheus has."


def test_a_request_that_was_not_counted_is_noticed() -> None:
    stack = quiet_stack()
    stack.uncounted += [Line(1017.0, "embedding", "success"), Line(1018.0, "qa", "success")]
    report = stack.judge()
    assert row(report).difference == -1
    assert row(report, task="qa").difference == -1
    assert report.verdict == "Different: Prometheus lacks 2 requests that the log has."


def test_a_request_under_another_status_is_noticed() -> None:
    stack = quiet_stack()
    stack.uncounted.append(Line(1017.0, "embedding", "invalid", "invalid_input"))
    stack.unlogged.append(Line(1017.0, "embedding", "success"))
    report = stack.judge()
    assert report.verdict == "Different: Prometheus lacks 1 request of the log, and has 1 that the log lacks."


def test_a_request_under_another_reason_is_noticed() -> None:
    stack = quiet_stack()
    stack.uncounted.append(Line(1017.0, "embedding", "error", "deadline"))
    stack.unlogged.append(Line(1017.0, "embedding", "error", "internal"))
    report = stack.judge()
    assert row(report, ERRORS, label="deadline").difference == -1
    assert report.verdict.startswith("Different: the requests agree, but not the errors by reason")


def test_a_line_and_a_counter_of_different_moments_do_not_make_up_for_each_other_across_tasks() -> None:
    stack = quiet_stack()
    stack.uncounted.append(Line(1017.0, "embedding", "success"))
    stack.unlogged.append(Line(1017.0, "similarity", "success"))
    assert not stack.judge().comparison.equal


def test_a_scrape_that_is_missing_does_not_matter() -> None:
    stack = quiet_stack()
    stack.seen = lambda scrape: not 1011 < scrape.at < 1034
    assert stack.judge().comparison.equal


@pytest.mark.parametrize("instance", [INSTANCE, OTHER])
def test_a_restart_loses_nothing_while_the_volume_is_kept(instance: str) -> None:
    report = restarted_stack(instance).judge()
    assert report.verdict.startswith("Equal: 9 requests in the log and 9 in Prometheus")
    assert report.comparison.exact
    assert (row(report).unscraped, row(report).difference) == (0, 0)
    assert list(report.notes()) == []


@pytest.mark.parametrize("instance", [INSTANCE, OTHER])
@pytest.mark.parametrize("moment", [1017.0, 1027.5, 1033.5])
def test_a_request_that_is_missing_around_such_a_restart_is_noticed_on_either_side(
    instance: str, moment: float
) -> None:
    stack = restarted_stack(instance)
    stack.uncounted.append(Line(moment, "embedding", "success"))
    assert row(stack.judge()).difference == -1
    stack = restarted_stack(instance)
    stack.unlogged.append(Line(moment, "embedding", "success"))
    assert row(stack.judge()).difference == 1


def test_any_number_of_restarts_with_the_volume_is_one_life() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1012.0), Process(1012.5, 1014.0), Process(1015.5, 1031.0, OTHER)])
    stack.processes.append(Process(1039.0))
    # One of a process that no scrape has seen.
    stack.request(1011.0, 1013.5, 1030.0, 1044.0)
    report = stack.judge()
    assert report.verdict.startswith("Equal: 4 requests in the log and 4")
    assert report.comparison.exact


def test_a_container_that_is_killed_under_load_and_started_again_loses_nothing() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1028.0), Process(1034.0)])
    stack.request(
        *(1006.0 + number / 100 for number in range(2200)), *(1036.0 + number / 100 for number in range(1800))
    )
    report = stack.judge()
    assert report.comparison.exact
    assert report.verdict.startswith("Equal: 4000 requests in the log and 4000 in Prometheus")
    assert report.comparison.total("unscraped") == report.comparison.total("at_ends") == 0
    stack.uncounted.append(Line(1027.995, "embedding", "success"))
    assert row(stack.judge()).difference == -1


def test_what_a_killed_container_counted_at_its_end_lies_after_the_range_until_it_is_started() -> None:
    stack = restarted_stack()
    stack.processes.pop()
    stack.requests = stack.requests[:6]
    report = stack.judge()
    assert report.comparison.end.at == 1025.0
    assert report.verdict.startswith("Equal: 4 requests in")


def test_a_replica_that_is_down_has_what_is_not_scraped_yet() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica(ended=1030.0)])
    stack.request(1004.000, 1004.001, 1029.000, 1029.001, 1054.000)
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (5, 4, 1)
    assert "1 request of 5" in report.verdict
    # It comes back, and its counters go on.
    stack.processes.append(replica(1048.0))
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (5, 5, 0)


def test_what_is_counted_before_the_volume_is_lost_and_not_scraped_is_told_apart() -> None:
    report = restarted_stack(volume=None).judge()
    assert report.comparison.equal
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (9, 7, 2, 0)
    assert report.verdict.startswith("Equal but for 2 requests of 9")
    (note,) = report.notes()
    assert note.startswith("A process ended between its scrape of 1970-01-01T00:17:05.000Z and 1970-01-01T00:17:08.5")


def test_a_request_that_is_missing_elsewhere_is_not_put_down_to_the_lost_volume() -> None:
    stack = restarted_stack(volume=None)
    # The new process has counted this one before its first scrape.
    stack.request(1029.5)
    stack.uncounted.append(Line(1047.0, "embedding", "success"))
    report = stack.judge()
    assert (row(report).unscraped, row(report).difference) == (2, -1)
    assert report.verdict == "Different: Prometheus lacks 1 request that the log has."


def test_a_request_without_a_line_is_noticed_though_the_volume_was_lost() -> None:
    stack = restarted_stack(volume=None)
    stack.request(1026.0, task="qa")
    stack.unlogged.append(Line(1047.0, "qa", "success"))
    stack.unlogged.append(Line(1048.0, "qa", "success"))
    assert row(stack.judge(), task="qa").difference == 1


def test_a_lost_volume_that_costs_nothing_is_no_news() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1028.0), Process(1028.5, volume=None)])
    # The last two are counted by the new process, one of them before its first scrape.
    stack.request(1002.0, 1003.0, 1029.5, 1041.0)
    report = stack.judge()
    assert report.verdict.startswith("Equal: 4 requests")
    assert list(report.notes()) == []


def test_a_lost_volume_is_seen_though_the_counters_are_higher_right_after() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1026.0), Process(1026.1, volume=None)])
    stack.request(1002.0, 1028.0, 1029.0)
    report = stack.judge()
    assert report.comparison.exact
    assert report.verdict.startswith("Equal: 3 requests")


def test_a_volume_that_is_lost_shortly_before_the_end_of_the_range_is_told_apart_too() -> None:
    report = restarted_stack(volume=None).judge(until=1040.0)
    assert report.comparison.end.at == 1040.0
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (7, 5, 2, 0)


def test_a_lost_volume_and_another_address_are_told_apart_too() -> None:
    report = restarted_stack(OTHER, volume=None).judge()
    assert report.comparison.equal
    assert (row(report).counter, row(report).unscraped) == (7, 2)


def test_two_lost_volumes_are_both_told() -> None:
    stack = SimulatedStack(
        processes=[Process(0.0, 1018.0), Process(1018.5, 1038.0, volume=None), Process(1038.5, volume=None)]
    )
    stack.request(1002.0, 1017.0, 1022.0, 1037.0, 1036.0, 1048.0)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).unscraped == 3
    assert len(list(report.notes())) == 2


def test_a_volume_that_comes_back_goes_on_where_it_was() -> None:
    # In between it couldn't be used.
    stack = SimulatedStack(processes=[Process(9.0, 1018.0), Process(1018.5, 1038.0, volume=None), Process(1038.5)])
    stack.request(1002.0, 1017.0, 1022.0, 1036.0, 1037.0, 1048.0)
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (6, 4, 2, 0)


def test_after_a_part_of_the_counts_was_lost_the_rest_may_be_older() -> None:
    # One of the files, so the counters begin neither at 0 nor anew.
    stack = SimulatedStack(
        processes=[Process(0.0, 1000.2, volume=None), Process(1000.5, 1028.0), Process(1028.5, lost_before=1008.0)]
    )
    stack.request(1002.0, 1003.0, 1012.0, 1013.0, 1026.0, 1041.0)
    report = stack.judge()
    assert report.comparison.equal
    assert not report.comparison.exact
    assert row(report).unplaced == 3
    assert any("had lost some of their counts: 3 requests of them" in note for note in report.notes())


def test_a_restart_with_an_old_exporter_is_seen_by_counters_that_went_back() -> None:
    stack = restarted_stack()
    stack.processes = [old(0.0, 1028.0), old(1028.5)]
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (9, 7, 2, 0)
    stack.uncounted.append(Line(1047.0, "embedding", "success"))
    assert row(stack.judge()).difference == -1


def test_what_an_old_exporter_shows_right_after_a_restart_is_of_the_range() -> None:
    stack = restarted_stack()
    stack.processes = [old(0.0, 1028.0), old(1028.5)]
    stack.request(1029.5)
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (10, 8, 2)


def test_a_restart_with_an_old_exporter_at_another_address_is_told_apart_too() -> None:
    stack = restarted_stack()
    # It is seen as soon as it runs, with nothing counted.
    stack.processes = [old(0.0, 1028.0), old(1028.5, instance=OTHER)]
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).counter, row(report).unscraped) == (7, 2)


@pytest.mark.parametrize("instance", [INSTANCE, OTHER])
def test_an_old_exporter_that_gives_way_to_a_new_one_is_told_apart(instance: str) -> None:
    stack = restarted_stack(instance)
    stack.processes[0] = old(0.0, 1028.0)
    # So the counters are higher than before right after.
    stack.request(*(1029.0 + number / 100 for number in range(9)))
    report = stack.judge()
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (18, 16, 2)


def test_replicas_are_added_up() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica()])
    stack.request(*(1004.0 + 5 * number + 0.001 * number for number in range(8)))
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).lines, row(report).counter) == (8, 8)
    stack.uncounted.append(Line(1029.5, "embedding", "success"))
    assert row(stack.judge()).difference == -1


def test_a_scrape_before_the_range_tells_what_a_replica_had_counted() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica()])
    stack.request(990.001, 1031.001)
    report = stack.judge(since=1003.0)
    assert report.comparison.begin.at == 1005.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_scrape_before_the_range_is_no_edge() -> None:
    assert quiet_stack().judge(since=1021.0).comparison.begin.at == 1025.0


def test_with_replicas_an_edge_needs_a_pause_from_the_first_scrape_to_the_last() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica()])
    # Counted by the other, which is scraped 3 s before the last scrape of all.
    stack.request(1030.000, 1058.001)
    report = stack.judge()
    assert report.comparison.end.at == 1057.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_replica_that_goes_takes_with_it_what_was_not_scraped() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica(ended=1030.0)])
    # Those with an odd millisecond are the other's.
    stack.request(1004.000, 1004.001, 1029.000, 1029.001, 1054.000)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).unscraped == 1
    # Lines don't say which replica wrote them: one of the other's could be taken for lost, but no more.
    stack.uncounted += [Line(1049.0, "embedding", "success")] * 2
    assert row(stack.judge()).difference == -1


@pytest.mark.parametrize("second", [replica(970.0), old(970.0, instance=OTHER)])
def test_what_a_replica_has_counted_when_it_is_first_seen_may_lie_before_the_range(second: Process) -> None:
    stack = SimulatedStack(processes=[Process(0.0), second])
    stack.seen = lambda scrape: scrape.instance == INSTANCE or scrape.at > 1020
    stack.request(990.001, 1004.001, 1054.001)
    report = stack.judge()
    assert report.comparison.equal
    assert not report.comparison.exact
    assert row(report).unplaced == 2
    assert any("seen for the first time" in note for note in report.notes())


def test_what_a_replica_has_counted_that_began_within_the_range_lies_in_it() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica(1001.5)])
    stack.seen = lambda scrape: scrape.instance == INSTANCE or scrape.at > 1020
    stack.request(1004.001, 1054.001)
    report = stack.judge()
    assert report.verdict.startswith("Equal: 2 requests")
    stack.unlogged.append(Line(1006.001, "embedding", "success"))
    assert row(stack.judge()).difference == 1


def test_a_replica_that_is_not_scraped_for_long_keeps_an_edge_from_being_exact() -> None:
    stack = SimulatedStack(end=1200.0, processes=[Process(0.0), replica()])
    stack.seen = lambda scrape: scrape.instance == INSTANCE or not 1003 < scrape.at < 1040
    stack.request(1000.000, 1002.000, 1005.000, 1010.000, 1015.000, 1020.000)
    # Counted by the other, but seen only after its gap.
    stack.request(1018.001, 1100.000)
    report = stack.judge()
    assert report.comparison.begin.at == 1042.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_replica_that_begins_while_another_ends_does_not_hide_what_that_one_lost() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1030.0), replica(1015.0)])
    stack.request(1004.000, 1023.001, 1024.001, 1029.000, 1054.000)
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (5, 4, 1)


def test_an_instance_without_container_is_named_when_something_differs() -> None:
    stack = SimulatedStack(processes=[Process(0.0), replica(ended=1030.0)])
    stack.request(1004.000, 1054.000)
    assert not any(OTHER in note for note in stack.judge().notes())
    stack.unlogged.append(Line(1004.001, "embedding", "success"))
    report = stack.judge()
    assert not report.comparison.equal
    assert any(OTHER in note for note in report.notes())
    assert not any(ADDRESS in note for note in report.notes())


def test_an_address_that_a_container_had_before_the_range_is_not_named() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1008.0, OTHER), Process(1009.0)], log_begin=1009.5)
    stack.request(1003.0, 1007.5, 1041.0)
    assert stack.judge().verdict.startswith("Equal: 1 request in")
    stack.unlogged.append(Line(1031.0, "embedding", "success"))
    report = stack.judge()
    assert not report.comparison.equal
    assert not any(OTHER in note for note in report.notes())


def test_replicas_that_swap_their_addresses_are_followed() -> None:
    volume = replica().volume
    stack = SimulatedStack(
        processes=[
            Process(0.0, 1028.0),
            replica(ended=1028.0),
            Process(1028.5, instance=OTHER),
            Process(1028.5, volume=volume),
        ]
    )
    # The second had counted more.
    stack.request(*(990.001 + number for number in range(5)))
    stack.request(1003.000, 1003.001, 1012.001, 1026.000, 1027.001, 1029.000, 1041.001, 1042.000)
    report = stack.judge()
    assert report.verdict.startswith("Equal: 8 requests in the log and 8 in Prometheus")
    assert report.comparison.exact


def test_with_replicas_the_last_scrape_before_a_loss_is_an_edge_like_any_other() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1011.0), Process(1011.5, volume=None), replica()])
    # In the scrape of 1010, but the other replica's before that is of 1007.
    stack.request(1009.000, 1030.000)
    report = stack.judge(since=1008.0)
    assert report.comparison.begin.at == 1012.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_what_new_counters_have_counted_before_their_first_scrape_keeps_an_edge_from_being_clear() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1045.0), Process(1046.0, volume=None), replica()])
    # The first of these by the new process, which is scraped at 1050; the others keep the edges after that from it.
    stack.request(1020.000, 1046.500, 1049.000, 1051.000)
    report = stack.judge(until=1052.0)
    assert report.comparison.end.at == 1042.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_so_does_what_a_replica_has_counted_that_comes_back() -> None:
    # Its earlier scrapes are too old to be read.
    stack = SimulatedStack(processes=[Process(0.0), replica(ended=900.0), replica(1048.0)])
    stack.request(890.001, 1020.000, 1049.501, 1051.000)
    report = stack.judge(until=1054.0)
    assert report.comparison.end.at == 1045.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_an_edge_moves_to_a_scrape_during_which_nothing_was_counted() -> None:
    stack = quiet_stack()
    # Just before, within and just after what a scrape may see.
    stack.request(999.96, 1055.03, 1060.06)
    report = stack.judge()
    assert (report.comparison.begin.at, report.comparison.end.at) == (1005.0, 1050.0)
    assert report.comparison.exact
    assert report.comparison.equal


def test_a_request_that_is_counted_a_moment_after_its_time_makes_no_difference() -> None:
    stack = quiet_stack()
    # Its line says 4 ms before the scrape, but the scrape was faster than the counter.
    stack.uncounted.append(Line(1059.996, "embedding", "success"))
    report = stack.judge()
    assert report.comparison.end.at == 1055.0
    assert report.comparison.equal


def test_an_edge_does_not_move_so_far_that_little_is_left() -> None:
    stack = SimulatedStack()
    # Nothing for 25 s, then a request every 10 ms to the end.
    stack.request(*(1025.0 + number / 100 for number in range(3550)))
    report = stack.judge()
    assert (report.comparison.begin.at, report.comparison.end.at) == (1000.0, 1060.0)
    assert not report.comparison.exact
    assert report.comparison.equal


def busy_stack() -> SimulatedStack:
    """A request every 10 ms, for longer than the range."""
    stack = SimulatedStack()
    stack.request(*(995.0 + number / 100 + 0.0001 for number in range(7500)))
    return stack


def test_traffic_that_never_pauses_is_compared_as_an_interval() -> None:
    report = busy_stack().judge()
    assert report.comparison.equal
    assert not report.comparison.exact
    assert (report.comparison.begin.at, report.comparison.end.at) == (1000.0, 1060.0)
    assert row(report).lines <= row(report).counter <= row(report).lines + row(report).at_edges
    assert row(report).at_edges == 24
    assert report.verdict.startswith("Equal as far as can be told, but not exactly")
    assert any("24 requests came" in note for note in report.notes())


@pytest.mark.parametrize("side", ["unlogged", "uncounted"])
def test_more_than_the_edges_allow_is_a_difference_all_the_same(side: str) -> None:
    stack = busy_stack()
    getattr(stack, side).extend(Line(1017.0, "embedding", "success") for _ in range(24))
    report = stack.judge()
    assert not report.comparison.equal
    assert report.verdict.startswith("Different")


def test_the_range_begins_with_the_log() -> None:
    stack = quiet_stack()
    stack.log_begin = 1009.0
    report = stack.judge()
    assert report.comparison.equal
    assert report.comparison.begin.at == 1010.0
    (note,) = report.notes()
    assert note.startswith("The log begins at 1970-01-01T00:16:49.000Z: what is older was rotated away")


def test_a_log_that_begins_before_the_range_is_no_news() -> None:
    stack = quiet_stack()
    stack.log_begin = 1003.5
    assert list(stack.judge(since=1010.0).notes()) == []


def test_a_log_that_is_too_short_says_so() -> None:
    stack = quiet_stack()
    stack.log_begin = 1056.0
    with pytest.raises(RangeError, match=r"fewer than two scrapes .* since 1970-01-01T00:17:36.000Z, when its log"):
        stack.judge()


def test_an_empty_log_says_so() -> None:
    stack = quiet_stack()
    stack.log_begin = None
    with pytest.raises(LogError, match="no line at all"):
        stack.judge()


def test_a_range_without_two_scrapes_says_so() -> None:
    with pytest.raises(RangeError, match="fewer than two scrapes of gte-service in this range"):
        quiet_stack().judge(since=1021.0, until=1029.0)
    with pytest.raises(RangeError, match="fewer than two scrapes of gte-service in this range"):
        SimulatedStack(processes=[]).judge()


def test_a_range_without_requests_says_so() -> None:
    with pytest.raises(RangeError, match="no task request in this range"):
        SimulatedStack().judge()


def test_a_log_without_requests_is_a_difference_when_some_were_counted() -> None:
    stack = SimulatedStack()
    stack.unlogged.append(Line(1017.0, "embedding", "success"))
    assert stack.judge().verdict == "Different: the log lacks 1 request that Prometheus has."


def random_stack(chance: random.Random) -> SimulatedStack:
    """Any traffic, with or without restarts, of which some keep volume and address."""
    stack = SimulatedStack(processes=[Process(0.0)])
    keeps = chance.choice((0.0, 0.7, 1.0))
    for moment in sorted(chance.sample(range(1010, 1050, 8), chance.randrange(4))):
        last = stack.processes[-1]
        last.ended = moment + chance.random()
        volume = last.volume if chance.random() < keeps else f"new at {moment}"
        stack.processes.append(
            Process(last.ended + chance.random(), instance=chance.choice((INSTANCE, INSTANCE, OTHER)), volume=volume)
        )
    if chance.random() < 0.3:
        second = replica()
        second.instance = "172.20.0.7:9090"
        stack.processes.append(second)
    rate = chance.choice((0.2, 2.0, 20.0))
    at = 990.0
    while (at := at + chance.expovariate(rate)) < 1070.0:
        if not any(process.started <= at < process.ended for process in stack.processes):
            continue
        if chance.random() < 0.9:
            stack.request(at, task=chance.choice(("embedding", "qa")))
        else:
            stack.request(at, status="error", reason="internal")
    return stack


@pytest.mark.parametrize("seed", range(60))
def test_any_traffic_with_any_restarts_is_equal(seed: int) -> None:
    stack = random_stack(random.Random(seed))
    found = stack.judge().comparison
    assert found.equal
    if len({process.volume for process in stack.processes if process.instance in (INSTANCE, OTHER)}) == 1:
        assert found.total("at_ends") == 0


def moment_of_no_loss(stack: SimulatedStack, found: Comparison) -> float | None:
    """A moment in the range when nothing could have been lost with a process."""
    lost = []
    for process in stack.processes:
        shown = [one.started for one in stack.processes if one.instance == process.instance]
        until = min((started for started in shown if started > process.ended), default=process.ended)
        lost.append((process.ended - INTERVAL - 1.0, max(until, process.ended + GONE_AFTER_INTERVALS * INTERVAL) + 6.0))
    moments = [found.begin.end + number / 4 for number in range(1, round(4 * (found.end.begin - found.begin.end)))]
    return next((at for at in moments if not any(begin < at < end for begin, end in lost)), None)


@pytest.mark.parametrize("seed", range(60))
def test_in_any_traffic_enough_missing_requests_are_noticed(seed: int) -> None:
    stack = random_stack(random.Random(seed))
    found = stack.judge().comparison
    moment = moment_of_no_loss(stack, found)
    if moment is not None:
        unknown = found.total("at_edges") + found.total("unplaced") + found.total("at_ends") - found.total("unscraped")
        stack.uncounted += [Line(moment, "embedding", "success")] * (unknown + 1)
        assert not stack.judge().comparison.equal
