"""Lets the tests import the package, the fake stack and `tools` in every import mode of pytest."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE.parent, HERE, HERE / "tests"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
# With --import-mode=importlib pytest takes this folder itself for a package `loadtest` and hides the real one.
if getattr(sys.modules.get("loadtest"), "__file__", "") is None:
    del sys.modules["loadtest"]
