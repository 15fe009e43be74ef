"""The viewer over HTTP: the page, the dashboards as they are on the disk, and a way to Prometheus for queries only."""

import json
import re
from http import HTTPStatus
from urllib.parse import quote

from flask import Flask, Response, jsonify, redirect, request, send_from_directory
from werkzeug import Response as WerkzeugResponse
from werkzeug.exceptions import Forbidden, HTTPException, NotFound, ServiceUnavailable, UnsupportedMediaType

from dashboard_viewer.boards import read_boards
from dashboard_viewer.datasource import ask
from dashboard_viewer.settings import Settings
from gte_monitoring.clients.known_hosts import is_known

# Its name in compose.yaml, by which the smoke test asks.
_OWN_NAME = "dashboard-viewer"

# An expression of a few pages.
LARGEST_FORM = 65_536

# The first page by the reader's language.
HOMES = {"en": "gte-overview", "zh": "gte-overview-zh"}

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FORM = "application/x-www-form-urlencoded"
_SECURITY_HEADERS = {
    # The hash is that of the empty text: the page's library makes an empty <style> and fills it rule by rule.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; "
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings) -> Flask:
    """Return the application."""
    app = Flask(__name__, static_folder=None)
    # An address is right or wrong; a redirect would be an answer of Flask's own making.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_FORM
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the fields is for people

    names = settings.allowed_hosts | {_OWN_NAME}

    @app.before_request
    def check_host() -> None:
        host = request.headers.get("Host", "")
        if not is_known(host, names):
            raise Forbidden(
                f"The viewer doesn't answer for the name {host!r}. If it is yours, add it to ALLOWED_HOSTS in .env, "
                "then run make up."
            )

    @app.get("/")
    def home() -> WerkzeugResponse:
        # Not best_match, which prefers zh to en for a reader of en-GB before zh.
        accepted = (tag.split("-")[0].lower() for tag in request.accept_languages.values())
        languages = [settings.language] if settings.language else accepted
        wanted = next((HOMES[language] for language in languages if language in HOMES), HOMES["en"])
        exists = any(board.uid == wanted for board in read_boards(settings.dashboards))
        return redirect(f"/d/{quote(wanted)}" if exists else "/dashboards")

    @app.get("/dashboards")
    @app.get("/d/<uid>")
    @app.get("/d/<uid>/<slug>")
    def page(uid: str = "", slug: str = "") -> Response:
        return send_from_directory(settings.page.resolve(), "index.html")

    @app.get("/public/<path:file>")
    def public(file: str) -> Response:
        return send_from_directory(settings.page.resolve(), file)

    @app.get("/api/health")
    def health() -> Response:
        if not settings.dashboards.is_dir():
            raise ServiceUnavailable(f"The folder of dashboards, {settings.dashboards}, is gone; mount it again.")
        return jsonify(status="ok")

    @app.get("/api/settings")
    def shown_settings() -> Response:
        return jsonify(scrape_interval=settings.scrape_interval, links=settings.links)

    @app.get("/api/boards")
    def boards() -> Response:
        return jsonify([board.summary() for board in read_boards(settings.dashboards)])

    @app.get("/api/boards/<uid>")
    def board(uid: str) -> Response:
        found = next((board for board in read_boards(settings.dashboards) if board.uid == uid), None)
        if found is None:
            raise NotFound(f"No dashboard has the uid {uid!r}; /api/boards lists those that are here.")
        return send_from_directory(settings.dashboards.resolve(), found.file)

    @app.route("/api/datasource/<any(query, query_range, labels, series):path>", methods=["GET", "POST"])
    def datasource(path: str) -> Response:
        return _pass_on(settings.prometheus, path)

    @app.get("/api/datasource/label/<name>/values")
    def label_values(name: str) -> Response:
        if not _LABEL.fullmatch(name):
            raise NotFound(f"{name!r} is not the name of a label.")
        return _pass_on(settings.prometheus, f"label/{name}/values")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> WerkzeugResponse:
        # In the form that Prometheus gives its own errors, so that the page reads one form only.
        status = HTTPStatus(error.code or 500)
        response = error.get_response()
        response.data = json.dumps({"status": "error", "errorType": status.name.lower(), "error": error.description})
        response.content_type = "application/json"
        return response

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.extend(_SECURITY_HEADERS)
        # A new build or a changed dashboard shows at once; files that are the same are not sent again.
        response.headers["Cache-Control"] = "no-cache" if request.endpoint in ("page", "public") else "no-store"
        return response

    return app


def _pass_on(prometheus: str, path: str) -> Response:
    # A browser names the site of the page that asks. Another site's page could not read the answer, but cause work.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("Only the viewer's own page may ask here.")
    form = None
    if request.method == "POST":
        if request.mimetype != _FORM:
            raise UnsupportedMediaType(f"The content type is {request.mimetype!r}; send {_FORM}.")
        form = request.get_data(cache=False)
    query = request.query_string.decode("ascii", "replace")
    return ask(prometheus, path, query, form, request.headers.get("Accept-Encoding", ""))
