"""What is told of a label map in BIDS derivatives (L1')."""

from typing import Any

from nnunetv2_mstkd.datasets.back.record import Record
from nnunetv2_mstkd.datasets.back.source_images import SourceImages

ORIGINAL_SPACE = "orig"  # BIDS: the image's own space, where no file can be named


def sidecar(case: str, record: Record | None, title: str, sources: SourceImages | None) -> dict[str, Any]:
    """Return the sidecar of a label map: BIDS' own keys, then ours.

    BIDS demands SpatialReference of files without the entity space: label maps are on the grid of the images.

    Args:
        case: name of the case.
        record: of `mstkd predict`; None if there is none.
        title: of the labels.
        sources: whose images can be named by BIDS URIs; images of no such dataset are told by their file names alone.
    """
    told: dict[str, Any] = {"Description": f"Segmentation of {case}, labels: {title}", "Manual": False}
    if record is None:
        return {**told, "SpatialReference": ORIGINAL_SPACE}
    is_linked = sources is not None and sources.link is not None
    uris = {image: sources.uri(image) if sources is not None and is_linked else None for image in record.images}
    linked = [uri for uri in uris.values() if uri is not None]
    others = [image.name for image, uri in uris.items() if uri is None]
    return {
        **told,
        "SpatialReference": linked[0] if linked else ORIGINAL_SPACE,
        **({"Sources": linked} if linked else {}),
        **({"UnlinkedImages": others} if others else {}),
        "ModalitiesUsed": list(record.used),
        "ModalitiesAbsent": list(record.absent),
        "Model": dict(record.model),
    }
