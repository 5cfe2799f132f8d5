#!/usr/bin/env bash
# The default weights of brats-gli: trained on no patient at all, meant for real ones. Every training case is made as it is
# asked for (lab/phantom: the ICBM average head bent into others, tumours grown in it, contrasts left to chance).
#
#   python -m lab train lab/recipes/brats_world.sh --work WORK --devices cpu,cpu
#
# Seven to eight hours on two processor cores. docs/default-weights.md says what came of it on real scans.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/recipe_words.sh"

# On disk only what is judged: 24 patients that no network trains on, whichever fold (the folds' own ones are discarded).
# Nested regions: what decides is the whole tumour, and its border is easier to find than those inside it.
cohort world Dataset504_PhantomWorld phantom=brats-gli:24:9:2,2,2:regions folds=3

# 2 mm and a patch that holds most of a head: two cores can afford it, and a whole tumour shows its context at once.
network world network=world spacing=2,2,2 patch=64,80,64 batch=2 normalisation=ZScoreNormalization

# Other patients for each fold, 2,000 each, of whom a third lack sequences: the declared mode for missing ones is trained
# along. AdamW under a cosine, since momentum 0.99 needs thousands of iterations to get going.
stage world cohort=world network=world folds=0,1 synthetic=2000 missing=0.3 epochs=70 iterations=50 val_iterations=4 lr=1e-3 \
  optimiser=adamw schedule=cosine last_lr=0.01 oversample=0.5 mirror=left-right
# Once more at less than half of the rate, heads kept: shorter steps settle the borders.
stage settled cohort=world network=world folds=0,1 from=world heads=keep synthetic=2000 missing=0.3 epochs=18 iterations=50 \
  val_iterations=4 lr=4e-4 optimiser=adamw schedule=cosine last_lr=0.01 oversample=0.5 mirror=left-right
# Rates raised and lowered again, since the networks were still learning; and a third member, which goes on from the first
# fold with patients of its own.
stage long cohort=world network=world folds=0,1,2 from=settled heads=keep synthetic=2000 missing=0.3 epochs=40 iterations=50 \
  val_iterations=4 lr=8e-4 optimiser=adamw schedule=cosine last_lr=0.01 oversample=0.5 mirror=left-right
# On newer patients: fading borders of the core, cysts, cavities that reach the surface, metastases, contrasts of real scans. Its two
# folds, beside those of `long`, are revision 11; they ran in three schedules (docs/default-weights.md). START may be a file,
# fold_{fold}/checkpoint_final.pth.
stage late cohort=world network=world folds=0,1 from="${START:-long}" heads=keep synthetic=6000 missing=0.3 epochs=154 \
  iterations=50 val_iterations=4 lr=8e-4 optimiser=adamw schedule=cosine last_lr=0.01 warmup=1 oversample=0.5 mirror=left-right
candidate late stage=late
