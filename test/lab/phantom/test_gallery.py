"""The page of synthetic patients."""

from pathlib import Path

from lab import __main__ as lab


def test_a_gallery_shows_every_patient_and_refers_to_nothing(tmp_path: Path) -> None:
    arguments = ["phantom", "--kind", "brats-gli", "--cases", "3", "--seed", "5"]
    lab.main([*arguments, "--spacing", "6,6,6", "--out", str(tmp_path / "real")])
    page = tmp_path / "gallery.html"
    flags = ["--spacing", "6,6,6", "--gallery", str(page), "--beside", str(tmp_path / "real")]
    assert lab.main([*arguments, *flags]) == 0
    text = page.read_text()
    assert text.count("<img") == 3 * 4 + 3 * 5  # beside: four sequences; synthetic: and the labels
    assert text.count("a real patient") == 3
    assert "http" not in text
    # Five panels share the width, and wrap where they would be too small: none is cut off.
    assert text.count('<div class="strip" style="--panels: 5">') == 3
    assert "flex-wrap: wrap" in text
    assert "overflow-x: auto; width" not in text
    assert text.count("labels, on t") == 2 * 3  # caption and description
    assert not (tmp_path / "imagesTr").exists()


def test_abdomens_of_any_scanner_are_others_than_those_of_panther(tmp_path: Path) -> None:
    pages = []
    for word in ("", "--anywhere"):
        page = tmp_path / f"gallery{word}.html"
        arguments = ["--cases", "1", "--seed", "5", "--spacing", "8,8,8", "--gallery", str(page)]
        assert lab.main(["phantom", "--kind", "panther-t1", *arguments, *word.split()]) == 0
        pages.append(page.read_text())
    assert pages[0] != pages[1]
    assert [text.count("<img") for text in pages] == [2, 2]
