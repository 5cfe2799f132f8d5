"""The text of a submission: what this image may be submitted to, and what must be seen to."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# An engine that knows one image: its labels from the environment, its Python the host's.
ENGINE = """#!/usr/bin/env bash
set -eu
case "$1 $2 ${4:-}" in
  "image inspect "*User*)         echo 1000:1000 ;;
  "image inspect "*Architecture*) echo amd64 ;;
  "image inspect "*api-method*)   echo "$METHOD" ;;
  "image inspect "*version*)      echo 1.0 ;;
  "image inspect "*revision*)     echo abc ;;
  "image inspect "*Entrypoint*)   echo '["inference.py"]' ;;
  "image inspect "*Size*)         echo 1000000 ;;
  "image inspect "*)              ;;
  save*) cd "$(mktemp -d)" && echo "[1]" >manifest.json && tar -cf - manifest.json ;;
  run*)
    while [ "$1" != an-image ]; do shift; done
    shift
    if [[ ${2:-} == *torch.version.cuda* ]]; then echo "$CUDA"; else exec python3 "$@"; fi ;;
esac
"""


def export(folder: Path, method: str, cuda: str) -> str:
    engine = folder / "engine"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    facts = {"DOCKER": str(engine), "IMAGE": "an-image", "METHOD": method, "CUDA": cuda}
    done = subprocess.run(
        [ROOT / "export.sh"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | facts | {"DIST": str(folder / "dist"), "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_exec_image_is_for_every_platform_and_its_checklist_says_what_each_asks(
    tmp_path: Path,
) -> None:
    text = export(tmp_path, "exec", "12.6")
    assert "[ ] the phase takes images labelled exec (else ./build.sh --invoke makes" in text
    assert "a phase may refuse exec images, and the platform's templates since July 2026" in text
    assert "12 h for the whole folder, --memory 48g, --shm-size 16g, CUDA at most 13.0" in text
    assert "(2026; an older copy of the rules said 8 h and 32g)" in text
    assert "[x] this image is called so" in text
    assert "[x] CUDA of this image: 12.6, at most 13.0" in text
    assert "[ ] /output is writable by uid 1000: make the folder yourself and chmod a+rwx" in text
    assert "one that Docker makes itself belongs to root" in text


def test_an_invoke_image_is_not_for_synapse(tmp_path: Path) -> None:
    text = export(tmp_path, "invoke", "13.0")
    assert "[ ] the phase takes images labelled invoke (else ./build.sh makes the other" in text
    assert "healthy within 300 s" in text and "a phase may refuse invoke images" in text
    assert "[ ] NOT this image, which would wait for calls" in text


@pytest.mark.parametrize(
    ("cuda", "mark"),
    [("13.0", "[x]"), ("13.1", "[ ]"), ("13.10", "[ ]"), ("9.2", "[x]"), ("none", "[x]")],
)
def test_cuda_is_compared_as_a_version(cuda: str, mark: str) -> None:
    words = f'. ./contracts.sh; if cuda_fits {cuda}; then echo "[x]"; else echo "[ ]"; fi'
    done = subprocess.run(["bash", "-euc", words], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == mark, done.stderr
