"""`make notify-test`: sends a test message to each target and prints one line for each; ends with 1 if one failed."""

import os
import sys
import time
from datetime import UTC, datetime

from alert_inbox.advice import advise
from alert_inbox.errors import SettingsError, StoreError
from alert_inbox.language import ENGLISH
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
    """Send one message, within the target's limits; how that ended is noted as for any other message.

    Raises:
        StoreError: The database can't be used.
    """
    robot, pace = robot_for(target), Pace(outbox, target)
    wait = pace.wait(robot.limits)
    if wait > _PATIENCE:
        return Outcome("waiting", f"no message is sent in the next {wait:.0f} s, after one too many", "rate")
    time.sleep(max(0.0, wait))
    news = News(datetime.now(UTC), kind="test", since=datetime.now(UTC))
    message, _ = compose([news], target, Places(settings.zone, settings.inbox_url), robot.budget, robot.size)
    pace.note()
    outcome = robot.send(message)
    outbox.note_test(target, news, outcome)
    return outcome


def main() -> int:
    """Test every target of the file; 0: all took it, 1: one did not or there is none, 2: a setting is wrong."""
    try:
        settings = read_settings(os.environ)
        targets, faults = read_targets(settings.notify_file)
        for fault in faults:
            print(fault, file=sys.stderr)
        if not targets and not faults:
            print("There is no target yet: write the address of a robot into targets.txt.", file=sys.stderr)
        outbox = Outbox(Store(settings.database, settings.max_notifications), lambda: None)
        failed = len(faults) + (not targets)
        for target in targets:
            outcome = test(target, settings, outbox)
            failed += outcome.state != "sent"
            advice = advise(outcome.advice, outcome.clock, ENGLISH)
            print(f"{target.name}: {'sent' if outcome.state == 'sent' else f'FAILED, {outcome.words}. {advice}'}")
    except SettingsError as error:
        print(f"notify-test: {error}", file=sys.stderr)
        return 2
    except StoreError as error:
        print(f"notify-test: {error}", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
