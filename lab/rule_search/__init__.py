"""Adaptive post-processing: features -> clusters -> rules a cluster, chosen and judged out of fold.

config      what is measured, tried and believed, as data: `published` and `validated`
table       feature vectors of a cohort's predictions
chain       scale, project, k-means; how stable each number of clusters is
atom_rules  rules applied to the components of a case, without its images
cache      scores of the distinct states that rules make of each case
choose      which rules a group of cases gets
crossfit    clusters and rules judged on cases that chose neither
effects     what identity, one rule set for all, and one a cluster do, with intervals
freeze      all of it as the artefact that the container reads
"""

# verb -> (module of this room, what it does, example)
VERBS = {
    "features": (
        "features",
        "describe out-of-fold predictions",
        "features --model weights/my-gli --cohort COHORT --predictions oof --out work",
    ),
    "fit": (
        "fit",
        "fit clusters to features, and see which are found again",
        "fit work",
    ),
    "search": (
        "search",
        "choose rules for each cluster, judged out of fold",
        "search work --jobs 8",
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
        "read HOPE tables or MIST strategies, or write them",
        "import-rules strategy.json --scheme brats-gli --out rules.json",
    ),
}
