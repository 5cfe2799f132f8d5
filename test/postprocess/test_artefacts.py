"""The frozen files: a round trip, and each way in which they can be wrong."""

import hashlib
import io
import json

import numpy as np
import pytest
from cubes import GLI, PANTHER, PED, make_artefacts

from postprocess import artefacts as artefacts_module
from postprocess.artefacts import ArtefactError, load_artefacts, save_artefacts
from postprocess.feature_names import GROUPS, group_names


@pytest.fixture
def folder(tmp_path):
    save_artefacts(tmp_path, make_artefacts())
    return tmp_path


def rewrite(folder, change):
    """Change the JSON document in place."""
    path = folder / "postprocess.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rewrite_arrays(folder, **changes):
    """Change arrays (None drops one), and put the right hash into the JSON file."""
    with np.load(folder / "clusters.npz") as archive:
        arrays = {**archive, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value for key, value in arrays.items() if value is not None})
    (folder / "clusters.npz").write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    rewrite(folder, lambda document: document.update(clusters_sha256=sha256))


def test_a_folder_without_files_gives_the_identity(tmp_path):
    artefacts = load_artefacts(tmp_path, GLI)
    assert artefacts.model is None
    assert artefacts.scheme is GLI


def test_files_come_back_as_they_were_and_to_the_same_bytes(folder, tmp_path_factory):
    saved, loaded = make_artefacts(), load_artefacts(folder, GLI)
    assert loaded.clusters == saved.clusters
    assert loaded.fallback == saved.fallback
    assert loaded.feature_names == saved.feature_names
    assert loaded.fit == saved.fit
    for name, array in vars(saved.model).items():
        np.testing.assert_array_equal(getattr(loaded.model, name), array)
    again = tmp_path_factory.mktemp("again")
    save_artefacts(again, loaded)
    for name in ("postprocess.json", "clusters.npz"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(path.name for path in again.iterdir()) == ["clusters.npz", "postprocess.json"]


def test_an_artefact_of_the_former_schema_is_read_in_the_words_of_today(folder):
    def change(document):
        rows = [{"arm": "pooled", "gain": 0.1}]
        fit = document["fit"] | {"recipe": "sound", "how": "nested", "held_out": rows}
        del fit["config"]
        document.update(schema=2, fit=fit)
        document["fallback"]["rules"][0]["becomes"] = "enclosing"

    rewrite(folder, change)
    loaded = load_artefacts(folder, GLI)
    assert loaded.fallback.rules[0].becomes == "surrounding"
    assert (loaded.fit["config"], loaded.fit["validation"]) == ("validated", "nested")
    assert loaded.fit["held_out"] == [{"method": "pooled", "gain": 0.1}]
    assert loaded.clusters == make_artefacts().clusters


def test_an_artefact_of_schema_5_measures_distances_along_its_components(folder):
    rewrite_arrays(folder, all_features=None)
    rewrite(folder, lambda document: document.update(schema=5))
    loaded = load_artefacts(folder, GLI)
    assert not loaded.model.all_features
    assert [a.distance for a in loaded.known_answers] == [
        answer.distance for answer in make_artefacts().known_answers
    ]


def test_features_of_every_group_are_accepted(tmp_path):
    names = [group_names(GLI, group)[0] for group in GROUPS[:4]]  # GLI has no JSON inputs
    artefacts = make_artefacts()
    names = (*artefacts.feature_names[: -len(names)], *names[1:], "mask_tumour_MeanDistance")
    save_artefacts(tmp_path, artefacts_module.replace(artefacts, feature_names=names))
    assert load_artefacts(tmp_path, GLI).feature_names == names


def test_no_case_is_named(folder):
    assert "case-" not in (folder / "postprocess.json").read_text()
    assert make_artefacts(PANTHER).feature_names[14] == "t1_firstorder_10Percentile"


@pytest.mark.parametrize("missing", ["postprocess.json", "clusters.npz"])
def test_half_of_the_files_is_refused(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ArtefactError, match=f"{missing}: missing"):
        load_artefacts(folder, GLI)


@pytest.mark.parametrize(
    "key",
    [
        "schema",
        "scheme",
        "labels",
        "feature_names",
        "extractor",
        "clusters",
        "fallback",
        "no_credible_component",
        "known_answers",
        "clusters_sha256",
        "fit",
    ],
)
def test_every_key_is_needed(folder, key):
    rewrite(folder, lambda document: document.pop(key))
    with pytest.raises(ArtefactError, match=rf"postprocess.json: '{key}' is missing"):
        load_artefacts(folder, GLI)


def swap_names(document):
    names = document["feature_names"]
    names[0], names[1] = names[1], names[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=7), "schema 7 is newer than this program, which reads 2 to 6"),
        (lambda d: d.update(schema=1), "schema 1 is not one of 2 to 6; fit the rules again"),
        (lambda d: d.update(schema=0), "schema 0"),
        (lambda d: d.update(schema="1"), "schema"),
        (lambda d: d.update(thresholds={}), "thresholds"),
        (lambda d: d.update(scheme="brats-ped"), "brats-ped"),
        (lambda d: d["labels"].update(ET=1), "'ET': 1"),
        (lambda d: d["feature_names"].append("t9_glcm_MCC"), "t9_glcm_MCC"),
        (lambda d: d["feature_names"].append("mask_ED_Share"), "mask_ED_Share"),
        (lambda d: d["feature_names"].append("shape_Flatness"), "twice"),
        (swap_names, "clusters.npz: feature_names"),
        (lambda d: d["extractor"].update(version="2.0.1"), r"2\.0\.1, but pyradiomics 3"),
        (lambda d: d["extractor"].update(name="mirp"), "mirp"),
        (lambda d: d["extractor"]["settings"].update(binWidth=25), "25"),
        (lambda d: d["clusters"].pop(), "2 clusters, but postprocess.json has 386 and 1"),
        (lambda d: d["clusters"][0]["rules"][0].update(label="ED"), "'ED'"),
        (lambda d: d["clusters"][0].pop("max_distance"), "max_distance"),
        (lambda d: d["clusters"][0].update(max_distance=-1), "-1"),
        (lambda d: d["clusters"][0].update(max_distance="far"), "far"),
        (lambda d: d["clusters"][0].update(max_distance=float("inf")), "inf"),
        (lambda d: d["fallback"].update(name="cluster 4"), "cluster 4"),
        (lambda d: d["fallback"].update(name="identity"), "identity"),
        (lambda d: d["known_answers"].pop(), "1 known answers"),
        (lambda d: d["known_answers"][0].update(cluster=7), "not in 7"),
        (lambda d: d["known_answers"][0].update(distance=0.5), "at 0.5"),
        (lambda d: d["known_answers"][0]["features"].pop(), "385 features"),
        (lambda d: d["known_answers"][0]["features"].__setitem__(5, None), "None"),
        (lambda d: d["known_answers"][0]["features"].__setitem__(5, 1e6), "known answer 0"),
        (lambda d: d.update(clusters_sha256="0" * 64), "clusters.npz: sha256"),
        (lambda d: d["fit"].pop("scorer"), "scorer"),
        (lambda d: d["fit"].pop("gain_interval"), "gain_interval"),
        (lambda d: d["fit"].update(gain_interval=[0.1]), "gain_interval"),
    ],
)
def test_a_wrong_document_is_refused_by_name(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(ArtefactError, match=message):
        load_artefacts(folder, GLI)


def test_wrong_settings_with_the_right_hash_are_refused(folder):
    def change(document):
        settings = {**document["extractor"]["settings"], "resampledPixelSpacing": [1, 1, 1]}
        settings_hash = artefacts_module_hash(settings)
        document["extractor"].update(settings=settings, settings_sha256=settings_hash)

    rewrite(folder, change)
    with pytest.raises(ArtefactError, match="resampledPixelSpacing"):
        load_artefacts(folder, GLI)


def artefacts_module_hash(settings):
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centres": None}, "centres"),
        ({"labels_": np.zeros(3)}, "labels_"),
        ({"feature_names": None}, "feature_names"),
        ({"centres": np.array([[1, None, 2], [3, 4, 5]], object)}, "pickle"),
        ({"centres": np.zeros((2, 3), np.float32)}, "float32"),
        ({"centres": np.array([[3.0, 0, 0], [-3.0, 0, 0.1]])}, "known answer"),
        ({"feature_scale": np.zeros(386)}, "feature_scale"),
    ],
)
def test_wrong_arrays_are_refused_though_their_hash_is_right(folder, changes, message):
    rewrite_arrays(folder, **changes)
    with pytest.raises(ArtefactError, match=rf"clusters.npz: .*{message}"):
        load_artefacts(folder, GLI)


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"\xff\xfe", b"{}", b"null"])
def test_a_file_that_is_no_document_is_refused(folder, content):
    (folder / "postprocess.json").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"postprocess.json: "):
        load_artefacts(folder, GLI)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04N."])
