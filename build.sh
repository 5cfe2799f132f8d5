#!/usr/bin/env bash
# Build the image.
#
#   ./build.sh [--invoke]           builds podium:<version>-<commit>; further arguments go to the engine's build command
#   ./build.sh [--invoke] --name    prints that name and builds nothing
#
# --invoke: the image that grand-challenge calls over HTTP, podium:<version>-<commit>-invoke.
# From the environment: DOCKER (the engine, default docker), IMAGE (another name), BASE_IMAGE, and TORCH: cuda12
# (default), cuda13 (Blackwell cards, driver 580 or later) or cpu (needs PyTorch's CPU index).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
docker=${DOCKER:-docker}
export DOCKER_BUILDKIT=1 # before Docker 23 the secret mounts need to be asked for

in_image=(Dockerfile .dockerignore pyproject.toml requirements.txt requirements-cuda12.txt requirements-cuda13.txt
          requirements.lock
          LICENSE inference.py challenge ensemble postprocess weights)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
if commit=$(git rev-parse --short=12 HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain -- "${in_image[@]}")" ] || commit+=-dirty
else
  commit=nogit
fi
method=exec
if [ "${1:-}" = --invoke ]; then
  method=invoke
  commit+=-invoke
  shift
fi
image=${IMAGE:-podium:$version-$commit}
if [ "${1:-}" = --name ]; then
  echo "$image"
  exit
fi

"$docker" build --platform linux/amd64 --target "$method" --tag "$image" \
  ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} --build-arg "TORCH=${TORCH:-cuda12}" \
  --build-arg "VERSION=$version" --build-arg "REVISION=${commit%-invoke}" "$@" .
bytes=$("$docker" image inspect --format '{{.Size}}' "$image")
echo "built $image, $((bytes / 1000000)) MB"
