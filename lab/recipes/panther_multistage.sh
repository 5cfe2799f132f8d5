#!/usr/bin/env bash
# PANTHER, both tasks: the winner's chain of stages and its axis of augmentation, with the selection it lacked.
# Durugol et al. 2025 (MIC-DKFZ); Task 1 tumour Dice 0.661, Task 2 0.523 in their five-fold cross-validation.
#
#   python -m lab train lab/recipes/panther_multistage.sh --work WORK [--dry-run] [--miniature]
#
# From the environment: MSD (Task07_Pancreas), PANORAMA, PANTHER_T1, PANTHER_T2: unpacked folders; FOUNDATION: a ResEnc-L
# checkpoint to begin with (MultiTalentV2); without one the CT stage starts from scratch, and the plan says so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# Labels are harmonised by name (lab/data/sources.py): MSD numbers pancreas 1 and tumour 2, PANTHER the other way round,
# PANORAMA has six. 765 cases.
cohort ct Dataset999_PancreasCT source="msd-pancreas=$(needed MSD)" source="panorama=$(needed PANORAMA)"
cohort t1 Dataset901_Panther1 source="panther-t1=$(needed PANTHER_T1)"
cohort t2 Dataset902_Panther2 source="panther-t2=$(needed PANTHER_T2)"

# 1 mm and 192 voxels, not the 3 x 1.2 x 1.2 mm and 64 x 256 x 320 that nnU-Net would plan: the foundation was trained so,
# and on Task 1 it was worth 7 points of Dice. Z-score on all: MRI has no unit, and the CT stage is only a start for it.
network iso network=resenc-l spacing=1,1,1 patch=192,192,192 batch=2 normalisation=ZScoreNormalization
# Stage 1 with twice the batch: CT has cases enough, and a steadier gradient suited it.
network iso4 network=resenc-l spacing=1,1,1 patch=192,192,192 batch=4 normalisation=ZScoreNormalization

# lr 1e-3 everywhere, a tenth of nnU-Net's: fine-tuning from good weights is undone by 1e-2. Poly decay, no warm-up:
# neither warm-up nor cosine was better. All cases in one fold: nothing of CT is judged.
stage ct cohort=ct network=iso4 folds=all from="${FOUNDATION:-}" lr=1e-3 epochs=1000

# Task 1: default augmentation has the best boundaries (MASD 5.46 mm, HD95 17.33 mm), DA5 the highest overlap; ord0 keeps
# thin pancreas from being blurred away when it is resampled. Specialists of each kind make the ensemble.
stage t1_default cohort=t1 network=iso folds=0,1,2,3,4 from=ct lr=1e-3 epochs=300
stage t1_da5 cohort=t1 network=iso folds=0,1,2,3,4 from=ct lr=1e-3 epochs=300 augmentation=da5
stage t1_da5ord0 cohort=t1 network=iso folds=0,1,2,3,4 from=ct lr=1e-3 epochs=150 augmentation=da5-ord0

# Task 2 starts from Task 1's fold of the same number: other patients, so nothing leaks, and 50 cases are few.
stage t2_default cohort=t2 network=iso folds=0,1,2,3,4 from=t1_default lr=1e-3 epochs=200
stage t2_da5 cohort=t2 network=iso folds=0,1,2,3,4 from=t1_da5 lr=1e-3 epochs=200 augmentation=da5

# The last epoch or the best one, fold by fold: they released Task 1's last and Task 2's best. `lab select` chooses.
for stage in t1_default t1_da5 t1_da5ord0 t2_default t2_da5; do
  candidate "${stage}_final" stage="$stage" checkpoint=final
  candidate "${stage}_best" stage="$stage" checkpoint=best
done
