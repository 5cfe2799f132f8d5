"""A pass is recorded once a shape, and replayed on the right tensors: with stand-ins for CUDA."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from ensemble import cuda_graphs
from ensemble.cuda_graphs import CaptureError, GraphedForward

CPU = torch.device("cpu")


class StandIns:
    """Torch's graph classes on a CPU: what is captured is run again at each replay."""

    def __init__(self, run: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.run = run
        self.events: list[str] = []
        self.captured: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.pools: list[object] = []
        self.is_capturing = self.breaks = False

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """Be the network."""
        self.events.append(f"{'capture' if self.is_capturing else 'run'} {len(tiles)}")
        logits = self.run(tiles)
        if self.is_capturing:
            self.captured.append((tiles, logits))
        return logits

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_ins = self

        class Graph:
            def __init__(self) -> None:
                self.number = len(stand_ins.captured)

            def replay(self) -> None:
                tiles, logits = stand_ins.captured[self.number]
                stand_ins.events.append(f"replay {len(tiles)}")
                logits.copy_(stand_ins.run(tiles))

        class Stream:
            def __init__(self, name: object) -> None:
                self.name = name if isinstance(name, str) else "side"

            def wait_stream(self, other: "Stream") -> None:
                stand_ins.events.append(f"{self.name} waits for {other.name}")

        @contextmanager
        def graph(graph: Graph, pool: object, capture_error_mode: str) -> Iterator[None]:
            stand_ins.pools.append(pool)
            assert capture_error_mode == "thread_local"
            stand_ins.is_capturing = True
            try:
                yield
            finally:
                stand_ins.is_capturing = False
                if stand_ins.breaks:
                    raise RuntimeError("operation failed due to a previous error during capture")

        @contextmanager
        def stream(entered: Stream) -> Iterator[None]:
            stand_ins.events.append(f"on {entered.name}")
            try:
                yield
            finally:
                stand_ins.events.append(f"off {entered.name}")

        handles = iter(range(99))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "graph", graph)
        monkeypatch.setattr(torch.cuda, "stream", stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("main"))
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
        cuda_graphs.memory_pool.cache_clear()


def doubled(tiles: torch.Tensor) -> torch.Tensor:
    return tiles * 2


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIns]:
    made = StandIns(doubled)
    made.put_in_place(monkeypatch)
    yield made
    cuda_graphs.memory_pool.cache_clear()


def test_a_shape_is_captured_at_its_first_call_and_never_again(stand_ins: StandIns) -> None:
    forward = GraphedForward("graphs", stand_ins, CPU)
    for value, n in ((1.0, 2), (3.0, 2), (5.0, 1), (7.0, 2), (9.0, 1)):
        logits = forward(torch.full((n, 1, 2, 2, 2), value))
        assert logits.shape == (n, 1, 2, 2, 2)
        assert (logits == 2 * value).all()
    assert [event for event in stand_ins.events if event[:3] in ("cap", "rep")] == [
        *("capture 2", "replay 2", "replay 2"),
        *("capture 1", "replay 1", "replay 2", "replay 1"),
    ]


def test_it_is_warmed_up_on_a_side_stream_before_it_is_captured(stand_ins: StandIns) -> None:
    GraphedForward("graphs", stand_ins, CPU)(torch.ones(1, 1, 2, 2, 2))
    assert stand_ins.events == [
        "on main",
        "side waits for main",
        "on side",
        *["run 1"] * 3,
        "off side",
        "main waits for side",
        "capture 1",
        "off main",
        "replay 1",
    ]


def test_replays_read_and_write_the_captured_tensors(stand_ins: StandIns) -> None:
    forward = GraphedForward("graphs", stand_ins, CPU)
    tiles = torch.ones(1, 1, 2, 2, 2)
    logits = forward(tiles)
    static, written = stand_ins.captured[0]
    assert logits is written
    assert static.data_ptr() != tiles.data_ptr()  # a caller's tensor may be freed
    tiles.fill_(8)
    assert (static == 1).all()
    assert forward(tiles) is written
    assert (written == 16).all()


def test_all_captures_of_a_process_share_one_pool(stand_ins: StandIns) -> None:
    first, second = (GraphedForward("graphs", stand_ins, CPU) for _ in range(2))
    for forward in (first, second):
        forward(torch.ones(1, 1, 2, 2, 2))
        forward(torch.ones(2, 1, 2, 2, 2))
    assert stand_ins.pools == [0, 0, 0, 0]


def test_tiles_may_have_any_layout_and_inference_mode_may_come_and_go(stand_ins: StandIns) -> None:
    forward = GraphedForward("graphs", stand_ins, CPU)
    tiles = torch.arange(48.0).reshape(2, 3, 2, 2, 2)
    with torch.inference_mode():
        forward(tiles.contiguous(memory_format=torch.channels_last_3d))
    assert stand_ins.captured[0][0].is_contiguous()
    assert torch.equal(forward(tiles + 1), 2 * tiles + 2)


def test_a_capture_that_fails_names_backend_and_shape(stand_ins: StandIns) -> None:
    def fail(tiles: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("operation not permitted when stream is capturing")

    stand_ins.run = fail
    forward = GraphedForward("fused-graphs", stand_ins, CPU)
    with pytest.raises(CaptureError, match=r"backend fused-graphs: tiles of 1x1x2x2x2.*not perm"):
        forward(torch.ones(1, 1, 2, 2, 2))
    assert issubclass(CaptureError, RuntimeError)
    stand_ins.run = doubled  # and it may be tried again
    assert (forward(torch.ones(1, 1, 2, 2, 2)) == 2).all()


def test_a_lack_of_memory_stays_a_lack_of_memory(stand_ins: StandIns) -> None:
    """The engine makes room and tries again."""

    def fail(tiles: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    stand_ins.run = fail
    with pytest.raises(torch.OutOfMemoryError, match="backend graphs: tiles of 1x1x2x2x2"):
        GraphedForward("graphs", stand_ins, CPU)(torch.ones(1, 1, 2, 2, 2))


def test_the_first_error_is_named_and_the_stream_set_back(stand_ins: StandIns) -> None:
    """Torch ends a broken capture with an error of its own, and leaves its stream the current."""

    def fail(tiles: torch.Tensor) -> torch.Tensor:
        if stand_ins.is_capturing:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return tiles

    stand_ins.run, stand_ins.breaks = fail, True
    with pytest.raises(torch.OutOfMemoryError, match=r"captured .CUDA out of memory"):
        GraphedForward("graphs", stand_ins, CPU)(torch.ones(1, 1, 2, 2, 2))
    assert stand_ins.events[-1] == "off main"


def test_torch_has_what_the_stand_ins_stand_for() -> None:
    assert {"cuda_graph", "pool", "capture_error_mode"} <= set(
        inspect.signature(torch.cuda.graph).parameters
    )
    for name in ("CUDAGraph", "Stream", "stream", "current_stream", "graph_pool_handle"):
        assert hasattr(torch.cuda, name)
