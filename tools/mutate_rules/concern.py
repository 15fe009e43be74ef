"""Says which files of promtool tests can notice a change to a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tools.mutate_rules.promql import metrics
from tools.mutate_rules.rule_file import Rule


class Concern:
    """The tests of a set of rules.

    A change to an alert concerns the files of its name: `Alert.yml`, and `Alert-week.yml` or the like. A change to a
    recorded series concerns those of its group, every file that names the series, and the files of all alerts and
    groups that read it, directly or through other series. Where an alert has no file of its name, every file that names
    it counts.
    """

    def __init__(self, rules: Sequence[Rule], tests: Mapping[str, str]) -> None:
        """Take all rules, and the content of each file of tests by its name."""
        self._rules = rules
        self._tests = tests
        self._reads = {id(rule): metrics(rule.values["expr"].text) for rule in rules}

    def files(self, rule: Rule) -> list[str]:
        """The names of the files, those that are most likely to notice first."""
        if rule.alert:
            found = self._of_alert(rule)
        else:
            found = self._of_group(rule) + self._naming(rule.name)
            for reader in self._readers(rule):
                found += self._of_alert(reader) if reader.alert else self._of_group(reader)
        return [name for name in dict.fromkeys(found) if self._loads(name, rule.file)]

    def _readers(self, rule: Rule) -> list[Rule]:
        """The rules that a series goes into, the near ones first."""
        found: list[Rule] = []
        names = [rule.name]
        for name in names:
            for reader in self._rules:
                if name in self._reads[id(reader)] and reader not in found:
                    found.append(reader)
                    if not reader.alert and reader.name not in names:
                        names.append(reader.name)
        return found

    def _of_alert(self, rule: Rule) -> list[str]:
        return self._named(rule.name) or self._naming(rule.name)

    def _of_group(self, rule: Rule) -> list[str]:
        return self._named(rule.group)

    def _named(self, name: str) -> list[str]:
        """Files of a name, the one without an addition first: it is the quickest."""
        found = (file for file in self._tests if file == f"{name}.yml" or file.startswith(f"{name}-"))
        return sorted(found, key=len)

    def _naming(self, name: str) -> list[str]:
        word = re.compile(rf"(?<![\w:]){re.escape(name)}(?![\w:])")
        return [file for file, content in self._tests.items() if word.search(content)]

    def _loads(self, tests: str, rules: str) -> bool:
        return re.search(rf"/rules/({re.escape(rules)}|\*\.yml)", self._tests[tests]) is not None
