"""A MetaImage is read as SimpleITK reads it, and never what lies in memory behind its voxels."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import stored
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import agree

from challenge.case import CaseError
from challenge.headers import Because
from challenge.volume import read_volume

TEXTS = st.sampled_from(
    [
        "x",
        "",
        "two\nlines",
        "two\nlines\n\nand more",
        "a = b",
        "see: this",
        "\xe9\xff",
        "\t",
        "cr\rlf\r\n",
        "Offset",
        "x\nComment",
        "\0",
        "y" * 450,
        "first\nOffset = 7 8 9",
    ]
)
ORIGINS = ["Offset", "Position", "Origin", "ImagePosition"]
TURNS = ["TransformMatrix", "Rotation", "Orientation"]
ROTATIONS = [
    "1 0 0 0 1 0 0 0 1",
    "0 0 1 1 0 0 0 1 0",
    "0 -1 0 1 0 0 0 0 1",
    "0 1 0 1 0 0 0 0 1",
    ".8 -.6 0 .6 .8 0 0 0 1",
    "2 0 0 0 1 0 0 0 1",
    "1 0 0 .5 1 0 0 0 1",
    "1 0 0 1 0 0 0 0 1",
    "nan 0 0 0 1 0 0 0 1",
    "1 0 0",
]
NUMBERS = [
    "1 2 3",
    "1 2 3",
    "1.5 1 .7",
    "4 4 4",
    "5 6 7",
    "3e0 1 9",
    "0.5 0.25 3.3",
    "1e0 2 3 4",
    "-1 2 3",
    "1 0 3",
    "1,2,3",
    "1 x 3",
    "7 8",
    "1e-9 1 1",
]
YES, NO = ["True", "true", "T", "1"], ["False", "false", "0", "no"]


def subset(names: list[str], values: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(names), st.sampled_from(values), max_size=2)


@st.composite
def meta_files(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(sorted(stored.META_TYPES)))
    array = stored.voxels(stored.META_TYPES[kind])
    big, packed = draw(st.booleans()), draw(st.booleans())
    array = array.astype(array.dtype.newbyteorder(">" if big else "<"))
    content = zlib.compress(array.tobytes()) if packed else array.tobytes()
    order = draw(st.sampled_from(["BinaryDataByteOrderMSB", "ElementByteOrderMSB"]))
    spacing = draw(st.sampled_from(["ElementSpacing", "ElementSize"]))
    lines = {
        order: draw(st.sampled_from(YES if big else NO)),
        "CompressedData": draw(st.sampled_from(YES if packed else NO)),
        "DimSize": draw(st.sampled_from(["5 4 3", "5 4 3", "5.0 4 3", "5 4 3 9", "5 4", "5 0 3"])),
        "ElementType": kind,
        spacing: draw(st.sampled_from(NUMBERS)),
        **draw(subset(ORIGINS, NUMBERS)),
        **draw(subset(TURNS, ROTATIONS)),
    }
    # Before any text that could take it along: without it SimpleITK reads what lies in memory.
    size = str(len(content) + draw(st.sampled_from([0, 0, 0, -4, 30])))
    first = [("NDims", "3"), *([("CompressedDataSize", size)] if packed else [])]
    optional = {
        "BinaryData": draw(st.sampled_from(YES)),
        "Modality": "MET_MOD_MR",
        "ElementNumberOfChannels": "1",
        "DistanceUnits": "um",
        "HeaderSize": "0",
        "Comment": "c",
    }
    lines |= {name: text for name, text in optional.items() if draw(st.booleans())}
    texts = {f"00{n}0|0010": draw(TEXTS) for n in range(draw(st.integers(0, 3)))}
    items = draw(st.permutations(sorted((lines | texts).items())))
    items = [*first, *items, ("ElementDataFile", draw(st.sampled_from(["LOCAL", "Local"])))]
    between = draw(st.sampled_from([" = ", "=", ": ", "\t=\t"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return "".join(f"{n}{between}{v}{end}" for n, v in items).encode("latin-1") + content


@settings(max_examples=200)
@given(content=meta_files())
def test_any_metaimage_header_is_read_as_simpleitk_reads_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    agree(stored.placed(tmp_path_factory.getbasetemp() / "any.mha", content))


ARRAY = stored.voxels()
TWO_LINES = {"0010|4000": "first line\nsecond line", "0020|4000": "breath hold"}
READ: dict[str, dict[str, str | None]] = {
    "a text of two lines": TWO_LINES,
    "a text with a separator": {"0010|4000": "a = b: c"},
    "a text of a thousand letters": {"0010|4000": "x" * 1000},
    "an empty text": {"0010|4000": ""},
    "no object type": {"ObjectType": None},
    "an origin under another name": {"Offset": None, "Position": "7 8 9"},
    "two origins": {"Origin": "7 8 9"},
    "three origins": {"Origin": "7 8 9", "ImagePosition": "4 4 4"},
    "a rotation": {"TransformMatrix": None, "Rotation": "0 1 0 1 0 0 0 0 1"},
    "a rotation under two names": {"Orientation": "0 1 0 1 0 0 0 0 1"},
    "no origin": {"Offset": None, "TransformMatrix": None, "CenterOfRotation": None},
    "a size of elements alone": {"ElementSpacing": None, "ElementSize": "4 5 6"},
    "a size of elements beside": {"ElementSize": "4 5 6"},
    "a negative spacing": {"ElementSpacing": "1 -2 3"},
    "axes that are not of length 1": {"TransformMatrix": "2 0 0 0 1 0 0 0 1"},
    "sheared axes": {"TransformMatrix": "1 0 0 .5 1 0 0 0 1"},
    "yes as 1": {"BinaryData": "1"},
    "no byte order": {"BinaryDataByteOrderMSB": None, "CompressedData": None, "BinaryData": None},
    "local voxels": {"ElementDataFile": "local"},
    "a header size": {"HeaderSize": "-1"},
    "units, which ITK does not follow": {"DistanceUnits": "um"},
    "a slope, which ITK does not follow": {"ElementToIntensityFunctionSlope": "2"},
    "a fourth axis of one": {
        "NDims": "4",
        "DimSize": "5 4 3 1",
        "ElementSpacing": "1 2 3 4",
        "Offset": "1 2 3 4",
        "CenterOfRotation": "0 0 0 0",
        "TransformMatrix": "0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
    },
}


@pytest.mark.parametrize("fields", READ.values(), ids=READ)
def test_odd_headers_are_read(tmp_path: Path, fields: dict[str, str | None]) -> None:
    path = stored.placed(tmp_path / "a.mha", stored.metaimage(ARRAY, fields))
    assert agree(path)
    np.testing.assert_array_equal(read_volume(path, None).array, ARRAY)


@pytest.mark.parametrize("kind", stored.META_TYPES)
@pytest.mark.parametrize("packed", [True, False])
def test_every_type_has_the_bytes_that_metaio_gives_it(
    tmp_path: Path, kind: str, packed: bool
) -> None:
    """MET_LONG and MET_ULONG have four on every system."""
    array = stored.voxels(stored.META_TYPES[kind])
    content = stored.metaimage(array, {"ElementType": kind}, packed)
    assert agree(stored.placed(tmp_path / "a.mha", content))


def test_stock_nnunet_takes_a_fourth_axis_of_one_for_one_sequence(tmp_path: Path) -> None:
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    content = stored.metaimage(ARRAY, READ["a fourth axis of one"])
    path = stored.placed(tmp_path / "a.mha", content)
    images, properties = SimpleITKIO().read_images((str(path),))
    volume = read_volume(path, np.float32)
    np.testing.assert_array_equal(volume.array, images[0])
    assert list(volume.spacing_mm) == list(properties["spacing"])


def test_what_simpleitk_wrote_with_a_text_of_two_lines(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(ARRAY)
    image.SetSpacing((1.2, 1.2, 3))
    for key, text in TWO_LINES.items():
        image.SetMetaData(key, text)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"), True)
    assert agree(tmp_path / "a.mha")


@pytest.mark.parametrize("name", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_big_endian_voxels_under_either_name(tmp_path: Path, name: str) -> None:
    fields = {"BinaryDataByteOrderMSB": None, name: "True"}
    content = stored.metaimage(ARRAY.astype(">i2"), fields)
    assert agree(stored.placed(tmp_path / "a.mha", content))


def test_voxels_as_text(tmp_path: Path) -> None:
    header = stored.metaimage(ARRAY, {"BinaryData": "False"})[: -ARRAY.nbytes]
    text = " ".join(map(str, ARRAY.ravel())).encode() + b"\n"
    assert agree(stored.placed(tmp_path / "a.mha", header + text))
    with pytest.raises(CaseError, match="holds 58 bytes of voxels, its header declares 120"):
        read_volume(stored.placed(tmp_path / "b.mha", header + b" 7" * 29), None)


def test_a_header_size_skips_what_stands_between(tmp_path: Path) -> None:
    length = len(stored.metaimage(ARRAY, {"HeaderSize": "123"})) - ARRAY.nbytes
    content = stored.metaimage(ARRAY, {"HeaderSize": str(length + 5)})
    content = content[:length] + b"other" + content[length:]
    assert agree(stored.placed(tmp_path / "a.mha", content))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: z[:-40],
        lambda z: z[:20] + b"\0" * 9 + z[29:],
        lambda z: zlib.compress(zlib.decompress(z)[:-2]),
    ],
)
def test_damaged_voxels_are_refused_where_simpleitk_makes_some_up(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    packed = zlib.compress(stored.voxels().tobytes())
    fields = {"CompressedDataSize": str(len(spoil(packed)))}
    header = stored.metaimage(ARRAY, fields, packed=True)[: -len(packed)]
    path = stored.placed(tmp_path / "a.mha", header + spoil(packed))
    with pytest.raises(CaseError, match=r"a\.mha: cannot be read as MetaImage") as caught:
        read_volume(path, None)
    assert caught.value.because is Because.FEW_VOXELS


def test_a_place_that_a_text_takes_along_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """MetaIO takes the line after one without = for its value; so does SimpleITK."""
    content = stored.metaimage(ARRAY).replace(b"Offset", b"no separator\nOffset")
    path = stored.placed(tmp_path / "a.mha", content)
    assert agree(path)
    volume = read_volume(path, None)
    assert volume.geometry[:3, 3].tolist() == [0, 0, 0]
    assert "Offset is not read" in "".join(volume.remarks)
    assert "Offset is not read" in caplog.text


REFUSED: dict[str, tuple[dict[str, str | None], Because | None]] = {
    "two volumes": (
        {
            "NDims": "4",
            "DimSize": "5 4 3 2",
            "ElementSpacing": "1 1 1 1",
            "Offset": None,
            "TransformMatrix": None,
        },
        Because.NOT_3D,
    ),
    "more axes than MetaIO has room for": ({"NDims": "11"}, Because.NOT_3D),
    "two numbers a voxel": ({"ElementNumberOfChannels": "2"}, Because.NOT_GREY),
    "another file's voxels": ({"ElementDataFile": "/etc/passwd"}, Because.ELSEWHERE),
    "a list of files": ({"ElementDataFile": "LIST"}, Because.ELSEWHERE),
    "no spacing": ({"ElementSpacing": None}, Because.NO_SPACING),
    "a spacing of 0": ({"ElementSpacing": "1 0 3"}, Because.SPACING),
    "a spacing in metres": ({"ElementSpacing": "9e-4 9e-4 9e-4"}, Because.SPACING),
    "a spacing with commas": ({"ElementSpacing": "1,2,3"}, Because.NO_NUMBER),
    "an origin that is no number": ({"Offset": "nan 0 0"}, Because.NO_NUMBER),
    "numbers in two lines": ({"DimSize": "5 4\n3"}, Because.NO_NUMBER),
    "axes in a plane": ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, Because.DEGENERATE_AFFINE),
    "no voxel": ({"DimSize": "5 0 3"}, Because.NO_VOXELS),
    "terabytes": ({"DimSize": "50000 40000 3000"}, Because.TOO_LARGE),
    "fewer voxels than declared": ({"DimSize": "5 4 4"}, Because.FEW_VOXELS),
    "names": ({"ElementType": "MET_STRING"}, None),
}


@pytest.mark.parametrize(("fields", "because"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_for_a_reason(
    tmp_path: Path, fields: dict[str, str | None], because: Because | None
) -> None:
    path = stored.placed(tmp_path / "a.mha", stored.metaimage(ARRAY, fields))
    with pytest.raises(CaseError, match=r"a\.mha") as caught:
        read_volume(path, None)
    assert caught.value.because is because


def test_a_header_that_never_ends(tmp_path: Path) -> None:
    content = stored.metaimage(ARRAY).replace(b"Offset", b"x" * 5_000_000 + b"\nOffset")
    with pytest.raises(CaseError, match="no header that ends within 4194304 bytes") as caught:
        read_volume(stored.placed(tmp_path / "a.mha", content), None)
    assert caught.value.because is Because.LONG_HEADER


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """SimpleITK would end the whole program."""
    path = stored.placed(tmp_path / "caf\udce9.mha", stored.metaimage(ARRAY))
    assert read_volume(path, None).spacing_mm == (3, 2, 1)
