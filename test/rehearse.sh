#!/usr/bin/env bash
# Rehearse a submission the way each platform is documented to run it, and print a checklist to paste.
#
#   test/rehearse.sh [PLATFORM] [CASES]
#
# PLATFORM  grand-challenge, grand-challenge-invoke, synapse, orchestrator; default: all four
# CASES     a BraTS folder (synapse, orchestrator), or a folder of grand-challenge inputs, one a case, each with
#           images/<socket>/*.mha and perhaps <socket>.json; default: the sample cases, one folder a challenge, under SAMPLES
#
# From the environment: DOCKER (docker, podman, or none: the program as a process, contained as far as this machine lets
# it), IMAGE, IMAGE_INVOKE (default: what build.sh would build, and builds if missing), GPUS=all (run on a GPU; one more
# run a platform writes a run record, and its line is ticked only if every network ran on a GPU), MEMORY_GIB (default 8,
# of grand-challenge's sandbox), SAMPLES (default test/input), MODEL=dir (weights, mounted where grand-challenge puts them),
# TIME_LIMIT_S (of one call; default: the case's challenge's, else the platform's, from challenge/limits.env), PYTHON (for `none` and `orchestrator`: with requirements.txt and test/requirements.txt installed).
# Exit code 0 only if every line of the checklist is ticked, but for those with [-], which cannot be tried here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=contracts.sh
. ./contracts.sh
all=(grand-challenge grand-challenge-invoke synapse orchestrator)
platforms=("${all[@]}")
if [ $# -gt 0 ] && [[ " ${all[*]} " == *" $1 "* ]]; then
  platforms=("$1")
  shift
fi
cases=${1:+$(realpath "$1")}
samples=$(realpath "${SAMPLES:-test/input}")
brats=${cases:-$samples/brats}
docker=${DOCKER:-docker}
"$docker" version >/dev/null 2>&1 || docker=none
# shellcheck source=test/gpu.sh
. test/gpu.sh
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}
memory_gib=${MEMORY_GIB:-8}
memory_bytes=$((memory_gib * 1024 * 1024 * 1024))
foreign=4242 # a uid that no image and no machine knows

scratch=$(mktemp -d)
chmod 755 "$scratch"
name=rehearsal-$$
server=
cleanup() {
  set +e
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null
  [ ! -e "$scratch/engine.pid" ] || kill "$(cat "$scratch/engine.pid")" 2>/dev/null
  if [ "$docker" != none ]; then
    "$docker" rm --force "$name" >/dev/null 2>&1
    # what the container wrote belongs to the container's user; the container gives it back
    "$docker" run --rm --network none --user 0 --entrypoint chmod -v "$scratch:/scratch" "$image" \
      -R a+rwX /scratch >/dev/null 2>&1
  fi
  rm -rf "$scratch"
}
trap cleanup EXIT

checklist=()
failed=0
tick() { # tick WHAT COMMAND...: one line of the checklist; the reason comes from the command's last line
  local what=$1 start=$EPOCHREALTIME said mark=x
  shift
  if ! said=$("$@" 2>"$scratch/stderr"); then
    mark=" "
    failed=1
    said="$said $(tail -n 3 "$scratch/stderr")"
  fi
  said=$(echo "$said" | tail -n 4 | tr '\n' ' ' | sed 's/ *$//')
  checklist+=("  [$mark] $what${said:+: $said}, $(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $start }") s")
  echo "${checklist[-1]}"
}

# ---- how the program is run: in a container, or as a process ----

image=${IMAGE:-$(./build.sh --name)}
image_invoke=${IMAGE_INVOKE:-$(./build.sh --invoke --name)}
if [ "$docker" != none ]; then
  for each in "$image" "$image_invoke"; do
    "$docker" image inspect "$each" >/dev/null 2>&1 && continue
    if [ "$each" = "$image" ]; then ./build.sh; else ./build.sh --invoke; fi
  done
fi

# The sandbox of grand-challenge, and beyond: a read-only root, no capability, an unknown user, an empty /tmp, little
# shared memory, and memory limited twice, by the control group and by RLIMIT_DATA.
#
# RLIMIT_DATA counts private writable mappings (Linux since 4.7). The address space that CUDA reserves at its start is
# not writable, and what it maps of /dev/nvidia* is shared, so neither should count. That has not been tried: with GPUS
# only one run, with a line of its own, is under this limit.
data_limit=(--ulimit "data=$memory_bytes:$memory_bytes")
data_limit_of_process=(prlimit "--data=$memory_bytes")
sandbox=(--network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --pids-limit 256
         --shm-size 16m --user "$foreign:$foreign" --memory "${memory_gib}g" --memory-swap "${memory_gib}g"
         --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 "${gpu_options[@]}")
