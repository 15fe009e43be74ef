"""Prints what is installed in an image, as JSON. Runs inside it: `python - <inventory.py`."""

import importlib.metadata
import json
import subprocess

FIELDS = "${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\n"


def main() -> None:
    """Print the Python distributions as [name, version] and Debian's packages as [name, version, architecture]."""
    found = {(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()}
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", FIELDS], capture_output=True, encoding="utf-8", check=True
    ).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    debian = [row[:3] for row in rows if row[3].startswith("ii")]
    print(json.dumps({"pypi": sorted(found), "deb": sorted(debian)}))


if __name__ == "__main__":
    main()
