# How a container gets the GPUs that GPUS names, for run_container.sh and rehearse.sh, which source this file.
# Sets gpu_options, from docker (the engine, or none) and GPUS: all, a number, or device=0,1.
#
# Podman before 5.0 ignores --gpus without a word (podman issue 19330). From 4.1 on it takes devices of the Container
# Device Interface, which `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` describes.
# shellcheck shell=bash disable=SC2154  # docker is set by who sources this
gpu_options=()
if [ -n "${GPUS:-}" ] && [ "$docker" != none ]; then
  if [[ $("$docker" --version) == *[Pp]odman* ]]; then
    case $GPUS in
      *device=*)  IFS=, read -ra gpu_devices <<<"$(sed 's/"//g; s/^device=//' <<<"$GPUS")" ;;
      *[!0-9]*)   gpu_devices=("$GPUS") ;;
      *)          mapfile -t gpu_devices < <(seq 0 $((GPUS - 1))) ;;
    esac
    gpu_options=(--security-opt label=disable)
    for gpu_device in "${gpu_devices[@]}"; do gpu_options+=(--device "nvidia.com/gpu=$gpu_device"); done
  else
    gpu_options=(--gpus "$GPUS")
  fi
fi
