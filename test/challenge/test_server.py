"""The HTTP contract alone; what a call does is a function of the test's own."""

import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from challenge.server import Handler, Server, Work, WorkError, serve


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    client.request(method, path, body)
    answer = client.getresponse()
    result = answer.status, json.loads(answer.read())
    client.close()
    return result


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_health_tells_when_the_models_are_loaded(server: Server) -> None:
    port = server.server_port
    assert ask(port, "GET", "/health") == (503, {"error": "the models are being loaded"})
    assert ask(port, "POST", "/invoke") == (503, {"error": "the models are being loaded"})
    server.work = lambda: None
    assert ask(port, "GET", "/health") == (200, {"status": "OK"})


def test_a_call_is_answered_with_201_once_it_is_done(server: Server) -> None:
    done = []
    server.work = lambda: done.append(1)
    assert ask(server.server_port, "POST", "/invoke") == (201, {"status": "Created"})
    assert ask(server.server_port, "POST", "/invoke", b"{}" * 9) == (201, {"status": "Created"})
    assert len(done) == 2


def test_whoever_has_the_answer_may_send_the_next_case_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dawdle(handler: Handler, *result: object) -> None:
        answer(handler, *result)
        time.sleep(0.2)  # a thread that is slow to come back from its answer

    answer = Handler._answer
    monkeypatch.setattr(Handler, "_answer", dawdle)
    server.work = lambda: None
    for _ in range(3):
        assert ask(server.server_port, "POST", "/invoke")[0] == 201


def test_a_failed_call_says_why_and_the_next_one_is_taken(server: Server) -> None:
    def fail(error: Exception) -> Work:
        def work() -> None:
            raise error

        return work

    port = server.server_port
    server.work = fail(WorkError("x.mha: no such file"))
    assert ask(port, "POST", "/invoke") == (500, {"error": "x.mha: no such file"})
    server.work = fail(ZeroDivisionError("by zero"))
    assert ask(port, "POST", "/invoke") == (500, {"error": "ZeroDivisionError: by zero"})
    server.work = lambda: None
    assert ask(port, "GET", "/health")[0] == 200
    assert ask(port, "POST", "/invoke")[0] == 201


def test_one_case_at_a_time_and_health_meanwhile(server: Server) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go_on.wait(300)

    server.work, answers = work, []
    first = threading.Thread(
        target=lambda: answers.append(ask(server.server_port, "POST", "/invoke"))
    )
    first.start()
    assert started.wait(300)
    assert ask(server.server_port, "GET", "/health")[0] == 200
    busy = (503, {"error": "another case is being worked on"})
    assert ask(server.server_port, "POST", "/invoke") == busy
    go_on.set()
    first.join(300)
    assert answers == [(201, {"status": "Created"})]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/invoke", 404), ("POST", "/health", 404), ("PUT", "/invoke", 501)],
)
def test_anything_else_is_no_redirect(server: Server, method: str, path: str, status: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=300)
    client.request(method, path)
    assert client.getresponse().status == status


def test_models_that_do_not_load_end_the_program() -> None:
    def load() -> Work:
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        serve(load, port=0)