[ -n "${GPUS:-}" ] || sandbox+=("${data_limit[@]}")
more_mounts=()    # of a run that writes a run record, see `recorded`
more_arguments=()
model_arguments=() # of a process, which has no mount
port=4743 # of the contract; processes share this machine's ports, and take one that is free
[ "$docker" != none ] || port=$("$python" -c "import socket
with socket.create_server(('127.0.0.1', 0)) as server: print(server.getsockname()[1])")
if [ -n "${MODEL:-}" ]; then
  model=$(realpath "$MODEL")
  if [ "$docker" = none ]; then model_arguments=(--weights "$model"); else sandbox+=(-v "$model:/opt/ml/model:ro"); fi
fi

# As a process: without network, under another uid, with RLIMIT_DATA and nothing of this environment, as far as
# this machine allows; `contained` says how far.
contained=()
netless=()
mkdir -m 1777 "$scratch/tmp"
prefix=(env -i "PATH=$PATH" HOME=/tmp "TMPDIR=$scratch/tmp" LANG=C.UTF-8 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1099511627776)
prepare_process() {
  local try=("${prefix[@]}")
  if [ -z "${GPUS:-}" ]; then
    try+=("${data_limit_of_process[@]}")
    contained+=("RLIMIT_DATA $memory_gib GiB")
  fi
  if unshare --net true 2>/dev/null; then
    netless=(unshare --net)
    contained+=("no network")
  fi
  local other=(setpriv --reuid "$foreign" --regid "$foreign" --clear-groups)
  if "${try[@]}" "${other[@]}" "$python" -c 'import torch, nibabel' >/dev/null 2>&1 \
    && "${try[@]}" "${other[@]}" cat inference.py >/dev/null 2>&1; then
    try+=("${other[@]}")
    contained+=("uid $foreign")
  fi
  prefix=("${try[@]}")
}

# run_sandboxed DATA LINK OUTPUT: one process for one folder, within the time limit
run_sandboxed() {
  if [ "$docker" = none ]; then
    timeout --kill-after 5 "$limit_s" "${netless[@]}" "${prefix[@]}" "$python" "$PWD/inference.py" --input "$2" --output "$3" \
      "${model_arguments[@]}" "${more_arguments[@]}"
  else
    timeout --kill-after 5 "$limit_s" "$docker" run --rm "${sandbox[@]}" -v "$1:/opt/ml/input/data:ro" -v "$2:/input:ro" \
      -v "$3:/output" "${more_mounts[@]}" "$image" "${more_arguments[@]}"
  fi
}

# in_image COMMAND...: the Python of the image with the tests beside it, because the host may have none
in_image() {
  if [ "$docker" = none ]; then
    "$python" "$@"
  else
    "$docker" run --rm --network none --user 0 --entrypoint /opt/venv/bin/python -v "$PWD/lab:/opt/app/lab:ro" \
      -v "$PWD/test:/opt/app/test:ro" -v "$scratch:$scratch" -v "$brats:$brats:ro" "$image" "$@"
  fi
}

accepted() { # accepted RULES PLATFORM INPUT OUTPUT: the rules of the platform, then ours, which are stricter
  in_image test/platform_rules.py "$1" "$3" "$4" && in_image -m lab check --platform "$2" --input "$3" --output "$4"
}

# recorded COMMAND...: the run once more, with a run record; passes if every network ran on a GPU
recorded() {
  local record=$scratch/record
  fresh_output
  in_image -c "import shutil; shutil.rmtree('$record', ignore_errors=True)"
  mkdir -m 777 "$record"
  if [ "$docker" = none ]; then
    more_arguments=(--record "$record/run.json")
  else
    more_mounts=(-v "$record:/record")
    more_arguments=(--record /record/run.json)
  fi
  "$@" >"$scratch/stdout" || echo "exit code $?;"
  in_image test/gpu_record.py "$record/run.json"
}

# with_data_limit COMMAND...: under RLIMIT_DATA
with_data_limit() {
  sandbox+=("${data_limit[@]}")
  prefix+=("${data_limit_of_process[@]}")
  "$@"
}

fresh_output() {
  rm -rf "$scratch/out" 2>/dev/null || in_image -c "import shutil; shutil.rmtree('$scratch/out')"
  mkdir "$scratch/out"
  chmod 777 "$scratch/out" # the program's user owns nothing here
}

# ---- grand-challenge ----

# stage INPUT KEY: a case as the platform lays it out. Its files are read-only and reached through links; inputs.json
# speaks the new key, the old one, or both, and names every image's folder and every JSON file.
stage() {
  local path entries=()
  rm -rf "$scratch/data" "$scratch/link"
  mkdir -p "$scratch/data/case" "$scratch/link"
  cp -rL "$1/images" "$scratch/data/case/images"
  for path in "$1"/images/*/; do entries+=("$(entry "$2" "$(basename "$path")" "images/$(basename "$path")")"); done
  for path in "$1"/*.json; do
    if [ ! -e "$path" ] || [ "$(basename "$path")" = inputs.json ]; then continue; fi
    cp -L "$path" "$scratch/data/case/"
    entries+=("$(entry "$2" "$(basename "$path" .json)" "$(basename "$path")")")
  done
  (IFS=,; echo "[${entries[*]}]") >"$scratch/data/case/inputs.json"
  chmod -R a+rX,a-w "$scratch/data/case"
  if [ "$docker" = none ]; then
    rmdir "$scratch/link"
    ln -s "$scratch/data/case" "$scratch/link"
  else
    for path in "$scratch/data/case"/*; do ln -s "/opt/ml/input/data/case/$(basename "$path")" "$scratch/link/"; done
  fi
}

entry() { # entry KEY SLUG PATH: one row of inputs.json
  local socket="{\"slug\": \"$2\", \"relative_path\": \"$3\"}" other=null
  [ "$1" != both ] || other=$socket
  case $1 in
    interface) echo "{\"socket\": null, \"interface\": $socket, \"value\": null, \"file\": null, \"pk\": 1, \"image\": null}" ;;
    *)         echo "{\"socket\": $socket, \"interface\": $other, \"value\": null, \"file\": null, \"pk\": 1, \"image\": null}" ;;
  esac
}

# case_limit_s: what the staged case's challenge allows
case_limit_s() {
  [ -n "${TIME_LIMIT_S:-}" ] && echo "$TIME_LIMIT_S" && return
  in_image -c "import sys; from pathlib import Path; from challenge.platforms import find_cases
print(int(find_cases(Path(sys.argv[1])).time_limit_s))" "$scratch/data/case" 2>/dev/null || echo "$GRAND_CHALLENGE_TIME_S"
}

unstage() { chmod -R u+w "$scratch/data" 2>/dev/null || true; }

gc_cases() {
  if [ -z "$cases" ]; then
    echo "$samples"/panther-*/
  elif [ -d "$cases/images" ]; then
    echo "$cases"
  else
    echo "$cases"/*/
  fi
}

one_call() { # one_call KEY
  run_sandboxed "$scratch/data" "$scratch/link" "$scratch/out" >"$scratch/stdout" && grep -v '^$' "$scratch/stdout" | tail -n 1
}

grand_challenge() {
  local each key
  for each in $(gc_cases); do
    for key in socket interface both; do
      stage "$each" "$key"
      limit_s=$(case_limit_s)
      fresh_output
      tick "$(basename "$each"), inputs.json with $key" one_call
      tick "$(basename "$each"), accepted" accepted grand-challenge grand-challenge "$scratch/data/case" "$scratch/out"
      unstage
    done
  done
  if [ -n "${GPUS:-}" ]; then
    stage "$each" socket
    tick "$(basename "$each"), on the GPU" recorded one_call
    tick "$(basename "$each"), on the GPU with RLIMIT_DATA $memory_gib GiB, which the platform sets to the memory asked for" \
      with_data_limit recorded one_call
    unstage
  fi
}

ask() { # ask METHOD PATH: status and body, from inside, since there is no network
  local code="import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', $port, timeout=10 if sys.argv[1] == 'GET' else $limit_s)
c.request(*sys.argv[1:]); r = c.getresponse(); print(r.status, r.read().decode())"
  if [ "$docker" = none ]; then
    "$python" -c "$code" "$@"
  else
    "$docker" exec "$name" /opt/venv/bin/python -c "$code" "$@"
  fi
}

answers() { # answers STATUS METHOD PATH
  local said
  said=$(ask "$2" "$3") || return 1
  echo "$said"
  [[ $said == $1* ]]
}

healthy() { # within what the platform gives start and loading together
  local until=$((SECONDS + GRAND_CHALLENGE_HEALTH_S)) said
  while [ $SECONDS -lt $until ]; do
    if said=$(answers 200 GET /health 2>/dev/null); then echo "$said"; return; fi
    sleep 0.3
  done
  return 1
}

start_server() { # the label comes first: without it the platform would call the image in the other way
  if [ "$docker" = none ]; then
    "${prefix[@]}" "$python" "$PWD/inference.py" serve --port "$port" --input "$scratch/in" --output "$scratch/out" \
      "${model_arguments[@]}" "${more_arguments[@]}" >"$scratch/log" 2>&1 &
    server=$!
  else
    [ "$("$docker" image inspect --format '{{index .Config.Labels "org.grand-challenge.api-method"}}' "$image_invoke")" = invoke ] \
      && "$docker" run --detach --name "$name" "${sandbox[@]}" -v "$scratch/in:/input:ro" -v "$scratch/out:/output" \
      "${more_mounts[@]}" "$image_invoke" ${more_arguments[@]:+serve "${more_arguments[@]}"} >/dev/null
  fi
}

stop_server() { # SIGTERM; gone within 5 s
  local until=$((SECONDS + 5))
  if [ "$docker" = none ]; then kill -TERM "$server"; else "$docker" kill --signal TERM "$name" >/dev/null; fi
  while serving; do
    [ $SECONDS -le $until ] || return 1
    sleep 0.1
  done
  if [ "$docker" = none ]; then server=; else "$docker" rm --force "$name" >/dev/null; fi
}

serving() {
  if [ "$docker" = none ]; then
    kill -0 "$server" 2>/dev/null
  else
    [ "$("$docker" inspect --format '{{.State.Running}}' "$name")" = true ]
  fi
}

# empty FOLDER: as the platform does between two cases; the folder itself stays, it is mounted
empty() { in_image -c "
import pathlib, shutil
for path in pathlib.Path('$1').iterdir():
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()"; }

serve_one_call() { # a server of its own
  local code=0
  { start_server && healthy && answers 201 POST /invoke; } || code=$?
  stop_server || true
  return $code
}

grand_challenge_invoke() {
  local each
  mkdir "$scratch/in"
  fresh_output
  if ! start_server; then
    checklist+=("  [ ] the server did not start")
    failed=1
    return
  fi
  tick "start and health within $GRAND_CHALLENGE_HEALTH_S s" healthy
  for each in $(gc_cases); do
    stage "$each" socket
    limit_s=$(case_limit_s)
    empty "$scratch/in"
    empty "$scratch/out"
    cp -r "$scratch/data/case/." "$scratch/in/"
    tick "$(basename "$each"), called" answers 201 POST /invoke
    tick "$(basename "$each"), accepted" accepted grand-challenge grand-challenge "$scratch/data/case" "$scratch/out"
    unstage
  done
  empty "$scratch/in"
  tick "a call without a case is refused with a reason" answers 500 POST /invoke
  tick "and the process lives on" answers 200 GET /health
  tick "SIGTERM ends it within 5 s" stop_server
  if [ -n "${GPUS:-}" ]; then
    stage "$each" socket
    cp -r "$scratch/data/case/." "$scratch/in/"
    tick "$(basename "$each"), on the GPU" recorded serve_one_call
    unstage
  fi
}

# ---- Synapse and the BrainLesion orchestrator ----

run_as_synapse() { # run_as_synapse OUTPUT: the user of the image, /input read-only, no argument
  if [ "$docker" = none ]; then
    run_sandboxed - "$brats" "$1"
  else
    timeout --kill-after 5 "$limit_s" "$docker" run --rm --network none "${gpu_options[@]}" \
      -v "$brats:/input:ro" -v "$1:/output:rw" "${more_mounts[@]}" --memory "$BRATS_MEMORY" --shm-size "$BRATS_SHM" \
      "$image" "${more_arguments[@]}"
  fi
}

synapse_call() {
  run_as_synapse "$scratch/out" >"$scratch/stdout"
  tail -n 1 "$scratch/stdout"
}

cuda_of_image() {
  local version
  version=$(in_image -c 'import torch; print(torch.version.cuda or "none")') || return 1
  echo "CUDA $version"
  cuda_fits "$version"
}

refused_output() { # an /output that the program's user may not write to: exit code 2, and what to do is said
  local code=0
  mkdir -m 555 "$scratch/theirs"
  run_as_synapse "$scratch/theirs" >"$scratch/stdout" 2>"$scratch/said" || code=$?
  echo "exit code $code: $(tail -n 1 "$scratch/said")"
  [ "$code" = 2 ] && grep -q 'not writable by uid .*chmod a+rwx' "$scratch/said"
}

synapse() {
  tick "CUDA at most $BRATS_MOST_CUDA" cuda_of_image
  if [ "$docker" = none ] && [ "$(id -u)" = 0 ] && [[ " ${contained[*]} " != *" uid $foreign "* ]]; then
    checklist+=("  [-] not tried: an /output that may not be written to, since root writes anywhere")
  else
    tick "an /output that may not be written to" refused_output
  fi
  fresh_output
  tick "$(basename "$brats"), called" synapse_call
  tick "$(basename "$brats"), accepted" accepted synapse brats "$brats" "$scratch/out"
  [ -z "${GPUS:-}" ] || tick "$(basename "$brats"), on the GPU" recorded synapse_call
}

orchestrate() { # the client calls the image, through the engine's socket
  local ours=$image
  if [ "$docker" = none ]; then
    ours=-
  elif [[ $("$docker" version 2>/dev/null) == *[Pp]odman* ]]; then
    "$docker" system service --time 0 "unix://$scratch/engine.sock" >/dev/null 2>&1 &
    echo $! >"$scratch/engine.pid" # a tick's shell is not ours: its variables are lost
    export DOCKER_HOST=unix://$scratch/engine.sock
    # The socket is there before anybody listens.
    timeout 60 sh -c 'until "$0" -c "import docker; docker.from_env().ping()" 2>/dev/null; do sleep 0.2; done' "$python"
  fi
  PYTHONPATH=. "$python" test/orchestrate.py docs/orchestrator/*.yml "$ours" "$brats" "$scratch/out" >"$scratch/stdout"
  in_image test/platform_rules.py orchestrator "$brats" "$scratch/out" && ls "$scratch/out"
}

run_as_client() { # as the client calls the image, with arguments, which it has none of
  if [ "$docker" = none ]; then
    run_sandboxed - "$brats" "$scratch/out"
  else
    timeout --kill-after 5 "$limit_s" "$docker" run --rm --network none --user "$(id -u):$(id -g)" "${gpu_options[@]}" \
      -v "$brats:/input:ro" -v "$scratch/out:/output" "${more_mounts[@]}" "$image" "${more_arguments[@]}"
  fi
}

orchestrator() {
  fresh_output
  if "$python" -c 'import brats' >/dev/null 2>&1; then
    tick "$(basename "$brats"), folder and single case by the client" orchestrate
    [ -z "${GPUS:-}" ] || tick "$(basename "$brats"), on the GPU" recorded run_as_client
  else
    checklist+=("  [ ] not rehearsed: $python has no package brats (pip install -r test/requirements.txt)")
    failed=1
  fi
}

if [ "$docker" = none ]; then
  prepare_process
  how="no engine, a process with $(IFS=,; echo "${contained[*]}" | sed 's/,/, /g')"
else
  how="$("$docker" --version), $image"
fi
for platform in "${platforms[@]}"; do
  case $platform in
    grand-challenge*) limit_s=${TIME_LIMIT_S:-$GRAND_CHALLENGE_TIME_S} ;;
    *)                limit_s=${TIME_LIMIT_S:-$BRATS_TIME_S} ;;
  esac
  checklist+=("" "$platform: $(contract "$platform")")
  if [ -n "${GPUS:-}" ]; then checklist+=("  GPUS=$GPUS: no RLIMIT_DATA, except in a line that names it"); fi
  [ "$platform" != synapse ] || checklist+=("  to see to there: $(writable_output)")
  echo "== $platform"
  "${platform//-/_}"
done
echo
echo "Rehearsed $(date -u +%Y-%m-%d), $how"
printf '%s\n' "${checklist[@]}"
exit $failed
