"""The inbox's page in Chromium, beside a real Alertmanager: in the image of the tests, without a network."""

from __future__ import annotations

import re

from tests.config.containers import IMAGE_TAG, ROOT, command_of, docker, image_of, needs_engine, require_image, unique

pytestmark = needs_engine

DEV_IMAGE = f"gte-observability/dev:{IMAGE_TAG}"
TEST = "python -m pytest -q -rs -p no:cacheprovider tests/test_browser.py"


def test_the_page_lives_filters_and_fits_a_phone_in_a_browser() -> None:
    require_image(DEV_IMAGE, "make check")
    alertmanager = unique("alertmanager")
    command = command_of("alertmanager")
    docker("run", "--detach", f"--name={alertmanager}", "--network=none", image_of("alertmanager"), *command)
    try:
        output = docker(
            "run", "--rm", "--init", f"--network=container:{alertmanager}", "--user=root", "--shm-size=512m",
            f"--volume={ROOT}:/project:ro", "--tmpfs=/tmp:exec", "--workdir=/project/alertmanager/inbox",
            "--env=ALERT_INBOX_TEST_ALERTMANAGER=http://127.0.0.1:9093", DEV_IMAGE, *TEST.split(), seconds=300,
        )  # fmt: skip
    finally:
        docker("rm", "--force", "--volumes", alertmanager)
    assert re.search(r"^\d+ passed in ", output, re.M), output
