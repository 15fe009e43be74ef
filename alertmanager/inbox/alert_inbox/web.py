"""The inbox over HTTP: receives notifications, and serves them as JSON and as a page."""

import hmac
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, ServiceUnavailable

from alert_inbox import payload
from alert_inbox.advice import advise
from alert_inbox.errors import (
    InvalidPayload,
    InvalidQuery,
    PayloadTooLarge,
    RequestError,
    StoreError,
    TokenNeeded,
    UnknownHost,
)
from alert_inbox.firing import FiringWatch
from alert_inbox.language import Words, choose_words
from alert_inbox.metrics import Metrics
from alert_inbox.page import moment_of, view, view_firing
from alert_inbox.payload import Notification
from alert_inbox.post import Post
from alert_inbox.runbooks import Runbooks
from alert_inbox.settings import Settings
from alert_inbox.store import Query, Store, Stored
from alert_inbox.watchdog import WATCHDOG, Watchdog
from gte_monitoring.clients.known_hosts import is_known

log = logging.getLogger(__name__)

# 32 KB for each of the 1,000 alerts that alertmanager.yml allows in one notification.
MAX_BODY = 33_554_432
# A longer body than this costs much memory, so one is taken after another.
_LONG_BODY = 1_048_576
# Less than the five seconds that Alertmanager waits.
_LONG_BODY_WAIT = 4.0
_long_body = threading.Lock()

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
FILTERS = ("alertname", "severity", "task", "status", "from", "until")
PAGE_LIMIT = 50

# Its name in compose.yaml, by which Alertmanager posts and Prometheus scrapes.
_OWN_NAME = "alert-inbox"

# How much of a refused body goes to the log, in characters: Alertmanager won't send it again.
_LOGGED_BODY = 4096

