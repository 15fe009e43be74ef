#!/bin/sh
# environment.sh NAME: a virtual environment /opt/NAME with what requirements-NAME.txt pins, and the shared torch.
set -eu
[ -n "${PIP_INDEX_URL:-}" ] || unset PIP_INDEX_URL
python -m venv --without-pip "/opt/$1"
for packages in "/opt/$1"/lib/python*/site-packages; do
  echo /opt/torch >"$packages/shared-torch.pth"
done
# The list is complete: whatever pip would add by itself is not what was measured. The check says if something lacks.
python -m pip --python "/opt/$1/bin/python" install -q --no-deps --require-hashes -r "/src/requirements-$1.txt"
python -m pip --python "/opt/$1/bin/python" check
