"""An hour under steady, healthy load tells no chat anything: `make test-quiet`.

No test of the normal run: it takes an hour. The heartbeat comes each minute meanwhile, so the path itself works.
"""

from __future__ import annotations

import time

from tests.stack.boards import mixed_load
from tests.stack.chat import Chat
from tests.stack.running import Stack, pass_time

MINUTES = 60


def test_an_hour_of_steady_load_tells_nobody_anything(stack: Stack, chat: Chat) -> None:
    chat.open(stack)
    began = time.time()
    with mixed_load(stack):
        pass_time(MINUTES * 60)
    answered = stack.query(f"sum(increase(gte_task_requests_total[{MINUTES}m])) / {MINUTES * 60}")[0]["value"][1]
    waited = stack.query(f"count by (alertname) (max_over_time(ALERTS{{severity!='none'}}[{MINUTES}m]))")
    print(f"{float(answered):.0f} requests a second, {chat.heartbeats(began)} heartbeats")
    print(f"waited or told nobody: {[one['metric']['alertname'] for one in waited]}")
    assert chat.heartbeats(began) >= MINUTES - 2
    assert chat.messages(began) == []
