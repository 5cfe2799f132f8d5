#!/usr/bin/env bash
# The demonstration weights for PANTHER, whole experiment in order: synthetic cohorts, nnU-Net's own fingerprint, plans and
# preprocessing, training in stages, packing, out-of-fold predictions, post-processing, held-out scores. (Those for BraTS:
# brats_world.sh.)
#
#   lab/recipes/demo.sh [WORK]     default work/; about an hour on two processor cores; goes on where it stopped
#
# Writes weights/{panther-t1,panther-t2} (move the old ones away first) and WORK/held-out/*.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mkdir -p "${1:-work}" && cd "${1:-work}" && pwd)
export nnUNet_raw=$work/nnUNet_raw nnUNet_preprocessed=$work/nnUNet_preprocessed nnUNet_results=$work/first
export nnUNet_compile=0     # compiling costs minutes on a processor and these networks are small
export nnUNet_n_proc_DA=1   # one augmenting process a fold: two folds train at once on two cores
export OMP_NUM_THREADS=1
# glibc would give every activation buffer back to the kernel: a third of the time (see the Dockerfile)
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1099511627776
mkdir -p "$nnUNet_raw" "$nnUNet_preprocessed" "$work/logs" "$work/oof" "$work/post"

t1=Dataset502_PhantomPancreasT1 t2=Dataset503_PhantomPancreasT2

# Trained on coarse grids (3 x 2.4 x 2.4 mm), because that is what two cores can afford; judged on native ones.
# Task 2 has other patients than Task 1 (another seed), since its networks start from those of Task 1.
cohort() { # KIND CASES SEED SPACING DATASET
  [ -e "$nnUNet_raw/$5/dataset.json" ] || python -m lab phantom --kind "$1" --cases "$2" --seed "$3" --spacing "$4" \
    --layout nnunet --workers 2 --out "$nnUNet_raw/$5" >"$work/logs/cohort-$1.log"
}
cohort panther-t1 40 1 3,2.4,2.4 $t1
cohort panther-t2 40 2 3,2.4,2.4 $t2

# Patches of 64 voxels see the whole of a lesion and its surroundings at these spacings.
prepare() { # DATASET FOLDS SPACING PATCH
  python -m lab.recipes.preparation "$1" --folds "$2" --configuration "demo:demo:$3:$4:2" --jobs 2
}
{
  prepare $t1  2 3,2.4,2.4 48,64,64
  prepare $t2  2 3,2.4,2.4 48,64,64
} >"$work/logs/prepare.log" 2>&1

# A fold: DATASET FOLD ITERATIONS MIRROR [START]. An abdomen is not symmetric, nothing is mirrored. AdamW
# under a cosine, since momentum 0.99 needs thousands of iterations to get going; few iterations and small tumours, so
# half of the patches must hold some foreground. Out-of-fold predictions follow, so nnU-Net's own validation is left out.
run_fold() {
  python -m lab.recipes.fold "$1" demo "$2" --stage DemoTrainer --device cpu --skip-validation \
    ${5:+--keep-heads --start "$5"} \
    --set epochs=$(($3 / 50)) iterations=50 val_iterations=4 lr=2e-3 optimiser=adamw oversample=0.5 mirror="$4" \
    >"$work/logs/$1-$2-$(basename "$nnUNet_results").log" 2>&1
}
at() { echo "$work/$1/$2/DemoTrainer__nnUNetPlans__demo/fold_$3/checkpoint_final.pth"; } # STAGE DATASET FOLD
export -f run_fold at
export work

# First stage. Task 2 starts from Task 1's fold of the same number: the winning recipe's order of stages.
export nnUNet_results=$work/first
printf '%s\n' "$t1 0 700 none" "$t1 1 700 none" | xargs -P 2 -I{} bash -euc 'run_fold {}'
printf '%s\n' "$t2 0 500 none $(at first $t1 0)" "$t2 1 500 none $(at first $t1 1)" \
  | xargs -P 2 -I{} bash -euc 'run_fold {}'

# Later stages go on from the one before with the learning rate raised again: after the first, the tumour on T2 was hardly
# learned; after the second, Task 1 still missed whole tumours in new patients.
go_on() { # BEFORE DATASET MIRROR FOLD...: the lines of a stage that starts from the stage BEFORE
  local fold
  for fold in "${@:4}"; do echo "$2 $fold 700 $3 $(at "$1" "$2" "$fold")"; done
}
export nnUNet_results=$work/second
{ go_on first $t1 none 0 1; go_on first $t2 none 0 1; } \
  | xargs -P 2 -I{} bash -euc 'run_fold {}'
export nnUNet_results=$work/third
go_on second $t1 none 0 1 | xargs -P 2 -I{} bash -euc 'run_fold {}'

# Freeze: slim members, then rules fitted on cases that each member never saw, then every check of run time.
note="demonstration, trained on synthetic scans only"
freeze() { # MODEL DATASET STAGE
  python -m lab pack "$work/$3/$2/DemoTrainer__nnUNetPlans__demo" --model "$1" --scheme "$1" --note "$note"
  python -m lab out-of-fold --model "weights/$1" --cohort "$nnUNet_raw/$2" \
    --splits "$nnUNet_preprocessed/$2/splits_final.json" --out "$work/oof/$1" --device cpu >"$work/logs/oof-$1.log"
  python -m lab features --model "weights/$1" --cohort "$nnUNet_raw/$2" --predictions "$work/oof/$1" \
    --out "$work/post/$1" --jobs 2
  python -m lab fit "$work/post/$1"
  python -m lab search "$work/post/$1" --jobs 2 | tee "$work/post/$1.txt" # rules, judged out of fold
  python -m lab freeze "$work/post/$1" --model "weights/$1"
}
freeze panther-t1 $t1  third
freeze panther-t2 $t2  second
python -m lab verify

# Judge with the program itself, on new patients and native grids: ten a kind, twenty for Task 1, where whole tumours
# are missed in some patients and ten say little.
held=$work/held-out
judge() { # MODEL CASES
  local folder out
  python -m lab phantom --kind "$1" --cases "$2" --seed 7 --out "$held/$1" --workers 2 >"$work/logs/held-out-$1.log"
  for folder in "$held/$1"/*/; do # one folder a case
    out=$held/out/$1/$(basename "$folder")
    mkdir -p "$out"
    python inference.py --input "$folder" --output "$out" --device cpu >>"$work/logs/held-out-$1.log"
  done
  python -m lab evaluate --scorer voxel --scheme "$1" --predictions "$held/out/$1" \
    --references "$held/$1-labels" --out "$held/$1.json" | tee "$held/$1.txt"
}
judge panther-t1 20
judge panther-t2 10
echo "done in $((SECONDS / 60)) minutes"
