# The words of a recipe, sourced by it. They say what is to be done, one line each on stdout; `python -m lab train`
# reads the lines, draws the graph and does the work.
#
#   cohort NAME DATASET KEY=VALUE...   raw data: source=LAYOUT=DIR (may be repeated), or synthetic:
#                                      phantom=KIND:CASES:SEED:SPACING[:regions][:healthy=SHARE] (PANTHER: the share without a
#                                      tumour); folds=5, stratify=FILE, orientation=RAS,
#                                      skip_bad=yes (go on without cases that cannot be prepared)
#   network NAME KEY=VALUE...          a configuration: network=, spacing=, patch=, batch=, normalisation=
#   stage NAME KEY=VALUE...            training: cohort=, network=, folds=0,1,2 or all, from=STAGE or a file, heads=keep
#                                      (the labels are the same; {fold} in a file's path is the fold),
#                                      hard=CANDIDATE:LABEL,LABEL (look where it saw them wrongly), and settings of
#                                      nnU-Net's trainer (lab/training/trainers.py, Settings), such as
#                                      synthetic=2000 (patients made while training runs) and healthy=0.2 (the share of these
#                                      without a tumour)
#   candidate NAME KEY=VALUE...        what `lab select` chooses among: stage=, checkpoint=final or best
#   grid NAME KEY=VALUE/VALUE...       a stage and its candidates for each combination: the keys of a stage, of which cohort
#                                      and settings may have several values, and checkpoint=final/best; COHORT:VALUE is a
#                                      value of one cohort alone
say() { local IFS=$'\t'; printf '%s\n' "$*"; }
cohort() { say cohort "$@"; }
network() { say network "$@"; }
stage() { say stage "$@"; }
candidate() { say candidate "$@"; }
grid() { say grid "$@"; }
# needed NAME: a folder or file that the user has; a recipe is drawn without it and run only with it
needed() { printf '%s' "${!1:-\$$1}"; }
