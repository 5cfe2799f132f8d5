#!/usr/bin/env bash
# Run the built image on the sample cases as the platforms run it, and compare with the expected labels.
#
#   test/run_container.sh [SET...]    folders under test/input (default: those with labels in test/expected)
#
# From the environment: DOCKER, IMAGE (default: what build.sh would build, and builds if it is missing), GPUS=all (run on
# a GPU, and fail unless a run record says so), MEMORY (default 6g), MODEL=dir (an unpacked weights archive, mounted
# where grand-challenge puts it), TOLERANCE (share of the expected foreground that may differ, default 0.001).
# Exit code 0 only if every label image is as expected, and with GPUS only if every network ran on a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker=${DOCKER:-docker}
image=${IMAGE:-$(./build.sh --name)}
tolerance=${TOLERANCE:-0.001}
memory=${MEMORY:-6g}
# shellcheck source=test/gpu.sh
. test/gpu.sh
# A commit in the name says what is inside: such an image is not built again. A name without one says nothing.
if [[ -z ${IMAGE:-} && $image =~ -(dirty|nogit)(-invoke)?$ ]] || ! "$docker" image inspect "$image" >/dev/null 2>&1; then
  ./build.sh
fi

scratch=$(mktemp -d)
cleanup() {
  # What the container wrote belongs to the container's user; the container gives it back.
  "$docker" run --rm --network none --user 0 --entrypoint chmod -v "$scratch:/scratch" "$image" \
    -R a+rwX /scratch >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap cleanup EXIT

sandbox=(--rm --network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
         --shm-size 128m --pids-limit 256 --memory "$memory" --memory-swap "$memory"
         "${gpu_options[@]}" ${MODEL:+-v "$(realpath "${MODEL:-.}"):/opt/ml/model:ro"})

fresh_output() {
  out=$(mktemp -d "$scratch/out.XXXXXX")
  chmod 777 "$out" # the container's user is not the owner of this folder
}

# judge FOLDER:MOUNT ARGUMENT...: one of the judges in test/, by the Python of the image: the host may have none
judge() {
  local mount=$1
  shift
  "$docker" run --rm --network none --read-only --entrypoint /opt/venv/bin/python -v "$PWD/test:/test:ro" \
    -v "$mount:ro" "$image" "$@"
}

# compare NAME: the last run's output with test/expected/NAME
compare() { judge "$out:/output" /test/compare_labels.py "/test/expected/$1" /output --tolerance "$tolerance"; }

failed=()
# check NAME HOW COMMAND...: run it, compare, remember a failure and go on
check() {
  local name=$1 how=$2 start=$SECONDS verdict=ok
  shift 2
  echo "== $name, $how"
  { "$@" && compare "$name"; } || { verdict=FAILED; failed+=("$name ($how)"); }
  echo "-- $name, $how: $verdict, $((SECONDS - start)) s"
}

# run_set NAME [engine option...]: the platforms' call, without arguments
run_set() {
  local name=$1
  shift
  fresh_output
  "$docker" run "${sandbox[@]}" "$@" -v "$PWD/test/input/$name:/input:ro" -v "$out:/output" "$image"
}

# run_on_cluster NAME: a foreign uid, and the environment of a host whose modules set variables, as Apptainer hands it in
run_on_cluster() {
  local name=$1 environment=(PYTHONHOME=/gone PYTHONPATH=/poison PYTHONSAFEPATH=1 PYTHONOPTIMIZE=2 HOME=/gone TMPDIR=/gone
    XDG_CACHE_HOME=/gone MPLCONFIGDIR=/gone LC_ALL=xx_YY USER=alice)
  mkdir -p "$scratch/poison"
  echo 'raise ImportError("numpy of the host")' >"$scratch/poison/numpy.py"
  chmod -R a+rX "$scratch/poison"
  run_set "$name" --user 4242:4242 --workdir /poison -v "$scratch/poison:/poison:ro" "${environment[@]/#/--env=}"
}

# run_infer NAME: the older call, with arguments and other mount points
run_infer() {
  fresh_output
  "$docker" run "${sandbox[@]}" -v "$PWD/test/input/$1:/data:ro" -v "$out:/results" "$image" \
    infer --data_path=/data --output_path=/results
}

# run_recorded NAME: where the networks ran is in the run record, which the platforms' call does not ask for
run_recorded() {
  local record=$scratch/record
  fresh_output
  mkdir -m 777 "$record"
  "$docker" run "${sandbox[@]}" -v "$PWD/test/input/$1:/input:ro" -v "$out:/output" -v "$record:/record" "$image" \
    --record /record/run.json || echo "exit code $?"
  judge "$record:/record" /test/gpu_record.py /record/run.json
}

# check_cluster CLUSTER KIND: a model whose artefact has two clusters (test/make_clustered.py); the case is described by
# PyRadiomics in the image, falls into its cluster, and gets that cluster's rules, of kind KIND
check_cluster() {
  local weights=$scratch/clustered record=$scratch/cluster-$1
  fresh_output
  mkdir -p "$weights"
  cp -r weights/panther-t1 test/clustered/model "$weights"
  cp "$weights"/model/* "$weights/panther-t1" && rm -r "$weights/model"
  chmod -R a+rX "$weights"
  mkdir -m 777 "$record"
  "$docker" run "${sandbox[@]}" -v "$PWD/test/clustered/input/$1:/input:ro" -v "$out:/output" -v "$record:/record" \
    -v "$weights:/clustered:ro" "$image" --weights /clustered --record /record/run.json || return 1
  judge "$record:/record" /test/cluster_record.py /record/run.json "$1" "$2" \
    && judge "$out:/output" /test/compare_labels.py "/test/clustered/expected/$1" /output --tolerance "$tolerance"
}

# An empty input is a usage error (exit code 2) and leaves an empty output.
run_empty() {
  local code=0
  fresh_output
  mkdir -p "$scratch/empty"
  chmod 755 "$scratch" "$scratch/empty"
  "$docker" run "${sandbox[@]}" -v "$scratch/empty:/input:ro" -v "$out:/output" "$image" || code=$?
  [ "$code" -eq 2 ] || { echo "empty input: exit code $code, expected 2"; return 1; }
  [ -z "$(ls -A "$out")" ] || { echo "empty input: output is not empty"; return 1; }
}

# What must not be in an image: what makes the weights, the tests, and anything a build was lent.
check_contents() {
  # shellcheck disable=SC2016  # the image's shell expands it
  "$docker" run --rm --network none --read-only --entrypoint sh "$image" -c '
    for path in lab test .git /etc/pip.conf /run/build-ca.crt; do
      [ ! -e "$path" ] || { echo "the image holds $path"; exit 1; }
    done
    [ "$(id -u)" = 1000 ] && [ -z "$(find . ! -perm -o=r)" ] || { echo "user or permissions are wrong"; exit 1; }'
}

# Every file of the program and its weights hashes as it does here, also after an archive was loaded.
check_hashes() {
  hashes() { find LICENSE inference.py challenge ensemble postprocess weights -type f ! -path '*/__pycache__/*' \
    -exec sha256sum {} + | sort -k 2; }
  diff <("$docker" run --rm --network none --read-only --entrypoint bash "$image" -c "$(declare -f hashes); hashes") \
    <(hashes) || { echo "the image's files are not those of this checkout"; return 1; }
}

sets=("$@")
if [ ${#sets[@]} -eq 0 ]; then
  for folder in test/expected/*/; do sets+=("$(basename "$folder")"); done
fi

for name in "${sets[@]}"; do
  [ -d "test/input/$name" ] && [ -d "test/expected/$name" ] || { echo "no test/input/$name or test/expected/$name"; exit 2; }
done

check_contents || failed+=("contents")
check_hashes || failed+=("hashes")
for name in "${sets[@]}"; do
  check "$name" "default command" run_set "$name"
done
check "${sets[-1]}" "foreign uid and environment" run_on_cluster "${sets[-1]}"
check "${sets[-1]}" "infer command" run_infer "${sets[-1]}"
if [ -n "${GPUS:-}" ]; then check "${sets[0]}" "GPU" run_recorded "${sets[0]}"; fi
check_cluster 0 drop-doubtful || failed+=("cluster 0")
check_cluster 1 add-probable || failed+=("cluster 1")
run_empty || failed+=("empty input")

if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "container test passed: $image"
