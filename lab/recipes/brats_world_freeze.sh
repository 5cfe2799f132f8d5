#!/usr/bin/env bash
# From the folds of brats_world.sh to weights/brats-gli: slim members, rules fitted on synthetic patients that no member
# saw, every check of run time, and held-out scores through the program itself. Move the old weights away first.
#
#   lab/recipes/brats_world_freeze.sh WORK     after: python -m lab train lab/recipes/brats_world.sh --work WORK ...
#
# Half an hour on two processor cores; goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(cd "$1" && pwd)
model=weights/brats-gli post=$work/post held=$work/held-out
mkdir -p "$post" "$held/out"

# Left-right mirroring doubles a few seconds and steadies the border; a third of the training cases lacked sequences.
[ -e "$model" ] || python -m lab pack "$work"/nnUNet_results/Dataset504_PhantomWorld/long__nnUNetPlans__world \
  --model brats-gli --scheme brats-gli --mirroring --missing-sequences \
  --note "trained on synthetic scans only, no medical device"

# Rules are fitted on native grids, as the container meets them, and on other seeds than training and judging.
[ -e "$post/raw/dataset.json" ] || python -m lab phantom --kind brats-gli --cases 60 --seed 21 --layout nnunet \
  --workers 2 --out "$post/raw"
python -m lab out-of-fold --model "$model" --cohort "$post/raw" --unseen --out "$post/predictions"
python -m lab features --model "$model" --cohort "$post/raw" --predictions "$post/predictions" --out "$post/fit" --jobs 2
python -m lab fit "$post/fit"
python -m lab search "$post/fit" --jobs 2 | tee "$post/search.txt"
python -m lab freeze "$post/fit" --model "$model"
python -m lab verify

[ -e "$held/in" ] || python -m lab phantom --kind brats-gli --cases 10 --seed 7 --workers 2 --out "$held/in"
python inference.py --input "$held/in" --output "$held/out" --device cpu
python -m lab evaluate --scorer voxel --scheme brats-gli --predictions "$held/out" --references "$held/in-labels" \
  --out "$held/scores.json" | tee "$held/scores.txt"
