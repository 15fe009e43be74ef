"""Log and counters of a made-up service agree when they should, and every request that is missing is noticed."""

from __future__ import annotations

import random

import pytest

from reconcile.access_log import Line
from reconcile.comparison import Row
from reconcile.errors import LogError, RangeError
from reconcile.report import Report
from reconcile.scrapes import ERRORS, LATENCY, REQUESTS
from reconcile.tests.simulated_stack import ADDRESS, Process, SimulatedStack

OTHER = "172.20.0.6:9090"


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


def restarted_stack() -> SimulatedStack:
    """A restart at 1028, after 2 requests that no scrape has seen; 4 before, 3 after."""
    stack = SimulatedStack(processes=[Process(0.0, 1028.0), Process(1028.5)])
    stack.request(1002.0, 1003.0, 1012.0, 1013.0, 1026.0, 1027.0, 1033.0, 1041.0, 1042.0)
    return stack


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
    stack.seen = lambda _, scrape: not 1011 < scrape.at < 1034
    assert stack.judge().comparison.equal


def test_what_was_counted_before_a_restart_and_not_scraped_is_told_apart() -> None:
    report = restarted_stack().judge()
    assert report.comparison.equal
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (9, 7, 2, 0)
    assert report.verdict.startswith("Equal but for 2 requests of 9")
    (note,) = report.notes()
    assert note.startswith("A process ended between its scrape of 1970-01-01T00:17:05.000Z and 1970-01-01T00:17:15.0")


def test_a_request_that_is_missing_elsewhere_is_not_put_down_to_the_restart() -> None:
    stack = restarted_stack()
    stack.uncounted.append(Line(1047.0, "embedding", "success"))
    report = stack.judge()
    assert (row(report).unscraped, row(report).difference) == (2, -1)
    assert report.verdict == "Different: Prometheus lacks 1 request that the log has."


def test_what_the_new_process_has_counted_already_is_not_taken_for_lost() -> None:
    stack = restarted_stack()
    # Between the restart and the first scrape with counters, which has it.
    stack.request(1034.0)
    stack.uncounted.append(Line(1047.0, "embedding", "success"))
    assert (row(stack.judge()).unscraped, row(stack.judge()).difference) == (2, -1)


def test_a_restart_without_a_loss_is_no_news() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1028.0), Process(1028.5)])
    # The last two are counted by the new process, one of them before its first scrape.
    stack.request(1002.0, 1003.0, 1034.0, 1041.0)
    report = stack.judge()
    assert report.verdict.startswith("Equal: 4 requests")
    assert list(report.notes()) == []


def test_a_restart_between_two_scrapes_is_seen_by_counters_that_went_back() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1026.0), Process(1026.1)])
    stack.request(1002.0, 1003.0, 1041.0)
    assert stack.judge().comparison.equal


def test_a_restart_that_no_counter_shows_is_seen_by_the_start_of_the_container() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1026.0), Process(1026.1)], container_started=1026.1)
    stack.request(1002.0, 1029.0)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).counter == 2
    stack.container_started = 0.0
    assert not stack.judge().comparison.equal


def test_a_restart_that_no_counter_shows_is_seen_by_a_scrape_without_counters() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1026.0), Process(1026.1, counters_after=5.0)])
    stack.request(1002.0, 1032.0)
    assert row(stack.judge()).counter == 2
    assert stack.judge().comparison.equal


def test_a_restart_shortly_before_the_end_of_the_range_is_told_apart_too() -> None:
    report = restarted_stack().judge(until=1040.0)
    assert report.comparison.end.at == 1040.0
    assert report.comparison.exact
    assert (row(report).lines, row(report).counter, row(report).unscraped, row(report).difference) == (7, 5, 2, 0)


def test_two_restarts_are_both_told() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1018.0), Process(1018.5, 1038.0), Process(1038.5)])
    stack.request(1002.0, 1017.0, 1022.0, 1037.0, 1036.0, 1048.0)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).unscraped == 3
    assert len(list(report.notes())) == 2


def test_a_restart_that_takes_another_address_is_told_apart_too() -> None:
    stack = restarted_stack()
    stack.processes[1].instance = OTHER
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).counter, row(report).unscraped) == (7, 2)


def test_replicas_are_added_up() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(0.0, instance=OTHER)])
    stack.request(*(1004.0 + 5 * number + 0.001 * number for number in range(8)))
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).lines, row(report).counter) == (8, 8)
    stack.uncounted.append(Line(1029.5, "embedding", "success"))
    assert row(stack.judge()).difference == -1


def test_a_scrape_before_the_range_tells_what_a_replica_had_counted() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(0.0, instance=OTHER)])
    stack.request(990.001, 1031.001)
    report = stack.judge(since=1003.0)
    assert report.comparison.begin.at == 1005.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_scrape_before_the_range_is_no_edge() -> None:
    assert quiet_stack().judge(since=1021.0).comparison.begin.at == 1025.0


