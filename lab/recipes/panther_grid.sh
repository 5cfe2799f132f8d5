#!/usr/bin/env bash
# PANTHER: the grid that the winner's ablations are points of, in one line: augmentation x length x schedule x warm-up, by
# modality. Durugol et al. 2025 (MIC-DKFZ) report default and DA5 augmentation, 50 to 1,000 epochs, decay by a power and
# cosine, warm-ups of 15 and 50 epochs; neither warm-up nor cosine was better.
#
#   python -m lab train lab/recipes/panther_grid.sh --work WORK --hours-at-most 2000 [--dry-run] [--miniature]
#
# From the environment: as in panther_multistage.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

cohort ct Dataset999_PancreasCT source="msd-pancreas=$(needed MSD)" source="panorama=$(needed PANORAMA)"
cohort t1 Dataset901_Panther1 source="panther-t1=$(needed PANTHER_T1)"
cohort t2 Dataset902_Panther2 source="panther-t2=$(needed PANTHER_T2)"

# As in panther_multistage.sh, where the reasons stand.
network iso network=resenc-l spacing=1,1,1 patch=192,192,192 batch=2 normalisation=ZScoreNormalization
network iso4 network=resenc-l spacing=1,1,1 patch=192,192,192 batch=4 normalisation=ZScoreNormalization
stage ct cohort=ct network=iso4 folds=all from="${FOUNDATION:-}" lr=1e-3 epochs=1000

# Both tasks start from CT here, so that points differ in nothing but what their names say. Nearest neighbour and 1,000 epochs
# are tried on Task 1 alone, which has twice the cases.
grid mri cohort=t1/t2 network=iso folds=0,1,2,3,4 from=ct lr=1e-3 augmentation=default/da5/t1:da5-ord0/t1:da5-segord0 \
  epochs=50/100/200/300/t1:1000 schedule=poly/cosine warmup=0/15/50 checkpoint=final/best
