#!/usr/bin/env bash
# Which revision of the weights of brats-gli ships, by the rule of docs/default-weights.md: each MODEL, a packed folder with the
# name of its revision, predicts the expert's case and sixty synthetic patients, and one table says what follows.
#
#   lab/recipes/world_choose.sh EXPERT WORK SHIPPED MODEL...     EXPERT: a folder that holds BraTS-GLI-00000-000 with its labels
#
# MODEL in the order of age; SHIPPED is the name of the one that ships today. Five minutes a member on two processor cores; goes on
# where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
expert=$(cd "$1" && pwd) work=$2 shipped=$3
shift 3
mkdir -p "$work"
[ -e "$work/raw/Dataset001_Expert" ] || python -m lab prepare --source brats-gli-2023="$expert" --scheme brats-gli \
  --dataset Dataset001_Expert --out "$work/raw"
[ -e "$work/synthetic/dataset.json" ] || python -m lab phantom --kind brats-gli --cases 60 --seed 21 --layout nnunet --jobs 2 \
  --out "$work/synthetic"
folders=()
for model in "$@"; do
  folder=$work/revisions/$(basename "$model")
  mkdir -p "$folder"
  cp "$model/MANIFEST.json" "$folder"
  for cases in expert synthetic; do
    cohort=$work/synthetic
    [ $cases = expert ] && cohort=$work/raw/Dataset001_Expert
    [ -e "$folder/$cases.json" ] && continue
    python -m lab out-of-fold --model "$model" --cohort "$cohort" --unseen --out "$folder/$cases" \
      --maps "$folder/maps-$cases/$(basename "$model")"
    python -m lab evaluate --scorer voxel --scheme brats-gli --predictions "$folder/$cases" --references "$cohort/labelsTr" \
      --jobs 2 --out "$folder/$cases.json"
  done
  folders+=("$folder")
done
python -m lab.recipes.world_choice --shipped "$shipped" "${folders[@]}" | tee "$work/choice.txt"
