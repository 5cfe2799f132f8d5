"""Gates that learn: small classifiers of predicted components, judged on held-out cases.

gate_targets      what gates may look at, and what becomes of it
gate_cases        the components of each case: features, and what removing each is worth
relabelling       what it is worth to give each another label
classifiers       what is fitted, by scikit-learn, and the same as plain arrays
training          scaling, out-of-fold predictions and calibration on some cases
fit_gates         which classifier and which cut-off each label or region gets, if any
feature_weights   what a gate's decision rests on
removals          components that gates removed from cases that they did not see
held_out          the whole procedure on cases that it did not see
summary           what is printed
gate              the verb
"""

# verb -> (module of this room, what it does, example)
VERBS = {
    "gate": (
        "gate",
        "learn which predicted components to remove or relabel",
        "gate work --jobs 8",
    ),
}
