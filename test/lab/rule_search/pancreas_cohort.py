"""A dozen pancreases in files, each predicted with a false island."""

import json

import numpy as np
import SimpleITK

from challenge.scheme import SCHEMES
from ensemble.manifest import MANIFEST
from lab.__main__ import main
from lab.evaluation.formats import read_results
from lab.metrics.objective import objective_values
from lab.metrics.scorers import scorer_named
from lab.metrics.search_columns import search_columns

PANTHER = SCHEMES["panther-t1"]
CASES = 12


def write(path, array):
    """Write an array (z, y, x) as MetaImage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 3.0))
    SimpleITK.WriteImage(image, str(path))


def write_cohort(root):
    """Write a raw dataset, predictions, their probabilities and a model folder; return root."""
    rng = np.random.default_rng(3)
    for i in range(CASES):
        reference = np.zeros((10, 20, 20), np.uint8)
        reference[2:8, 4:14, 4:16] = 2
        reference[3:6, 6:10, 6 : 9 + i % 3] = 1
        prediction = reference.copy()
        prediction[8, 17, 16:18] = 1
        image = rng.normal(300, 30, reference.shape) + 50 * (reference == 1)
        write(root / "raw" / "imagesTr" / f"p{i:02d}_0000.mha", image.astype(np.float32))
        write(root / "raw" / "labelsTr" / f"p{i:02d}.mha", reference)
        write(root / "oof" / f"p{i:02d}.mha", prediction)
        sure = np.float32(rng.uniform(0.7, 0.95))
        probabilities = np.stack([prediction == c for c in range(3)]) * sure + (1 - sure) / 3
        (root / "npz").mkdir(exist_ok=True)
        np.savez_compressed(
            root / "npz" / f"p{i:02d}.npz", probabilities=probabilities.astype(np.float32)
        )
    dataset = {
        "channel_names": {"0": "t1"},
        "labels": {"background": 0, "tumour": 1, "pancreas": 2},
        "file_ending": ".mha",
    }
    (root / "raw" / "dataset.json").write_text(json.dumps(dataset))
    model = root / "weights" / "panther-t1"
    model.mkdir(parents=True)
    manifest = {"schema": 1, "model": "panther-t1", "scheme": "panther-t1", "members": []}
    (model / MANIFEST).write_text(json.dumps(manifest))
    return root


def features(root, work, *more):
    """Run `lab features` into a work folder of the cohort; return the exit code."""
    options = ["--cohort", root / "raw", "--predictions", root / "oof", "--scheme", "panther-t1"]
    return main(["features", *map(str, options), "--out", str(root / work), *map(str, more)])


def evaluated_mean(root, folder):
    """Return the mean overlap of a folder of label maps, by `lab evaluate` from its files."""
    out = folder.parent / "results.json"
    options = ["--predictions", folder, "--references", root / "raw" / "labelsTr", "--out", out]
    assert main(["evaluate", "--scorer", "panther", *map(str, options)]) == 0
    results, scorer = read_results(out), scorer_named("panther", PANTHER)
    columns = search_columns(scorer, PANTHER)
    scores = np.stack([results.column(*column) for column in columns], axis=-1)
    return float(objective_values(scores[:, None], columns, "overlap").mean())
