"""Run our image, or our program, through the real client of BrainLesion/BraTS (package `brats`).

    python test/orchestrate.py ENTRY.yml IMAGE|- CASES OUTPUT

The client lays the cases out, calls the image by its own code and takes what comes back. With `-`
for the image nothing is contained: the client's call of Docker is answered by a process. With GPUS
in the environment the client asks for its GPU 0.
"""

import os
import subprocess
import sys
import tempfile
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """Answers what the client asks of a container."""

    def __init__(self, words: list[str]) -> None:
        self.done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def attach(self, **_: object) -> list[bytes]:
        return self.done.stdout.splitlines()

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.done.returncode}


def run_process(image: str, volumes: dict[str, dict[str, str]], **options: Any) -> Process:
    """Stand in for `client.containers.run` of a year from 2025 on: no arguments, two mounts."""
    if options.get("command") or options["network_mode"] != "none":
        raise ValueError(f"{image}: not called as an image of 2025 or later is, but with {options}")
    places = {mount["bind"]: place for place, mount in volumes.items()}
    device = "auto" if options.get("device_requests") else "cpu"
    words = ["--input", places["/input"], "--output", places["/output"], "--device", device]
    return Process([sys.executable, str(ROOT / "inference.py"), *words])


def main(entry: Path, image: str, cases: Path, output: Path) -> int:
    from brats import AdultGliomaPreAndPostTreatmentSegmenter
    from brats.core import docker, segmentation_algorithms

    if image == "-":
        images = SimpleNamespace(list=lambda name: [name])
        docker.client = SimpleNamespace(images=images, containers=SimpleNamespace(run=run_process))
    content = yaml.safe_load(entry.read_text())
    (key,) = content["algorithms"]
    content["algorithms"][key]["run_args"]["docker_image"] = image
    with tempfile.TemporaryDirectory() as folder:
        meta = Path(folder, entry.name)
        meta.write_text(yaml.safe_dump(content))
        segmentation_algorithms.ADULT_GLIOMA_PRE_AND_POST_TREATMENT_SEGMENTATION_ALGORITHMS = meta
        member = Enum("Ours", {key: key}, type=str)[key]
        segmenter = AdultGliomaPreAndPostTreatmentSegmenter(
            algorithm=member,
            force_cpu=not os.environ.get("GPUS"),
            treatment_timepoint="post",
        )
        segmenter.infer_batch(cases, output, log_file=Path(folder, "log"))
        one = next(path for path in sorted(cases.iterdir()) if path.is_dir())
        scans = {s: one / f"{one.name}-{s}.nii.gz" for s in ("t1c", "t1n", "t2f", "t2w")}
        segmenter.infer_single(
            **scans, output_file=output / f"{one.name}-again.nii.gz", log_file=Path(folder, "log")
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2]), sys.argv[2], *map(Path, sys.argv[3:])))
