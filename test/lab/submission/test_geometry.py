"""Any bit of geometry that differs from the scan's is reported, with its sign."""

import gzip
from pathlib import Path

import files
import nibabel
import numpy as np
import pytest
import SimpleITK
from outputs import FILE, FIRST, Say, only, patch_header, rewrite, rewrite_image


@pytest.mark.parametrize(("mm", "verdict"), [(3.0, "rejects"), (-3.0, "accepts")])
def test_an_origin_off_either_way(brats: Path, say: Say, mm: float, verdict: str) -> None:
    """Along z, where SimpleITK and NIfTI agree on the sign."""
    path = brats / "output" / FILE
    header = nibabel.load(path).header
    patch_header(path, qoffset_z=-72 + mm, srow_z=[*header["srow_z"][:3], -72 + mm])
    difference = (
        f"(prediction - scan (+0, +0, {mm:+g}), sum {mm:+g}, which the 2026 check {verdict})"
    )
    level = only(
        say(brats), FIRST, f"origin (-90, 126, {-72 + mm:g}), the scan's", difference, "qoffset_z"
    )
    assert level == "FAULT"


@pytest.mark.parametrize("mm", [0.9, 1.1])
def test_a_spacing_off_either_way(brats: Path, say: Say, mm: float) -> None:
    path = brats / "output" / FILE
    patch_header(path, pixdim=[-1, 1, 1, mm, 1, 1, 1, 1], srow_z=[0, 0, mm, -72])
    verdict = "rejects" if mm > 1 else "accepts"
    level = only(say(brats), FIRST, "spacing (1, 1, ", f"sum {mm - 1:+.6g}", verdict, "pixdim")
    assert level == "FAULT"


def test_flipped_axes_in_nifti(brats: Path, say: Say) -> None:
    image = nibabel.load(brats / "output" / FILE)
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 17  # the last voxel of 18 comes first
    files.write_nifti(brats / "output" / FILE, np.asarray(image.dataobj)[::-1], files.LAS @ flipped)
    level = only(say(brats), FIRST, "axes RAS instead of LAS", "direction")
    assert level == "FAULT"


def test_another_size_and_swapped_axes(brats: Path, say: Say) -> None:
    rewrite(brats / "output" / FILE, lambda labels: labels.transpose(2, 1, 0))
    level = only(say(brats), FIRST, "size (20, 22, 18), the scan's (18, 22, 20)")
    assert level == "FAULT"


def test_a_header_reworded_by_another_writer_is_a_warning(brats: Path, say: Say) -> None:
    patch_header(brats / "output" / FILE, sform_code=1)
    level = only(say(brats), FIRST, "the affine is the same", "sform_code 1, the scan's 4")
    assert level == "WARN"


def test_an_affine_that_only_nibabel_reads_is_a_fault(brats: Path, say: Say) -> None:
    """SimpleITK reads the qform and nibabel, with which the orchestrator loads, the sform."""
    path = brats / "output" / FILE
    patch_header(path, srow_x=[-1, 0, 0, 95])
    level = only(
        say(brats), FIRST, f"not the geometry of {FIRST}-t1c.nii.gz: srow_x (-1, 0, 0, 95)"
    )
    assert level == "FAULT"


def test_another_byte_order_is_a_warning(brats: Path, say: Say) -> None:
    path = brats / "output" / FILE
    image = nibabel.load(path)
    header = image.header.as_byteswapped(">")
    swapped = nibabel.Nifti1Image(np.asarray(image.dataobj), None, header)
    path.write_bytes(gzip.compress(swapped.to_bytes()))
    assert only(say(brats), FIRST, "byte order >, the scan's <\n") == "WARN"


def test_a_scan_that_cannot_be_read_is_reported(brats: Path, say: Say) -> None:
    scan = brats / "input" / FIRST / f"{FIRST}-t1c.nii.gz"
    scan.write_bytes(b"nothing")
    only(say(brats), FIRST, f"geometry cannot be compared with that of {scan.name}")


@pytest.mark.parametrize("sign", [1, -1])
def test_either_sign_on_grand_challenge(panther: Path, say: Say, sign: int) -> None:
    def shift(image: SimpleITK.Image) -> None:
        x, y, z = image.GetOrigin()
        image.SetOrigin((x + sign * 2, y, z))

    rewrite_image(panther, shift)
    difference = f"prediction - scan ({sign * 2:+d}, +0, +0), sum {sign * 2:+d})"
    assert only(say(panther, "grand-challenge"), "0a1b-scan", "origin (", difference) == "FAULT"


@pytest.mark.parametrize("sign", [1, -1])
def test_the_last_bit_of_the_spacing_counts(panther: Path, say: Say, sign: int) -> None:
    def nudge(image: SimpleITK.Image) -> None:
        image.SetSpacing((1.1875, 1.1875, float(np.nextafter(3.3, 10 * sign))))

    rewrite_image(panther, nudge)
    only(say(panther, "grand-challenge"), "0a1b-scan", "spacing (", f"sum {4.44089e-16 * sign:+g}")


def test_lost_geometry_on_grand_challenge(panther: Path, say: Say) -> None:
    """What the platform's own template writes: a bare image of the array."""
    bare = SimpleITK.GetArrayFromImage
    rewrite_image(panther, lambda image: SimpleITK.GetImageFromArray(bare(image)))
    only(say(panther, "grand-challenge"), "0a1b-scan", "spacing (1, 1, 1)", "origin (0, 0, 0)")
