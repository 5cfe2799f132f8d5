#!/usr/bin/env bash
# ISLES'26: stroke lesions in one T1-weighted MRI. Prepare, plan, five folds, out-of-fold, selection, pack.
#
#   python -m lab train lab/recipes/isles_stroke.sh --work WORK [--dry-run] [--miniature] [--submit my-isles]
#
# From the environment: ATLAS_R3: the unpacked training data (ATLAS3_Training_Raw: 1,453 cases of 55 centres); CLUSTERS: JSON,
# case -> number of its centre or size class, to stratify folds by. --submit searches and freezes rules on the out-of-fold maps, too.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# Scanners write their axes in different orders; a network that sees them all in one need not learn each. Masks on another
# grid are brought onto their image's, case by case on stderr. Empty masks stay: a test case may have no lesion either.
cohort atlas Dataset601_Stroke source="isles-2026=$(needed ATLAS_R3)" orientation=RAS ${CLUSTERS:+stratify="$CLUSTERS"}

# Four in five scans have voxels of 1 mm, so nnU-Net would plan that too. A patch holds one hemisphere and its neighbour: a
# lesion is known by what is missing on its side. Units are arbitrary and differ by orders of magnitude: z-score.
network iso network=resenc-l spacing=1,1,1 patch=128,160,128 batch=2 normalisation=ZScoreNormalization

# Half of the patients have less than 4 mL of lesion, 0.2 % of a patch: half of the patches have to hold some, not a third.
stage full cohort=atlas network=iso folds=0,1,2,3,4 oversample=0.5
# Once more with stronger augmentation, for scanners that no centre has: contrast and thickness of slices differ most.
stage strong cohort=atlas network=iso folds=0,1,2,3,4 oversample=0.5 augmentation=da5

# The last epoch alone: the best one was chosen by the cases that it is judged on. Out-of-fold probabilities choose among both
# stages and their mean.
candidate full stage=full
candidate strong stage=strong
