#!/usr/bin/env bash
# BraTS-Africa: 60 cases are too few to learn from alone; adult glioma first, then these.
#
#   python -m lab train lab/recipes/brats_ssa_finetune.sh --work WORK [--dry-run] [--miniature]
#
# From the environment: BRATS_GLI_2023 (adult glioma before treatment: the same three labels), BRATS_SSA; CLUSTERS: JSON,
# case -> radiomic cluster of the African cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

cohort gli Dataset510_BraTSGlioma source="brats-gli-2023=$(needed BRATS_GLI_2023)"
# Scanners differ more than tumours do: strata keep each fold's mix of them alike.
cohort ssa Dataset511_BraTSAfrica source="brats-ssa=$(needed BRATS_SSA)" ${CLUSTERS:+stratify="$CLUSTERS"}

network full network=plain-6 spacing=1,1,1 patch=128,160,112 batch=2 normalisation=ZScoreNormalization

stage gli cohort=gli network=full folds=all # nothing of it is judged: all cases learn
# A tenth of the learning rate and a tenth of the epochs: longer forgets the 1,250 for the 60.
stage ssa cohort=ssa network=full folds=0,1,2,3,4 from=gli lr=1e-3 epochs=100
# Low field strength and thick slices: the stronger augmentation imitates both.
stage ssa_da5 cohort=ssa network=full folds=0,1,2,3,4 from=gli lr=1e-3 epochs=100 augmentation=da5
stage scratch cohort=ssa network=full folds=0,1,2,3,4 # what the first stage is worth

for stage in ssa ssa_da5 scratch; do
  candidate "${stage}_final" stage="$stage" checkpoint=final
  candidate "${stage}_best" stage="$stage" checkpoint=best
done
