"""Does each region paint a label that says what the network said?

nnU-Net paints regions one after the other, as `regions_class_order` of dataset.json says. A voxel
keeps a region's label where no later region is predicted. If that label lies in a later region, or
outside of its own, the label map says what the network did not. nnU-Net does not check that.
"""

from collections.abc import Iterator, Mapping

from challenge.scheme import Head


def contradictions(head: Head) -> Iterator[str]:
    """Yield, for each region whose label contradicts it, why; nothing of a softmax head."""
    if head.kind != "regions":
        return
    regions = [set(region) for region in head.channels]
    for number, (region, label) in enumerate(zip(regions, head.paints, strict=True)):
        name = " + ".join(head.channels[number])
        if label not in region:
            yield f"{name} paints {label}, which is no part of it"
        elif any(label in later for later in regions[number + 1 :]):
            yield f"{name} paints {label}, also where no smaller region with {label} is predicted"


def order_without_any(head: Head, values: Mapping[str, int]) -> list[int]:
    """Return the regions_class_order in which no label contradicts its region; [] if none is.

    Args:
        head: of regions.
        values: label -> value in the training labels.
    """
    order = []
    for number, region in enumerate(head.channels):
        later = {label for other in head.channels[number + 1 :] for label in other}
        left = [label for label in region if label not in later]
        if len(left) != 1:
            return []
        order.append(values[left[0]])
    return order
