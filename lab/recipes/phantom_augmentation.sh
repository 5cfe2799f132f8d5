#!/usr/bin/env bash
# The winner's trade-off on synthetic patients: does stronger augmentation buy overlap and cost the boundary? The same
# network and the same steps, trained with each strength of augmentation, judged on cases that no member saw.
#
#   python -m lab train lab/recipes/phantom_augmentation.sh --work WORK --devices cpu,cpu
#
# Under an hour on two processor cores. WORK/selection/t1/candidates.png is the answer, docs/augmentation.md what it said.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# Coarse grids and a small network: what two cores can afford.
cohort t1 Dataset502_PhantomPancreasT1 phantom=panther-t1:40:1:3,2.4,2.4 folds=2
network demo network=demo spacing=3,2.4,2.4 patch=48,64,64 batch=2

# AdamW under a cosine, since momentum 0.99 needs thousands of iterations to get going; small tumours, so half of the
# patches must hold some. An abdomen is not symmetric. The strengths differ in nothing else.
alike="cohort=t1 network=demo folds=0,1 epochs=16 iterations=50 val_iterations=4 lr=2e-3 optimiser=adamw schedule=cosine"
alike="$alike last_lr=0.01 oversample=0.5"
for strength in default da5 da5-ord0; do
  # shellcheck disable=SC2086  # words
  stage "${strength/-/_}" $alike mirror=none augmentation="$strength"
  candidate "${strength/-/_}" stage="${strength/-/_}"
done
