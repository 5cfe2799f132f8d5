"""grand-challenge's second contract: GET /health, POST /invoke, on port 4743.

`/health` answers 200 once the models are loaded and 503 before. `/invoke` does one case, input
folder to output folder, and answers 201; whatever goes wrong is answered with 500 and the reason,
and the next case is taken all the same. One case at a time: a second call meanwhile gets 503.
"""

import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = logging.getLogger("podium")

PORT = 4743
PATIENCE_S = 30.0  # for a client that says nothing
LONGEST_BODY = 2**20
Work = Callable[[], None]


class WorkError(RuntimeError):
    """A call could not be done; the message is the answer to the caller."""


class Server(ThreadingHTTPServer):
    """Answers while a case is being worked on; `work` is None until it can be done."""

    daemon_threads = True
    work: Work | None = None

    def __init__(self, port: int) -> None:
        """Listen on a port of every address; 0 takes a free one."""
        super().__init__(("0.0.0.0", port), Handler)
        self.busy = threading.Lock()


def serve(load: Callable[[], Work], port: int = PORT) -> None:
    """Answer until the process is ended; `load` makes ready what `/invoke` calls."""
    with Server(port) as server:
        answering = threading.Thread(target=server.serve_forever, daemon=True)
        answering.start()
        log.info("listening on port %d", server.server_port)
        server.work = load()
        log.info("ready")
        answering.join()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = PATIENCE_S

    def do_GET(self) -> None:  # the base class's name
        """Answer whether a case can be taken."""
        if self.path != "/health":
            self._answer(HTTPStatus.NOT_FOUND, f"no {self.path}, only /health and /invoke")
        elif self.server.work is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "the models are being loaded")
        else:
            self._answer(HTTPStatus.OK, None)

    def do_POST(self) -> None:
        """Do one case."""
        self._skip_body()
        if self.path != "/invoke":
            self._answer(HTTPStatus.NOT_FOUND, f"no {self.path}, only /health and /invoke")
        elif self.server.work is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "the models are being loaded")
        elif not self.server.busy.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "another case is being worked on")
        else:
            try:
                result = _done(self.server.work)
            finally:  # before the answer: who has it may send the next case at once
                self.server.busy.release()
            self._answer(*result)

    def log_message(self, format: str, *args: object) -> None:
        """Log a request as everything else is logged."""
        log.info("%s %s", self.address_string(), format % args)

    def _answer(self, status: HTTPStatus, reason: str | None) -> None:
        body = json.dumps({"status": status.phrase} if reason is None else {"error": reason})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode("ascii"))

    def _skip_body(self) -> None:
        """Read what the caller sends along: closing on unread data would lose the answer."""
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length), LONGEST_BODY) if length.isdecimal() else 0)


def _done(work: Work) -> tuple[HTTPStatus, str | None]:
    try:
        work()
    except WorkError as error:
        return HTTPStatus.INTERNAL_SERVER_ERROR, str(error)
    except Exception as error:  # the next case is to be taken whatever befell this one
        log.exception("a call failed")
        reason = f"{type(error).__name__}: {error}"
        return HTTPStatus.INTERNAL_SERVER_ERROR, reason
    return HTTPStatus.CREATED, None
