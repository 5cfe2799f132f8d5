#!/usr/bin/env bash
# BraTS post-treatment glioma: four labels, four sequences, one nnU-Net at 1 mm, five folds.
#
#   python -m lab train lab/recipes/brats_posttreatment.sh --work WORK [--dry-run] [--miniature]
#
# From the environment: BRATS_GLI: the unpacked training data of 2024 or later; CLUSTERS: JSON, case -> radiomic cluster,
# to stratify folds by (from `lab features` and `lab fit` on an earlier round, or on the reference labels).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# Resection cavities and enhancement come in few kinds; folds that hold alike shares of each kind differ less. The report
# trained in RAS; it is written so, and what is packed brings every case there.
cohort gli Dataset501_BraTSPostTx source="brats-gli=$(needed BRATS_GLI)" orientation=RAS ${CLUSTERS:+stratify="$CLUSTERS"}

# nnU-Net's own plan for BraTS at 1 mm: six stages, 128 x 160 x 112. Clipped at the 1st and 99th percentile before the
# z-score: a few voxels of vessel or blood would otherwise set the scale of a whole sequence.
network full network=plain-6 spacing=1,1,1 patch=128,160,112 batch=2 normalisation=ClippedZScoreNormalization
network zscore network=plain-6 spacing=1,1,1 patch=128,160,112 batch=2 normalisation=ZScoreNormalization

stage full cohort=gli network=full folds=0,1,2,3,4
candidate full_final stage=full checkpoint=final
candidate full_best stage=full checkpoint=best

# Ablations, one change each: the normalisation; how often a patch must hold a label (cavity and enhancement are rare); how
# hard the augmentation is.
stage zscore cohort=gli network=zscore folds=0,1,2,3,4
stage rare cohort=gli network=full folds=0,1,2,3,4 oversample=0.66
stage strong cohort=gli network=full folds=0,1,2,3,4 augmentation=da5

# Two more, for what the report found wrong and left to later. Half of the patches look at places, and among the kinds of
# places are those where the first stage saw enhancement or a cavity that is not there, out of fold; short, from its weights.
stage hard cohort=gli network=full folds=0,1,2,3,4 from=full lr=1e-3 epochs=200 oversample=0.5 hard=full_final:ET,RC
# Skips that the decoder weighs before it takes them, for the border between cavity and enhancement.
network gated network=plain-6-gated spacing=1,1,1 patch=128,160,112 batch=2 normalisation=ClippedZScoreNormalization
stage gated cohort=gli network=gated folds=0,1,2,3,4

for stage in zscore rare strong hard gated; do
  candidate "${stage}_final" stage="$stage" checkpoint=final
  candidate "${stage}_best" stage="$stage" checkpoint=best
done
