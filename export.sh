#!/usr/bin/env bash
# Export what is submitted: the image and, apart from it, the weights. Checks both against the platforms' rules.
#
# From the environment: DOCKER, IMAGE (default: what build.sh would build, and builds if it is missing),
# DIST (folder, default dist), COMPRESS (default gzip; pigz is faster where there is one). GNU tar is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=contracts.sh
. ./contracts.sh
docker=${DOCKER:-docker}
image=${IMAGE:-$(./build.sh --name)}
dist=${DIST:-dist}
compress=${COMPRESS:-gzip}
limit=$GRAND_CHALLENGE_IMAGE_BYTES # grand-challenge takes no larger image
fail() { echo "export: $*" >&2; exit 1; }

if [[ -z ${IMAGE:-} && $image =~ -(dirty|nogit)(-invoke)?$ ]] || ! "$docker" image inspect "$image" >/dev/null 2>&1; then
  ./build.sh
fi
inspect() { "$docker" image inspect --format "$1" "$image"; }
# in_image ARGUMENT...: the image's own Python, because the host may have none
in_image() { "$docker" run --rm --interactive --network none --entrypoint /opt/venv/bin/python "$image" "$@"; }

user=$(inspect '{{.Config.User}}')
[[ $user =~ ^[1-9] ]] || fail "the image's user is '$user'; root is refused"
architecture=$(inspect '{{.Architecture}}')
[ "$architecture" = amd64 ] || fail "the image is for $architecture, not amd64"
method=$(inspect '{{index .Config.Labels "org.grand-challenge.api-method"}}')
[[ $method =~ ^(exec|invoke)$ ]] || fail "label org.grand-challenge.api-method is '$method', neither exec nor invoke"
version=$(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}')
revision=$(inspect '{{index .Config.Labels "org.opencontainers.image.revision"}}')
entrypoint=$(inspect '{{json .Config.Entrypoint}}')
cuda=$(in_image -c 'import torch; print(torch.version.cuda or "none")')

mkdir -p "$dist"
release=podium-$version-$revision
called=$([ "$method" = exec ] || echo "-$method")
image_file=$dist/$release$called-image.tar.gz
weights_file=$dist/$release-weights.tar.gz
trap 'rm -f "$image_file.part" "$weights_file.part"' EXIT

"$docker" save "$image" | $compress -c >"$image_file.part"
bytes=$(stat -c %s "$image_file.part")
[ "$bytes" -lt "$limit" ] || fail "the image archive has $bytes bytes, the limit is $limit"
images=$(tar -xzOf "$image_file.part" manifest.json | in_image -c 'import json, sys; print(len(json.load(sys.stdin)))')
[ "$images" = 1 ] || fail "the archive holds $images images; exactly one is taken"
mv "$image_file.part" "$image_file"

# Same weights, same archive, same sha256: nothing of owners and times goes in.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=a+rX,u+w --exclude=__pycache__ -C weights -cf - . \
  | gzip -n >"$weights_file.part"
# As grand-challenge unpacks it: Python's `data` filter refuses absolute paths, "..", devices and links that lead out.
for python in in_image python3; do # a base older than Python 3.11.4 has no such filter
  "$python" -c 'import tarfile; tarfile.data_filter' 2>/dev/null && break
done
"$python" -c '
import pathlib, sys, tarfile, tempfile
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|gz") as archive:
        archive.extractall(folder, filter="data")
    manifests = list(pathlib.Path(folder).rglob("MANIFEST.json"))
sys.exit(0 if manifests else "export: the weights archive holds no MANIFEST.json")
' <"$weights_file.part"
mv "$weights_file.part" "$weights_file"

# mark COMMAND...: ticked where the command agrees
mark() { if "$@"; then echo "[x]"; else echo "[ ]"; fi; }
if [ "$method" = exec ]; then
  this=grand-challenge other="./build.sh --invoke makes the other image"
  synapse="this image is called so"
else
  this=grand-challenge-invoke other="./build.sh makes the other image"
  synapse="NOT this image, which would wait for calls: ./build.sh, and export that one"
fi

size() { echo "$(($(stat -c %s "$1") / 1000000)) MB"; }
echo
(cd "$dist" && sha256sum "$(basename "$image_file")" "$(basename "$weights_file")") | tee "$dist/$release$called.sha256"
cat <<EOF

$image: $version, commit $revision

checked here
  [x] user $user, not root
  [x] $architecture
  [x] label org.grand-challenge.api-method=$method; entry point $entrypoint
  [x] image archive: one image, $(size "$image_file") < $((limit / 1000000)) MB ($(($(inspect '{{.Size}}') / 1000000)) MB unpacked)
  [x] weights archive: unpacks with Python's data filter, $(size "$weights_file")

before either submission
  [ ] ./test/run_container.sh passed on this image: no network, read-only root, no capabilities, foreign uid
  [ ] ./test/rehearse.sh passed on this image, its checklist is beside the submission
  [ ] GPUS=all ./test/run_container.sh and rehearse.sh passed on a machine with a GPU
  [ ] the commit above has no "-dirty" and is pushed and tagged
  [ ] the weights are the ones meant: weights/*/MANIFEST.json

grand-challenge (PANTHER)
  [ ] the phase takes images labelled $method (else $other);
      $(contract "$this")
  [ ] Algorithm > Containers: upload $(basename "$image_file"); wait for "active"
      (an image or model whose sha256 was uploaded before is refused)
  [ ] Algorithm > Models: upload $(basename "$weights_file") (unpacked to /opt/ml/model; it wins over the image's own)
  [ ] inputs and outputs of the algorithm are those of the task; one image serves both tasks
  [ ] try it out on one scan, with the phase's GPU and memory; look at the result, not only at the status
  [ ] submit to the phase: an upload alone submits nothing, and the closed phase takes one submission a team

Synapse (BraTS) and the BrainLesion orchestrator
  Synapse: $(contract synapse)
  orchestrator: $(contract orchestrator)
  $(mark [ "$method" = exec ]) $synapse
  $(mark cuda_fits "$cuda") CUDA of this image: $cuda, at most $BRATS_MOST_CUDA (else TORCH=cuda12 ./build.sh)
  [ ] $(writable_output)
  [ ] the weights must be in the image: neither mounts any
  [ ] docker load; docker tag $image <Synapse registry>/<project>/podium:$version; docker push
  [ ] the platform calls the image without arguments: -v IN:/input -v OUT:/output --network none; run it just so
  [ ] output: one <ID>.nii.gz a case and nothing else
  [ ] submit to one docker track only, early or standard, not both; the queue does not run the image
  [ ] orchestrator: image public, one YAML entry (year 2025 or later, no requires_root), one enum member
EOF