_SECURITY_HEADERS = {
    # Nothing inline, nothing from elsewhere: should a label ever get past the escaping, it still can't run.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings, inside_port: str) -> Flask:
    """Return the application. Call it in the process that serves, because it opens the database.

    Args:
        settings: of the inbox.
        inside_port: where posts need no token, because nobody but the Alertmanager beside the inbox reaches it.

    Raises:
        StoreError: The database can't be read.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY + 1
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the fields is for people
    # The template's own lines leave no blank ones behind.
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    store = Store(settings.database, settings.max_notifications)
    store.open()
    watchdog = Watchdog(store, settings.silence)
    runbooks = Runbooks(settings.runbooks)
    metrics = Metrics(store.count, watchdog.state)
    post = Post(settings, store, watchdog, metrics)
    outbox = post.outbox
    metrics.add_outbox(outbox.standings)
    post.begin()
    firing = FiringWatch(settings.alertmanager_api_url, lambda: watchdog.state().silent)
    firing.begin()

    @app.post("/alerts")
    @_one_long_body()
    def receive() -> Response:
        notification = _notification(metrics)
        try:
            # An end that comes while nothing is heard of monitoring may only mean that nobody looks any more.
            stored, is_new = outbox.add(notification, unconfirmed=watchdog.state().silent)
        except StoreError as error:
            metrics.refused.labels("store").inc()
            log.error("a notification is not stored, Alertmanager will send it again: %s", error)
            raise
        if is_new:
            metrics.notifications.labels(notification.status).inc()
        log.info(
            "%s notification %d: %s, alerts: %d, group %r",
            "stored" if is_new else "received again",
            stored.id,
            notification.status,
            len(notification.alerts),
            notification.group_key,
        )
        return jsonify(id=stored.id, stored=is_new)

    @app.post("/watchdog")
    @_one_long_body()
    def hear() -> Response:
        notification = _notification(metrics)
        # Alertmanager may also tell its end, which is no sign of life.
        heard = notification.status == "firing"
        if heard:
            watchdog.hear(notification.evaluated_at)
        return jsonify(heard=heard)

    @app.get("/api/notifications")
    def notifications() -> Response:
        found = store.find(_query(DEFAULT_LIMIT, "limit", *FILTERS, "before"))
        return jsonify(
            notifications=[_as_json(stored) for stored in found.notifications], next_before=found.next_before
        )

    @app.get("/api/firing")
    def list_firing() -> Response:
        now = firing.now()
        return jsonify(
            as_of=_time_text(now.as_of) if now.as_of else None,
            is_old=now.is_old,
            alerts=[one.document | {"muted": one.muted, "unconfirmed": one.unconfirmed} for one in now.alerts],
        )

    @app.get("/")
    def page() -> Response:
        query = _query(PAGE_LIMIT, *FILTERS, "before")
        filters = {name: value for name in FILTERS if (value := request.args.get(name))}

        words = choose_words(request.accept_languages)
        found = store.find(query)
        state = watchdog.state()
        firing_now, more_firing = view_firing(firing.now(), query, words, settings.alertmanager_url)
        return _page(
            "page.html",
            words,
            query=query,
            filters=filters,
            address=lambda **changes: url_for("page", **(filters | changes)),
            now=firing.now(),
            firing_now=firing_now,
            more_firing=more_firing,
            names=[name for name in runbooks.names if name != WATCHDOG],
            settings=settings,
            stored=store.count(),
            silent=state.silent,
            watchdog_runbook=WATCHDOG in runbooks.names,
            heard=moment_of(state.heard_at) if state.heard_at else None,
            notifications=[view(stored, words, settings.alertmanager_url) for stored in found.notifications],
            told=outbox.deliveries([stored.id for stored in found.notifications]),
            trouble=[it.last for _, it in outbox.standings() if it.last and it.last.state != "sent"],
            faults=post.faults,
            advise=advise,
            moment_of=moment_of,
            next_before=found.next_before,
        )

    _serve_state(app, store, metrics)
    _guard_names(app, settings)
    _guard_posts(app, settings, inside_port, metrics)
    _serve_runbooks(app, runbooks)
    _answer_errors(app)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.extend(_SECURITY_HEADERS)
        return response

    return app


def _guard_names(app: Flask, settings: Settings) -> None:
    names = settings.allowed_hosts | {_OWN_NAME}

    @app.before_request
    def check_host() -> None:
        host = request.headers.get("Host", "")
        if not is_known(host, names):
            raise UnknownHost(
                f"the inbox doesn't answer for the name {host!r}; if it is yours, add it to ALLOWED_HOSTS in .env, "
                "then run make up"
            )


def _guard_posts(app: Flask, settings: Settings, inside_port: str, metrics: Metrics) -> None:
    @app.before_request
    def check_token() -> None:
        if request.method == "POST" and request.environ["SERVER_PORT"] != inside_port:
            try:
                _check_token(settings)
            except TokenNeeded as error:
                metrics.refused.labels("token").inc()
                log.warning("refused a post to %s: %s", request.path, error)
                raise


def _serve_state(app: Flask, store: Store, metrics: Metrics) -> None:
    @app.get("/healthz")
    def health() -> Response:
        return jsonify(status="ok", stored_notifications=store.count())

    @app.get("/metrics")
    def show_metrics() -> Response:
        text, content_type = metrics.render(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)


def _serve_runbooks(app: Flask, runbooks: Runbooks) -> None:
    @app.get("/runbooks/")
    def list_runbooks() -> Response:
        return _page("runbooks.html", choose_words(request.accept_languages), names=runbooks.names)

    @app.get("/runbooks/<name>")
    def show_runbook(name: str) -> Response:
        words = choose_words(request.accept_languages)
        runbook = runbooks.find(name, words)
        if runbook is None:
            response = _page("runbooks.html", words, names=runbooks.names, missing=name)
            response.status_code = HTTPStatus.NOT_FOUND
            return response
        return _page("runbook.html", words, runbook=runbook)


def _answer_errors(app: Flask) -> None:
    """Answer every error as {"error": {"code", "message"}}."""

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        response = _error(error.status, error.code, str(error))
        if isinstance(error, TokenNeeded):
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @app.errorhandler(StoreError)
    def unavailable(error: StoreError) -> Response:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", str(error))

    @app.errorhandler(HTTPException)
    def refused_by_flask(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or 500)
        response = _error(status, status.name.lower(), error.description or status.description)
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response


def _page(template: str, words: Words, **shown: Any) -> Response:
    """Return a page in the reader's language; nothing keeps it, because the next one may be another."""
    response = make_response(render_template(template, words=words, **shown))
    response.headers["Content-Language"] = words.tag
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = "no-store"
    return response


def _check_token(settings: Settings) -> None:
    """Raise TokenNeeded if this post to the published port lacks the token that it needs."""
    if not settings.token:
        if settings.is_published:
            raise TokenNeeded(
                "the inbox is published beyond its host, and no token is set; set ALERT_INBOX_TOKEN in .env, and send "
                "it as `Authorization: Bearer …`"
            )
        return
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), settings.token.encode())
    if scheme.lower() != "bearer" or not is_right:
        raise TokenNeeded("send the value of ALERT_INBOX_TOKEN in .env as `Authorization: Bearer …`")


