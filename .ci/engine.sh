# A container engine for the container test, sourced by it: `choose_engine` sets DOCKER and build_arguments.
#
# Docker, where a daemon runs and can get the base image. Otherwise podman, in the folder $scratch so that nothing
# system-wide is touched, with a stand-in base: Debian's Python 3.11 under the base image's own name. A stand-in proves
# the Dockerfile's steps, the layout, the user, the entry point and the behaviour in the sandbox; it does not prove
# the real base's contents, nor CUDA: there the image takes torch's CPU build (TORCH=cpu).
#
# From the environment: CI_STORE=dir keeps podman's images in dir for the next run (default: thrown away).

base=$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile)

enough_disk() { # enough_disk GB
  local free
  free=$(df -B1000000000 --output=avail "$scratch" | tail -1 | tr -d ' ')
  [ "$free" -ge "$1" ] || { echo "container test SKIPPED: $free GB of disk free, $1 needed"; exit 0; }
}

install_podman() {
  local missing=() package
  for package in podman runc mmdebstrap; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || { echo "not root, so cannot install ${missing[*]}" >&2; return 1; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$scratch/apt.log" 2>&1 \
    || { tail "$scratch/apt.log"; return 1; }
}

# runc and cgroupfs: crun refuses hybrid control groups, and there may be no systemd.
# default_ulimits: podman's own default is refused to a root without CAP_SYS_RESOURCE.
# Soft and hard are alike, because podman's Docker-compatible socket takes no others.
configure_podman() {
  local store=${CI_STORE:-$scratch}
  export CONTAINERS_CONF=$scratch/containers.conf CONTAINERS_STORAGE_CONF=$scratch/storage.conf BUILDAH_FORMAT=docker
  cat >"$CONTAINERS_STORAGE_CONF" <<EOF
[storage]
driver = "overlay"
graphroot = "$store/images"
runroot = "$store/run"
EOF
  cat >"$CONTAINERS_CONF" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
EOF
}

# A virtual environment at /usr/local puts python, pip and site-packages where the official image has them.
make_base() {
  podman image inspect "$base" >/dev/null 2>&1 && return
  # shellcheck disable=SC2016  # mmdebstrap's shell expands the hooks
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,netbase,tzdata,python3.11,python3.11-venv,libpython3.11-dev \
    --customize-hook='chroot "$1" python3.11 -m venv /usr/local' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/etc/resolv.conf "$1"/etc/hostname' \
    bookworm "$scratch/base.tar"
  podman import --quiet --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' "$scratch/base.tar" "$base"
  rm "$scratch/base.tar"
}

# pip_setting KEY: the environment wins, as with pip itself
pip_setting() {
  local variable=PIP_${1^^}
  variable=${variable//-/_}
  echo "${!variable:-$(python3 -m pip config get "global.$1" 2>/dev/null || true)}" | xargs
}

# The build may need what this machine's pip is configured with: settings and certificates go in as build secrets,
# local folders of wheels are mounted where they lie (an empty folder of each stays in this image, which is thrown away).
lend_pip_settings() {
  local key value place
  build_arguments=(--network host --pull=never --secret "id=pip_conf,src=$scratch/pip.conf")
  echo "[global]" >"$scratch/pip.conf"
  for key in index-url extra-index-url find-links trusted-host default-timeout; do
    value=$(pip_setting "$key")
    [ -n "$value" ] || continue
    echo "$key = $value" >>"$scratch/pip.conf"
    for place in $value; do
      place=${place#file://}
      [ -d "$place" ] || continue
      [ "$key" = find-links ] || place=$(dirname "$place") # an index's pages point to files beside it
      build_arguments+=(--volume "$place:$place:ro")
    done
  done
  value=$(pip_setting cert)
  if [ -n "$value" ]; then
    echo "cert = /run/build-ca.crt" >>"$scratch/pip.conf"
    build_arguments+=(--secret "id=build_ca,src=$value")
  fi
}

choose_engine() {
  if docker info >/dev/null 2>&1 && docker pull --quiet --platform linux/amd64 "$base" 2>/dev/null; then
    enough_disk 30
    export DOCKER=docker
    build_arguments=()
  else
    enough_disk 10
    export DOCKER=podman TORCH=${TORCH:-cpu}
    install_podman
    configure_podman
    make_base
    lend_pip_settings
  fi
}

drop_engine() {
  [ "${DOCKER:-}" = podman ] || return 0
  podman rm --all --force >/dev/null 2>&1
  [ -n "${CI_STORE:-}" ] || podman rmi --all --force >/dev/null 2>&1
  # podman leaves its own, now empty, control groups behind; rmdir takes only empty ones
  find /sys/fs/cgroup -mindepth 1 -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2>/dev/null
}
