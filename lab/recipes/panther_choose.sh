#!/usr/bin/env bash
# Which weights of panther-t1 or panther-t2 ship, by the rule of docs/default-weights.md: each MODEL, a packed folder with its name,
# predicts synthetic patients that no member was trained on, with and without a tumour, and one table says what follows.
#
#   lab/recipes/panther_choose.sh KIND WORK SHIPPED MODEL...     KIND: panther-t1 or panther-t2; SHIPPED: name of what ships today
#
# Ten minutes a model on two processor cores; goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=$1 work=$2 shipped=$3
shift 3
declare -A options=([seed-21]="--cases 40 --seed 21" [seed-7]="--cases 20 --seed 7" [healthy]="--cases 40 --seed 31 --healthy 1")
[ "$kind" = panther-t1 ] || options[seed-7]="--cases 10 --seed 7"
folders=()
for model in "$@"; do
  folder=$work/models/$(basename "$model")
  mkdir -p "$folder"
  for patients in seed-21 seed-7 healthy; do
    cohort=$work/$patients
    # shellcheck disable=SC2086  # options are words
    [ -e "$cohort/dataset.json" ] || python -m lab phantom --kind "$kind" ${options[$patients]} --layout nnunet --jobs 2 \
      --out "$cohort"
    [ -e "$folder/$patients.json" ] && continue
    python -m lab out-of-fold --model "$model" --cohort "$cohort" --unseen --out "$folder/$patients" \
      --maps "$folder/maps-$patients/$(basename "$model")"
    python -m lab evaluate --scorer voxel --scheme "$kind" --predictions "$folder/$patients" --references "$cohort/labelsTr" \
      --jobs 2 --out "$folder/$patients.json"
  done
  folders+=("$folder")
done
python -m lab.recipes.panther_choice --shipped "$shipped" "${folders[@]}" | tee "$work/choice.txt"
