"""Adaptive post-processing: features -> clusters -> rules a cluster, chosen and cross-validated.

config            what is measured, tried and accepted, as data: `published` and `validated`
feature_table     feature vectors of a cohort's predictions
clustering        scale, project, k-means; how reproducible each number of clusters is
search_space      the rules that are tried, each with its grid of thresholds
case_components   what rules ask about the label components of a case
case_probabilities  probabilities of a case, of nnU-Net or of lab out-of-fold
component_rules   rules applied to the label components of a case, without its images
lost_lesions      which lesions of the reference rules remove
loss_limit        how many these may be
grid_variants     what the grid points of one parameter make of a case
search_case       a case and its variants, also after minimum probabilities of labels
low_thresholds    which are tabulated when they are first needed
score_cache       scores of the distinct variants that rules make of each case
journal           what an interrupted search has computed, so that it goes on
optimise          which rules a group of cases gets
cluster_rules     fit: clusters and the rules of each; apply: what a case gets
cross_validation  the same evaluated on held-out cases
effects           identity, one rule set for all, and one a cluster, with intervals
decision          which of them ships
gate_text         what `lab gate` wrote of learned gates, in sentences
freeze            all of it as the artefact that the container reads

`fit`, `apply`, `cross_validate` and `decide` take the same: features, score cache, configuration.
"""

# verb -> (module of this room, what it does, example, whether it goes on where it stopped)
VERBS = {
    "features": (
        "features",
        "describe out-of-fold predictions",
        "features --model weights/my-gli --cohort COHORT --predictions oof --out work",
    ),
    "fit": (
        "fit",
        "fit clusters to features, and show how reproducible they are",
        "fit work",
    ),
    "search": (
        "search",
        "choose rules for each cluster, cross-validated",
        "search work --jobs 8",
        True,
    ),
    "explain": (
        "explain.explain",
        "show what a search did: clusters, curves, effect",
        "explain work --html page.html",
    ),
    "freeze": (
        "freeze",
        "ship what a search decided",
        "freeze work --model weights/my-gli",
    ),
    "import-rules": (
        "import_rules",
        "take over rules of nnU-Net, HOPE or MIST, or write them",
        "import-rules strategy.json --scheme brats-gli --out rules.json",
    ),
}
