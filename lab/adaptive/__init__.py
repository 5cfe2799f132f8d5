"""Adaptive post-processing: features -> clusters -> rules a cluster, chosen and judged out of fold.

recipe      what is measured, tried and believed, as data: `paper` and `sound`
table       feature vectors of a cohort's predictions
chain       scale, project, k-means; how stable each number of clusters is
atom_rules  rules applied to the components of a case, without its images
ledger      scores of the distinct states that rules make of each case
choose      which rules a group of cases gets
crossfit    clusters and rules judged on cases that chose neither
effects     what identity, one rule set for all, and one a cluster do, with intervals
freeze      all of it as the artefact that the container reads
"""