def test_with_replicas_an_edge_needs_a_pause_from_the_first_scrape_to_the_last() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(0.0, instance=OTHER)])
    # Counted by the other, which is scraped 3 s before the last scrape of all.
    stack.request(1030.000, 1058.001)
    report = stack.judge()
    assert report.comparison.end.at == 1057.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_replica_that_goes_takes_with_it_what_was_not_scraped() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(0.0, 1030.0, instance=OTHER)])
    # Those with an odd millisecond are the other's.
    stack.request(1004.000, 1004.001, 1029.000, 1029.001, 1054.000)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).unscraped == 1
    # Lines don't say which replica wrote them: one of the other's could be taken for lost, but no more.
    stack.uncounted += [Line(1049.0, "embedding", "success")] * 2
    assert row(stack.judge()).difference == -1


def test_what_a_replica_has_counted_when_it_is_first_seen_may_lie_anywhere() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(970.0, instance=OTHER, counters_after=50.0)])
    # Prometheus finds it late: no scrape without counters tells that it has only begun.
    stack.seen = lambda _, scrape: scrape.counts is not None
    stack.request(990.001, 1004.001, 1054.001)
    report = stack.judge()
    assert report.comparison.equal
    assert not report.comparison.exact
    assert row(report).unplaced == 2
    assert any("for the first time" in note for note in report.notes())


def test_what_a_replica_counted_between_its_start_and_its_first_scrape_may_lie_before_the_range() -> None:
    stack = SimulatedStack(processes=[Process(990.0), Process(0.0, instance=OTHER)], container_started=990.0)
    # Its start is known, but Prometheus finds it half a minute later.
    stack.seen = lambda instance, scrape: scrape.at > 1020 or instance == OTHER
    stack.request(995.000, 1004.000, 1054.001)
    report = stack.judge()
    assert report.comparison.equal
    assert row(report).unplaced == 2


def test_a_replica_that_is_not_scraped_for_long_keeps_an_edge_from_being_exact() -> None:
    stack = SimulatedStack(end=1200.0, processes=[Process(0.0), Process(0.0, instance=OTHER)])
    stack.seen = lambda instance, scrape: instance != OTHER or not 1003 < scrape.at < 1040
    stack.request(1000.000, 1002.000, 1005.000, 1010.000, 1015.000, 1020.000)
    # Counted by the other, but seen only after its gap.
    stack.request(1018.001, 1100.000)
    report = stack.judge()
    assert report.comparison.begin.at == 1042.0
    assert report.verdict.startswith("Equal: 1 request in")


def test_a_replica_that_begins_while_another_ends_does_not_hide_what_that_one_lost() -> None:
    stack = SimulatedStack(processes=[Process(0.0, 1030.0), Process(1015.0, instance=OTHER, counters_after=8.0)])
    stack.request(1004.000, 1023.001, 1024.001, 1029.000, 1054.000)
    report = stack.judge()
    assert report.comparison.equal
    assert (row(report).lines, row(report).counter, row(report).unscraped) == (5, 4, 1)


def test_an_instance_without_container_is_named_when_something_differs() -> None:
    stack = SimulatedStack(processes=[Process(0.0), Process(0.0, 1030.0, instance=OTHER)])
    stack.request(1004.000, 1054.000)
    assert not any(OTHER in note for note in stack.judge().notes())
    stack.unlogged.append(Line(1004.001, "embedding", "success"))
    report = stack.judge()
    assert not report.comparison.equal
    assert any(OTHER in note for note in report.notes())
    assert not any(ADDRESS in note for note in report.notes())


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
    """Any traffic, with or without restarts."""
    stack = SimulatedStack(processes=[Process(0.0)])
    moments = sorted(chance.sample(range(1010, 1050, 8), chance.randrange(4)))
    for moment in moments:
        stack.processes[-1].ended = moment + chance.random()
        # All but the last, of which the engine tells, must be seen by a scrape without counters.
        slowness = 5 * chance.random() if moment == moments[-1] else 6.0
        stack.processes.append(Process(stack.processes[-1].ended + 3 * chance.random(), counters_after=slowness))
    rate = chance.choice((0.2, 2.0, 20.0))
    at = 990.0
    while (at := at + chance.expovariate(rate)) < 1070.0:
        living = [
            process for process in stack.processes if process.started + process.counters_after <= at < process.ended
        ]
        if living and chance.random() < 0.9:
            stack.request(at, task=chance.choice(("embedding", "qa")))
        elif living:
            stack.request(at, status="error", reason="internal")
    stack.container_started = stack.processes[-1].started
    return stack


@pytest.mark.parametrize("seed", range(60))
def test_any_traffic_with_any_restarts_is_equal(seed: int) -> None:
    stack = random_stack(random.Random(seed))
    if len(stack.requests) > 20:
        assert stack.judge().comparison.equal


@pytest.mark.parametrize("seed", range(60))
def test_in_any_traffic_enough_missing_requests_are_noticed(seed: int) -> None:
    stack = random_stack(random.Random(seed))
    if len(stack.requests) > 20:
        found = stack.judge().comparison
        unknown = found.total("at_edges") + found.total("at_ends") - found.total("unscraped")
        missing = [Line(found.begin.end + 0.01, "embedding", "success")] * (unknown + 1)
        stack.uncounted += missing
        assert not stack.judge().comparison.equal
