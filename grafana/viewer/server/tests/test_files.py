"""The page and the dashboards: served as they are on the disk, and nothing else of the disk."""

import pytest
from running_viewer import RunningViewer

from dashboard_viewer.settings import Settings
from dashboard_viewer.web import create_app

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
OVERVIEW = {"uid": "gte-overview", "title": "GTE overview", "tags": ["gte"], "panels": []}
OVERVIEW_ENTRY = {
    "uid": "gte-overview", "title": "GTE overview", "tags": ["gte"], "folder": "", "file": "overview.json",
}  # fmt: skip


def test_the_viewer_answers_by_its_own_names_and_by_addresses_alone(viewer: RunningViewer) -> None:
    for path in ("/", "/dashboards", "/api/boards", "/api/datasource/query?query=up"):
        refused = viewer.get(path, Host="evil.example")
        assert refused.status == 403
        assert "add it to ALLOWED_HOSTS in .env" in refused.json()["error"]
    assert viewer.prometheus.asked == []
    for host in ("dashboard-viewer:3000", "localhost", "10.1.2.3:3000", "[::1]:3000"):
        assert viewer.get("/dashboards", Host=host).status == 200


@pytest.mark.parametrize("address", ["/dashboards", "/d/gte-overview", "/d/gte-overview/any-slug?viewPanel=2"])
def test_every_address_of_grafana_opens_the_page(viewer: RunningViewer, address: str) -> None:
    answer = viewer.get(address)
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
    assert b"<title>Dashboards</title>" in answer.body


@pytest.mark.parametrize(
    ("accepted", "home"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "/d/gte-overview-zh"),
        ("en-GB, zh;q=0.5", "/d/gte-overview"),
        ("fr", "/d/gte-overview"),
        ("", "/d/gte-overview"),
    ],
)
def test_the_first_page_is_the_overview_in_the_readers_language(
    viewer: RunningViewer, accepted: str, home: str
) -> None:
    assert viewer.get("/", Accept_Language=accepted).headers["Location"] == "/dashboards"
    viewer.write("en/overview.json", OVERVIEW)
    viewer.write("zh/overview.json", OVERVIEW | {"uid": "gte-overview-zh"})
    assert [board["folder"] for board in viewer.get("/api/boards").json()] == ["en", "zh"]
    assert viewer.get("/", Accept_Language=accepted).headers["Location"] == home


def test_the_first_page_can_be_set(viewer: RunningViewer) -> None:
    settings = Settings(viewer.page, viewer.dashboards, "http://127.0.0.1:9", "5s", "zh", {}, frozenset({"localhost"}))
    client = create_app(settings).test_client()
    assert client.get("/").headers["Location"] == "/dashboards"
    viewer.write("overview-zh.json", OVERVIEW | {"uid": "gte-overview-zh"})
    viewer.write("overview.json", OVERVIEW)
    assert client.get("/", headers={"Accept-Language": "en"}).headers["Location"] == "/d/gte-overview-zh"


def test_a_file_that_is_the_same_is_not_sent_again(viewer: RunningViewer) -> None:
    first = viewer.get("/public/viewer.js")
    assert (first.status, first.headers.get_content_type()) == (200, "text/javascript")
    again = viewer.get("/public/viewer.js", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("address", ["/public/../dashboards/a.json", "/public/%2e%2e/log", "/public//etc/passwd"])
def test_nothing_outside_the_page_is_served(viewer: RunningViewer, address: str) -> None:
    viewer.write("a.json", OVERVIEW)
    assert viewer.get(address).status == 404


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/", 302),
        ("GET", "/dashboards", 200),
        ("GET", "/public/fonts/inter.woff2", 200),
        ("GET", "/api/boards", 200),
        ("GET", "/api/datasource/query?query=up", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/api/boards", 405),
        ("GET", "/api/boards/unknown", 404),
    ],
)
def test_every_answer_forbids_a_browser_everything_but_our_own(
    viewer: RunningViewer, method: str, address: str, status: int
) -> None:
    answer = viewer.request(method, address)
    assert answer.status == status
    assert answer.headers.get_all("Content-Security-Policy") == [POLICY]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] in {"no-cache", "no-store"}


def test_a_dashboard_is_read_anew_at_each_request(viewer: RunningViewer) -> None:
    assert viewer.get("/api/boards").json() == []
    viewer.write("overview.json", OVERVIEW)
    assert viewer.get("/api/boards").json() == [OVERVIEW_ENTRY]
    viewer.write("overview.json", OVERVIEW | {"title": "Renamed"})
    assert viewer.get("/api/boards").json() == [OVERVIEW_ENTRY | {"title": "Renamed"}]


def test_a_dashboard_is_given_as_it_is_on_the_disk(viewer: RunningViewer) -> None:
    text = b'{ "uid": "tasks",\n "title": "\xe4\xbb\xbb\xe5\x8a\xa1", "weight": 1.50 }\n'
    viewer.write("gte/tasks.json", text)
    answer = viewer.get("/api/boards/tasks")
    assert (answer.status, answer.headers.get_content_type(), answer.body) == (200, "application/json", text)
    (entry,) = viewer.get("/api/boards").json()
    assert entry == {"uid": "tasks", "title": "任务", "tags": [], "folder": "gte", "file": "gte/tasks.json"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{not JSON", "it is not JSON: "),
        (b"\xff\xfe", "it is not JSON: "),
        (b"[" * 100_000, "it is not JSON: "),
        ([OVERVIEW], "it has no uid or no title"),
        ({"title": "No uid"}, "it has no uid or no title"),
        ({"uid": "a", "title": None}, "it has no uid or no title"),
        (OVERVIEW, "its uid 'gte-overview' is that of overview.json"),
    ],
)
def test_a_broken_file_is_named_and_leaves_the_others(viewer: RunningViewer, content: object, reason: str) -> None:
    viewer.write("overview.json", OVERVIEW)
    viewer.write("second.json", content)
    overview, broken = viewer.get("/api/boards").json()
    assert overview == OVERVIEW_ENTRY
    assert broken.pop("error").startswith(reason)
    assert broken == {"uid": "", "title": "second.json", "tags": [], "folder": "", "file": "second.json"}
    assert viewer.get("/api/boards/gte-overview").json() == OVERVIEW


def test_a_file_that_leads_nowhere_is_named(viewer: RunningViewer) -> None:
    (viewer.dashboards / "gone.json").symlink_to("nowhere")
    (broken,) = viewer.get("/api/boards").json()
    assert broken["error"] == "it can't be read: No such file or directory"


def test_an_unknown_uid_says_where_the_known_ones_are_listed(viewer: RunningViewer) -> None:
    viewer.write("broken.json", b"")
    for address in ("/api/boards/unknown", "/api/boards/%20"):
        answer = viewer.get(address)
        assert answer.status == 404
        assert set(answer.json()) == {"status", "errorType", "error"}
        assert "/api/boards lists those that are here" in answer.json()["error"]


def test_the_page_learns_where_the_other_pages_are(viewer: RunningViewer) -> None:
    assert viewer.get("/api/settings").json() == {
        "scrape_interval": "5s",
        "links": {"prometheus": "http://monitor.example:9091", "alertmanager": "", "inbox": ""},
    }


def test_the_probe_fails_when_the_dashboards_are_gone(viewer: RunningViewer) -> None:
    assert viewer.get("/api/health").json() == {"status": "ok"}
    viewer.dashboards.rmdir()
    answer = viewer.get("/api/health")
    assert answer.status == 503
    assert "mount it again" in answer.json()["error"]
