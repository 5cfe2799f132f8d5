#!/usr/bin/env bash
# Does it pay to average networks of different families? Four families and a second seed of the first, trained alike on
# synthetic gliomas, judged on cases that no member saw. The second seed is the floor: what a pair gains by chance alone.
#
#   python -m lab train lab/recipes/heterogeneous.sh --work WORK --devices cpu,cpu
#
# Needs `pip install monai==1.6.1`. About 70 minutes on two processor cores. Then lab/recipes/heterogeneous_study.sh compares them;
# docs/ensembles.md says what came out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# Coarse grids and small networks: what two cores can afford.
cohort gli Dataset503_PhantomGlioma phantom=brats-gli:40:1:3,3,3 folds=2
for family in plain:demo resenc:demo-resenc mednext:demo-mednext swin:demo-swinunetr; do
  network "${family%%:*}" network="${family##*:}" spacing=3,3,3 patch=32,32,64 batch=2
done

# One optimiser, schedule and number of steps for all, not that of each network's authors: what differs is the network.
alike="cohort=gli folds=0,1 epochs=20 iterations=50 val_iterations=4 lr=1e-3 optimiser=adamw schedule=cosine last_lr=0.01
  warmup=2 oversample=0.5 mirror=left-right"
for name in plain plain_again resenc mednext swin; do
  seed=0
  if [ "$name" = plain_again ]; then seed=1; fi
  # shellcheck disable=SC2086  # words
  stage "$name" network="${name%_again}" $alike seed="$seed"
  candidate "$name" stage="$name"
done
