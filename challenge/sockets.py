"""grand-challenge's input folder: which sockets it has, and whose challenge they are.

`inputs.json` decides what is there; without one, the folders under images/ and the JSON files that
some challenge knows.
"""

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

from challenge.case import CaseFiles, OutputFile
from challenge.challenges import SCHEMES
from challenge.description import InputSocket, OutputSocket, Scheme
from challenge.file_names import METAIMAGE_ENDING, SOCKET_ENDINGS
from challenge.folders import entries
from challenge.headers import CaseError
from challenge.input_cases import InputCases, InputError
from challenge.input_values import read_value

log = logging.getLogger("podium")

PLATFORM = "grand-challenge"
INPUTS = "inputs.json"
IMAGES = "images"


def socket_case(folder: Path, challenges: Collection[str] = ()) -> InputCases | None:
    """Return the one case of a grand-challenge input folder; None where it is none.

    Args:
        folder: as the platform hands it in.
        challenges: that models at hand answer; they come first where sockets fit several.

    Raises:
        InputError: the sockets fit no challenge, or several; an input is missing.
    """
    if (folder / INPUTS).is_file():
        source, places = folder / INPUTS, _places_in_json(folder / INPUTS)
    elif (folder / IMAGES).is_dir():
        source, places = folder / IMAGES, _places_in_folder(folder)
    else:
        return None
    slugs = list(places)
    scheme = scheme_of_sockets(slugs, source, challenges)
    present = [socket for socket in scheme.inputs if socket.slug in slugs]
    homes = {s.slug: _home(s, folder, places[s.slug]) for s in present}
    images = {s.sequence: _image_in(homes[s.slug]) for s in present if s.is_image}
    stem = _stem(images[scheme.geometry_from])
    outputs = tuple(_output_file(socket, stem) for socket in scheme.outputs)
    case = CaseFiles(
        id=stem,
        images=images,
        geometry_from=scheme.geometry_from,
        output=outputs[0].path,
        scheme=scheme.name,
        missing_sequences=tuple(name for name in scheme.sequences if name not in images),
        outputs=outputs,
        values={s.slug: _value_at(homes[s.slug], s) for s in present if not s.is_image},
        resampling={s.sequence: s.resampling for s in present if s.resampling},
        further_inputs=tuple(slug for slug in slugs if slug not in _by_slug(scheme)),
    )
    if case.further_inputs:
        log.warning(
            "%s: not read, unknown to %s: %s", source, scheme.name, ", ".join(case.further_inputs)
        )
    return InputCases(PLATFORM, (case,), {})


def scheme_of_sockets(
    slugs: Collection[str], source: Path, challenges: Collection[str] = ()
) -> Scheme:
    """Return the challenge whose input sockets these are.

    Raises:
        InputError: no challenge has just these, or several have.
    """
    with_sockets = [scheme for scheme in SCHEMES.values() if scheme.has_sockets]
    fitting = [scheme for scheme in with_sockets if not _misfits(scheme, slugs)]
    most = max((len(_shared(scheme, slugs)) for scheme in fitting), default=0)
    fitting = [scheme for scheme in fitting if len(_shared(scheme, slugs)) == most]
    fitting = [scheme for scheme in fitting if scheme.name in challenges] or fitting
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(slugs) or "none"
    if fitting:
        names = ", ".join(scheme.name for scheme in fitting)
        raise InputError(f"{source}: sockets {listed} are those of several challenges ({names})")
    nearest = max(with_sockets, key=lambda scheme: len(_shared(scheme, slugs)))
    if not _shared(nearest, slugs):
        known = "; ".join(f"{s.name}: {', '.join(_by_slug(s))}" for s in with_sockets)
        raise InputError(f"{source}: sockets of one challenge expected ({known}), found {listed}")
    misfits = "; ".join(_misfits(nearest, slugs))
    raise InputError(f"{source}: not the sockets of {nearest.name}: {misfits}")


def _by_slug(scheme: Scheme) -> dict[str, InputSocket]:
    return {socket.slug: socket for socket in scheme.inputs}


def _shared(scheme: Scheme, slugs: Iterable[str]) -> set[str]:
    return _by_slug(scheme).keys() & set(slugs)


def _misfits(scheme: Scheme, slugs: Collection[str]) -> list[str]:
    """Say what a list of sockets lacks of a challenge's, and has beside them."""
    missing = [s.slug for s in scheme.inputs if s.slug not in slugs and not s.is_optional]
    further = [slug for slug in slugs if slug not in _by_slug(scheme)]
    if scheme.ignores_further_inputs and _shared(scheme, slugs):
        further = []
    parts = (("missing", missing), ("unknown", further))
    return [f"{what} {', '.join(names)}" for what, names in parts if names]


def _places_in_json(path: Path) -> dict[str, Path | None]:
    """Return the sockets that inputs.json names, under either key of them, and where it puts them.

    A place that leaves the input folder counts as none.
    """
    try:
        content = read_value(path)
    except CaseError as error:
        raise InputError(str(error)) from error
    try:
        sockets = [entry.get("socket") or entry["interface"] for entry in content]
        slugs = [str(socket["slug"]) for socket in sockets]
        places = [Path(str(socket.get("relative_path") or "")) for socket in sockets]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a list of sockets ({error!r})") from error
    if twice := sorted({slug for slug in slugs if slugs.count(slug) > 1}):
        raise InputError(f"{path}: socket {', '.join(twice)} is there twice")
    pairs = zip(slugs, places, strict=True)
    return {slug: place if _is_inside(place) else None for slug, place in pairs}


def _is_inside(place: Path) -> bool:
    return bool(place.parts) and not place.is_absolute() and ".." not in place.parts


def _places_in_folder(folder: Path) -> dict[str, Path | None]:
    """Return the sockets whose places exist; a folder that is none's stands for itself."""
    sockets = [socket for scheme in SCHEMES.values() for socket in scheme.inputs]
    homes = [Path(IMAGES, p.name) for p in entries(folder / IMAGES) if p.is_dir()]
    known = {socket.location: socket.slug for socket in sockets if socket.is_image}
    images: dict[str, Path | None] = {known.get(home, home.name): home for home in homes}
    values = [s for s in sockets if not s.is_image and (folder / s.location).is_file()]
    return images | {socket.slug: socket.location for socket in values}


def _home(socket: InputSocket, folder: Path, stated: Path | None) -> Path:
    """Return a socket's folder or file: the description's, else where inputs.json puts it."""
    described = folder / socket.location
    if described.exists() or stated is None or not (folder / stated).exists():
        return described
    log.warning("%s: at %s, as %s says, not at %s", socket.slug, stated, INPUTS, socket.location)
    return folder / stated


def _image_in(home: Path) -> Path:
    images = [path for path in entries(home) if path.name.endswith(SOCKET_ENDINGS)]
    if len(images) != 1:
        names = ", ".join(path.name for path in images) or "none"
        endings = ", ".join(SOCKET_ENDINGS)
        raise InputError(f"{home}: exactly one image ({endings}) expected, found {names}")
    return images[0]


def _value_at(path: Path, socket: InputSocket) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file, though {socket.slug} is among the inputs")
    return path


def _output_file(socket: OutputSocket, stem: str) -> OutputFile:
    is_image = socket.kind != "value"
    path = socket.location / f"{stem}{METAIMAGE_ENDING}" if is_image else socket.location
    return OutputFile(path, socket)


def _stem(path: Path) -> str:
    ending = next(ending for ending in SOCKET_ENDINGS if path.name.endswith(ending))
    return path.name.removesuffix(ending)
