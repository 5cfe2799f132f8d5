"""The program as a server: call after call, until it is ended."""

import contextlib
import http.client
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import files
import pytest

import inference


class Server:
    """The program as a server, in a separate process."""

    def __init__(self, folder: Path, weights: Path) -> None:
        for name in ("in", "out"):
            (folder / name).mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        flags = ["--input", folder / "in", "--output", folder / "out", "--weights", weights]
        words = ["serve", "--port", str(self.port), "--device", "cpu", *map(str, flags)]
        self.process = subprocess.Popen([sys.executable, inference.__file__, *words])

    def request(self, method: str, path: str) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        client.request(method, path)
        response = client.getresponse()
        return response.status, response.read().decode()

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError):
                if self.request("GET", "/health")[0] == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError("never healthy")


@pytest.fixture
def server(tmp_path: Path, weights: Path) -> Iterator[Server]:
    server = Server(tmp_path, weights)
    yield server
    server.process.kill()
    server.process.wait()


def test_calls_one_after_the_other_leave_no_trace(tmp_path: Path, server: Server) -> None:
    """Both tasks, a broken case between, the first one again: the same bytes."""
    server.wait_until_healthy()
    outputs = []
    for slug in ("abdominal-t1-mri", "abdominal-t2-mri", None, "abdominal-t1-mri"):
        for name in ("in", "out"):
            shutil.rmtree(tmp_path / name)
            (tmp_path / name).mkdir()
        if slug:
            files.write_panther_case(tmp_path / "in", slug)
        status, body = server.request("POST", "/invoke")
        assert status == (201 if slug else 500), body
        outputs.append(b"".join(path.read_bytes() for path in tmp_path.glob("out/*/*/*")))
        assert slug or "no case found" in body
    assert outputs[0] == outputs[3] != outputs[1]
    assert outputs[2] == b""
    server.process.terminate()
    assert server.process.wait(5) == 143


def test_without_a_model_for_a_socket_calls_answer_a_brats_folder(
    tmp_path: Path, weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path, weights / "gli")
    try:
        server.wait_until_healthy()
        files.write_brats_case(tmp_path / "in" / files.GLI[0], files.GLI[0])
        assert server.request("POST", "/invoke")[0] == 201
    finally:
        server.process.kill()
        server.process.wait()
    assert files.written(tmp_path / "out") == [f"{files.GLI[0]}.nii.gz"]
    line = f"{weights / 'gli'}: no model for a socket; a call answers a BraTS folder"
    assert line in capfd.readouterr().out


def test_a_server_without_any_model_ends_and_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights").mkdir()
    server = Server(tmp_path, tmp_path / "weights")
    assert server.process.wait(60) == 2
    assert f"{tmp_path / 'weights'}: no " in capfd.readouterr().err


def test_ctrl_c_is_one_line_and_130(
    tmp_path: Path, weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path, weights / "t1")
    server.wait_until_healthy()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 130
    message = capfd.readouterr().err
    assert "Traceback" not in message
    assert message.splitlines()[-1] == (
        "interrupted; label files that are there are whole; the same command runs again from the "
        "first case"
    )
