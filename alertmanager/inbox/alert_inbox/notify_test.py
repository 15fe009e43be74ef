"""`make notify-test`: sends a test message to each target and prints one line for each; ends with 1 if one failed.

It speaks Chinese where LC_ALL begins with `zh`, in the encoding that LC_ALL names, which is that of the terminal.
"""

import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

from alert_inbox.advice import advise
from alert_inbox.errors import SettingsError, StoreError
from alert_inbox.language import CHINESE, ENGLISH
from alert_inbox.outbox import Outbox
from alert_inbox.post import Pace
from alert_inbox.robots import Outcome, robot_for
from alert_inbox.settings import Settings, read_settings
from alert_inbox.store import Store
from alert_inbox.targets import Target, read_targets
from alert_inbox.wording import News, Places, compose

# A robot that had 20 messages in this minute takes the next one after this, in seconds.
_PATIENCE = 75.0


def test(target: Target, settings: Settings, outbox: Outbox) -> Outcome:
    """Send one message, within the target's limits; how that ended is noted as for any other message."""
    robot, pace = robot_for(target), Pace(outbox, target)
    wait = pace.wait(robot.limits)
    if wait > _PATIENCE:
        return Outcome("waiting", f"no message is sent in the next {wait:.0f} s, after one too many", "rate")
    time.sleep(max(0.0, wait))
    news = News(datetime.now(UTC), kind="test", since=datetime.now(UTC))
    message, _ = compose([news], target, Places(settings.zone, settings.inbox_url), robot.budget, robot.size)
    pace.note()
    outcome = robot.send(message)
    try:
        outbox.note_test(target, news, outcome)
    except StoreError as error:
        # The message itself needs no database.
        print(f"{target.name}: the inbox's page won't show this test: {error}", file=sys.stderr)
    return outcome


def main() -> int:
    """Test every target of the file; 0: all took it, 1: one did not or there is none, 2: a setting is wrong."""
    charset = os.environ.get("LC_ALL", "").partition(".")[2]
    for stream in (sys.stdout, sys.stderr):
        with suppress(LookupError):
            stream.reconfigure(encoding=charset or "utf-8", errors="replace")  # type: ignore[union-attr]
    words = CHINESE if os.environ.get("LC_ALL", "").startswith("zh") else ENGLISH
    is_chinese = words is CHINESE
    try:
        settings = read_settings(os.environ)
        targets, faults = read_targets(settings.notify_file)
        for fault in faults:
            print(fault.chinese if is_chinese else fault, file=sys.stderr)
        if not targets and not faults:
            print(
                "还没有通知目标：请将机器人的地址写入 targets.txt。"
                if is_chinese
                else "There is no target yet: write the address of a robot into targets.txt.",
                file=sys.stderr,
            )
        outbox = Outbox(Store(settings.database, settings.max_notifications), lambda: None)
        failed = len(faults) + (not targets)
        for target in targets:
            outcome = test(target, settings, outbox)
            failed += outcome.state != "sent"
            sent, failure = ("已发送", "失败") if is_chinese else ("sent", "FAILED")
            advice = advise(outcome.advice, outcome.clock, words)
            print(f"{target.name}: {sent if outcome.state == 'sent' else f'{failure}, {outcome.words}. {advice}'}")
    except SettingsError as error:
        print(f"notify-test: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
