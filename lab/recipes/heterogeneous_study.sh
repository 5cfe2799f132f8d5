#!/usr/bin/env bash
# What heterogeneous.sh trained, compared: each network alone, pairs of `plain` with each other one, the two that are best alone,
# all together; then rules of one family's label maps on another's. `plain_again` is another seed of `plain`: a pair with it is
# what two networks gain without being different.
#
#   lab/recipes/heterogeneous_study.sh WORK      # the work folder of the training; writes to WORK/study
set -euo pipefail
work=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
study=$work/study
raw=$work/nnUNet_raw/Dataset503_PhantomGlioma
splits=$work/nnUNet_preprocessed/Dataset503_PhantomGlioma/splits_final.json
families="plain resenc mednext swin"
mkdir -p "$study"

score() { # NAME LABEL_MAPS
  [ -f "$study/$1.json" ] || python -m lab evaluate --scorer 2025-gli --predictions "$2" --references "$raw/labelsTr" \
    --scheme brats-gli --jobs 2 --out "$study/$1.json" >"$study/$1.txt"
}

average() { # NAME CANDIDATE...: equal weights, packed, each case by the folds that did not see it
  local name=$1
  shift
  if [ ! -d "$study/packed/$name" ]; then
    python -m lab select "${@/#/$work/maps/}" --cohort "$raw" --strategies equal --out "$study/select_$name" --jobs 2
    python -m lab pack --selection "$study/select_$name/selection.json" --scheme brats-gli --model "$name" --out "$study/packed"
  fi
  python -m lab out-of-fold --model "$study/packed/$name" --cohort "$raw" --splits "$splits" --out "$study/oof_$name" --device cpu
  score "$name" "$study/oof_$name"
}

for name in $families plain_again; do score "$name" "$work/oof/$name"; done
for other in plain_again resenc mednext swin; do average "plain+$other" plain "$other"; done
average mednext+swin mednext swin
# shellcheck disable=SC2086  # words
average families $families

python -m lab rank "$study"/{plain,resenc,mednext,swin}.json "$study"/plain+{plain_again,resenc,mednext,swin}.json \
  "$study"/{mednext+swin,families}.json --seed-floor "$study/plain_again.json" --out "$study/rank.json" \
  --html "$study/rank.html" >"$study/rank.txt"
python -m lab select "$work"/maps/{plain,plain_again,resenc,mednext,swin} --cohort "$raw" \
  --strategies equal best-single greedy --out "$study/select_all" --jobs 2 >"$study/select_all.txt"
# shellcheck disable=SC2086
python -m lab study --cohort $(printf "$work/oof/%s " $families) --references "$raw" --scheme brats-gli \
  --scorers 2025-gli 2026-gli --jobs 2 --html "$study/rules.html"
