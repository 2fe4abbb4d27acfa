"""Which label maps cannot be those of their cases (L1')."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from nnunetv2_mstkd.datasets.audit.case_facts import CaseFacts
from nnunetv2_mstkd.datasets.audit.finding import Finding, some_of
from nnunetv2_mstkd.datasets.conversion.counted import counted

MAX_OUTSIDE = 0.1  # of the labelled voxels; cavities at the surface may be cut off with the skull


def check_label_maps(facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Yield which cases share their label map, voxel by voxel, and whose labels lie where no image shows anything."""
    holders: dict[str, list[str]] = defaultdict(list)
    for case in facts:
        if case.label_digest:
            holders[case.label_digest].append(case.name)
    for first, *others in holders.values():
        if others:
            told = (
                f"that of {first} is that of {counted(len(others), 'other case')} ({some_of(others)}), voxel by voxel"
            )
            yield Finding("warning", "label maps", f"{told}: whose is it? Restore those of the others")
    outside = {case.name: case.outside for case in facts if case.outside > MAX_OUTSIDE}
    if outside:
        told = ", ".join(f"{100 * share:.0f} % in {name}" for name, share in list(outside.items())[:3])
        message = (
            f"in {counted(len(outside), 'case')} ({some_of(list(outside))}) labels lie where all channels are 0: {told}"
        )
        yield Finding("warning", "label maps", f"{message}. Are they those of other cases, or of another grid?")
