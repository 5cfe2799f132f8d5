# What each platform asks of an image, for the checklists of export.sh and test/rehearse.sh, which source this file from
# the repository's root. The numbers are those of challenge/limits.env.
# shellcheck source=challenge/limits.env
. challenge/limits.env
image_uid=$(sed -n 's/^USER \([0-9]*\):.*/\1/p' Dockerfile)

# contract PLATFORM: how it calls an image, what it may refuse, what it gives
contract() {
  case $1 in
    grand-challenge)
      echo "label exec: one process a case, within $((GRAND_CHALLENGE_TIME_S / 60)) min unless the phase says otherwise;" \
        "a phase may refuse exec images, and the platform's templates since July 2026 are for invoke alone" ;;
    grand-challenge-invoke)
      echo "label invoke: a server, healthy within $GRAND_CHALLENGE_HEALTH_S s, then one call a case within" \
        "$((GRAND_CHALLENGE_TIME_S / 60)) min unless the phase says otherwise; a phase may refuse invoke images" ;;
    synapse)
      echo "an exec image, called without arguments (an invoke image would wait for calls until the time is over):" \
        "$((BRATS_TIME_S / 3600)) h for the whole folder, --memory $BRATS_MEMORY, --shm-size $BRATS_SHM, CUDA at most" \
        "$BRATS_MOST_CUDA (2026; an older copy of the rules said $((BRATS_OLDER_TIME_S / 3600)) h and $BRATS_OLDER_MEMORY)" ;;
    orchestrator)
      echo "an exec image, called without arguments by the user's client, as the user's uid" ;;
  esac
}

# writable_output: who must be able to write where
writable_output() {
  echo "/output is writable by uid $image_uid: make the folder yourself and chmod a+rwx it (one that Docker makes itself" \
    "belongs to root, and the program ends with exit code 2)"
}

# cuda_fits VERSION: whether the machines of BraTS run it; "none" is a build for the CPU
cuda_fits() {
  [ "$1" = none ] || [ "$(printf '%s\n' "$1" "$BRATS_MOST_CUDA" | sort -V | tail -n 1)" = "$BRATS_MOST_CUDA" ]
}