def _notification(metrics: Metrics) -> Notification:
    """Return the notification in the request's body; one that is refused is counted and logged."""
    body = b""
    try:
        body = _body()
        if request.mimetype != "application/json":
            # A page of another site can make a browser post any type but this one without asking us first.
            raise InvalidPayload(
                f"the content type is {request.mimetype!r}; send application/json", "invalid_content_type"
            )
        return payload.parse(body)
    except RequestError as error:
        metrics.refused.labels("invalid").inc()
        excerpt = body[:_LOGGED_BODY].decode("utf-8", "replace")
        log.warning("refused a notification of %d bytes: %s; body: %r", len(body), error, excerpt)
        raise


@contextmanager
def _one_long_body() -> Iterator[None]:
    """Wait until no other long body is in work; 503 if that takes too long, so that Alertmanager comes again."""
    length = request.content_length
    if length is not None and length <= _LONG_BODY:
        yield
        return
    if not _long_body.acquire(timeout=_LONG_BODY_WAIT):
        raise ServiceUnavailable("another long notification is in work; send this one again")
    try:
        yield
    finally:
        _long_body.release()


def _body() -> bytes:
    too_large = f"the body is longer than {MAX_BODY} bytes; lower max_alerts in alertmanager.yml"
    try:
        body = request.get_data()
    except RequestEntityTooLarge as error:
        raise PayloadTooLarge(too_large) from error
    # A body sent in chunks has no length to check beforehand; Flask silently cuts it at its own bound.
    if len(body) > MAX_BODY:
        raise PayloadTooLarge(too_large)
    return body


def _error(status: HTTPStatus, code: str, message: str) -> Response:
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response


def _time_text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_json(stored: Stored) -> dict[str, Any]:
    notification = stored.notification
    return {
        "id": stored.id,
        "received_at": _time_text(stored.received_at),
        "status": notification.status,
        "receiver": notification.receiver,
        "group_key": notification.group_key,
        "group_labels": notification.document.get("groupLabels") or {},
        "truncated_alerts": notification.truncated_alerts,
        "unconfirmed": stored.unconfirmed,
        "alerts": notification.alerts,
    }


def _query(default_limit: int, *known: str) -> Query:
    for name in request.args:
        if name not in known:
            raise InvalidQuery(f"unknown parameter {name!r}; known are {', '.join(known)}")
        if len(request.args.getlist(name)) > 1:
            raise InvalidQuery(f"{name} is given more than once")
    # A form that is sent has each of its fields, filled in or not.
    status = request.args.get("status") or None
    if status is not None and status not in payload.STATUSES:
        raise InvalidQuery(f"status is {status!r}; it must be firing or resolved")
    return Query(
        limit=_whole_number("limit", MAX_LIMIT) or default_limit,
        alertname=request.args.get("alertname") or None,
        severity=request.args.get("severity") or None,
        task=request.args.get("task") or None,
        status=status,
        since=_moment("from"),
        until=_moment("until"),
        before=_whole_number("before", 2**63 - 1),
    )


def _moment(name: str) -> datetime | None:
    text = request.args.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidQuery(f"{name} is {text!r}; give a time such as 2026-01-31T12:00, in UTC, or with Z") from error


def _whole_number(name: str, largest: int) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= largest):
        raise InvalidQuery(f"{name} is {text!r}; it must be a whole number from 1 to {largest}")
    return int(text)
