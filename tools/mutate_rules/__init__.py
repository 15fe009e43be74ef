"""Changes the rules of Prometheus, one place at a time, and counts which changes the promtool tests notice.

Changed are numbers, comparisons, arithmetic and set operators, windows (ranges, resolutions, offsets), functions,
labels, `for`, `keep_firing_for` and severities. A change that no test notices names a test that is missing, or is
listed in tools/mutate_rules/accepted.toml with a reason.
"""