def test_a_file_that_is_no_archive_is_refused(folder, content):
    (folder / "clusters.npz").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    rewrite(folder, lambda document: document.update(clusters_sha256=sha256))
    with pytest.raises(ArtefactError, match=r"clusters.npz: "):
        load_artefacts(folder, GLI)


def test_a_truncated_archive_is_refused(folder):
    content = (folder / "clusters.npz").read_bytes()[:-40]
    (folder / "clusters.npz").write_bytes(content)
    with pytest.raises(ArtefactError, match="sha256"):
        load_artefacts(folder, GLI)


def test_another_scheme_is_refused(folder):
    with pytest.raises(ArtefactError, match="brats-ped"):
        load_artefacts(folder, PED)


def paths(value, path=()):
    """Yield the path of every value in a JSON document, long lists by their first entry."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value[:1]) if isinstance(value, list) else items
    for key, inner in items:
        yield from paths(inner, (*path, key))


def test_whatever_is_put_anywhere_is_read_or_refused_but_never_crashes(folder):
    original = (folder / "postprocess.json").read_text()
    refused = 0
    for path in list(paths(json.loads(original)))[1:]:
        for wrong in (None, [[]], {}, "x", float("nan")):
            document = json.loads(original)
            inner = document
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = wrong
            (folder / "postprocess.json").write_text(json.dumps(document))
            try:
                load_artefacts(folder, GLI)
            except ArtefactError as error:
                assert "postprocess.json" in str(error) or "clusters.npz" in str(error)
                refused += 1
    assert refused > 150


def test_nothing_is_written_that_would_not_load(tmp_path):
    artefacts = make_artefacts()
    broken = artefacts_module.replace(artefacts, known_answers=artefacts.known_answers[:1])
    with pytest.raises(ArtefactError, match="known answers"):
        save_artefacts(tmp_path, broken)
    with pytest.raises(ArtefactError, match="no fitted model"):
        save_artefacts(tmp_path, load_artefacts(tmp_path, GLI))
    assert not list(tmp_path.iterdir())
