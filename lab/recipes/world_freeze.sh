#!/usr/bin/env bash
# From the folds of brats_world.sh or panther_world.sh to weights/MODEL: slim members, rules and gates fitted on synthetic patients
# that no member saw, every check of run time, and held-out scores through the program itself. Move the old weights away
# first.
#
#   lab/recipes/world_freeze.sh MODEL WORK     after: python -m lab train lab/recipes/... --work WORK ...
#
# Half an hour for brats-gli on two processor cores; goes on where it stopped.
# New weights of panther-t1 need test/clustered made anew: python test/make_clustered.py WORK.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
name=$1 work=$(cd "$2" && pwd) config=validated
case $name in
  # A third of the training cases lacked sequences. A larger share of NETC costs a real core (docs/default-weights.md).
  brats-gli) trained="Dataset504_PhantomWorld/long__nnUNetPlans__world Dataset504_PhantomWorld/late__nnUNetPlans__world"
    patients=60 scored=10 config=small-shares
    flags="--missing-sequences --answers brats-gli,brats-ssa,brats-met-2025,brats-men,brats-goat"
    note="trained on synthetic scans only, no medical device" ;;
  panther-t1) trained=Dataset505_PhantomAbdomenT1/t1__nnUNetPlans__demo flags="" patients=40 scored=20
    note="demonstration, trained on synthetic scans only" ;; # whole tumours are missed in some, ten would say little
  panther-t2) trained=Dataset506_PhantomAbdomenT2/t2__nnUNetPlans__demo flags="" patients=40 scored=10
    note="demonstration, trained on synthetic scans only" ;;
  *) echo "$name: brats-gli, panther-t1 or panther-t2" >&2; exit 2 ;;
esac
model=weights/$name post=$work/post/$name held=$work/held-out/$name
mkdir -p "$post" "$held/out"

sources=()
for folder in $trained; do sources+=("$work/nnUNet_results/$folder"); done
# shellcheck disable=SC2086  # flags are words
[ -e "$model" ] || python -m lab pack "${sources[@]}" --model "$name" --scheme "$name" --orientation LPS $flags \
  --note "$note"

# Rules are fitted on native grids, as the container meets them, and on other seeds than training and scoring.
[ -e "$post/raw/dataset.json" ] || python -m lab phantom --kind "$name" --cases "$patients" --seed 21 --layout nnunet \
  --jobs 2 --out "$post/raw"
python -m lab out-of-fold --model "$model" --cohort "$post/raw" --unseen --out "$post/predictions" --maps "$post/maps/$name"
python -m lab features --model "$model" --cohort "$post/raw" --predictions "$post/predictions" \
  --probabilities "$post/maps/$name" --config "$config" --out "$post/fit" --jobs 2
python -m lab fit "$post/fit"
python -m lab search "$post/fit" --jobs 2 | tee "$post/search.txt"
python -m lab gate "$post/fit" --jobs 2 | tee "$post/gate.txt"
python -m lab freeze "$post/fit" --model "$model"
python -m lab verify

[ -e "$held/in" ] || python -m lab phantom --kind "$name" --cases "$scored" --seed 7 --jobs 2 --out "$held/in"
for folder in "$held"/in/*/; do
  mkdir -p "$held/out/$(basename "$folder")"
  python inference.py --input "$folder" --output "$held/out/$(basename "$folder")" --device cpu
done
python -m lab evaluate --scorer voxel --scheme "$name" --predictions "$held/out" --references "$held/in-labels" \
  --out "$held/scores.json" | tee "$held/scores.txt"
