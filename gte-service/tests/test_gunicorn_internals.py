"""gunicorn still has the undocumented parts that `GunicornInternals` uses; a failure says what breaks without one."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gunicorn
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response
from gunicorn.workers.gthread import ThreadWorker


@contextmanager
def worker_with_listener() -> Iterator[tuple[ThreadWorker, socket.socket]]:
    """A worker that is not running, and a socket that it may accept from."""
    config = Config()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        worker = ThreadWorker(1, 1, [listener], None, 30, config, Logger(config))
        worker.enqueue_req = lambda conn: conn.close()
        yield worker, listener
        worker.tmp.close()


def accept_counts_one_connection_or_none() -> bool:
    with worker_with_listener() as (worker, listener):
        worker.accept(listener)
        before = worker.nr_conns
        with socket.create_connection(listener.getsockname()):
            worker.accept(listener)
        return bool((before, worker.nr_conns) == (0, 1) and worker.worker_connections > 1)


def run_disables_accepting_when_it_stops() -> bool:
    return "set_accept_enabled" in ThreadWorker.run.__code__.co_names and list(
        inspect.signature(ThreadWorker.set_accept_enabled).parameters
    ) == ["self", "enabled"]


def load_wsgi_sets_the_app() -> bool:
    return "wsgi" in ThreadWorker.load_wsgi.__code__.co_names


def handle_exit_is_the_handler_of_sigterm() -> bool:
    return "handle_exit" in ThreadWorker.init_signals.__code__.co_names


def errors_are_answered_by_handle_error() -> bool:
    return list(inspect.signature(ThreadWorker.handle_error).parameters) == ["self", "req", "client", "addr", "exc"]


def start_response_belongs_to_a_response_with_force_close() -> bool:
    return (
        inspect.isfunction(Response.force_close)
        and inspect.isfunction(Response.start_response)
        and ("start_response" in ThreadWorker.handle_request.__code__.co_names)
    )


def a_body_with_a_length_counts_what_is_unread() -> bool:
    body = Body(LengthReader(IterUnreader([b"12345"]), 5))
    body.read(2)
    return bool(body.reader.length < 5)


def a_chunked_body_has_a_parser_until_it_is_read() -> bool:
    class Request:
        cfg = Config()

    body = Body(ChunkedReader(Request(), IterUnreader([b"2\r\n{}\r\n0\r\n\r\n"])))
    before = bool(body.reader.parser)
    body.read()
    return before and not body.reader.parser


@pytest.mark.parametrize(
    ("works", "without"),
    [
        (accept_counts_one_connection_or_none, "a stop resets clients that wait in the queue"),
        (run_disables_accepting_when_it_stops, "a stop keeps the socket open and resets clients that still connect"),
        (handle_exit_is_the_handler_of_sigterm, "a worker can't tell a stop from its own recycling"),
        (load_wsgi_sets_the_app, "early answers don't close the connection"),
        (start_response_belongs_to_a_response_with_force_close, "early answers don't close the connection"),
        (a_body_with_a_length_counts_what_is_unread, "every answer, or none, closes its connection"),
        (a_chunked_body_has_a_parser_until_it_is_read, "an endless body holds a thread after its refusal"),
        (errors_are_answered_by_handle_error, "bytes that are not HTTP are answered in HTML"),
    ],
)
def test_gunicorn_has_what_the_draining_worker_needs(works: Callable[[], bool], without: str) -> None:
    name = works.__name__.replace("_", " ")
    assert works(), f"gunicorn {gunicorn.__version__}: no longer true that {name}; {without}"
