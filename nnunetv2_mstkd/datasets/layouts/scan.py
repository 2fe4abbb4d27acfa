"""Which cases a dataset holds, by names alone; no image is opened (L1')."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.layouts.ambiguity import readings_with
from nnunetv2_mstkd.datasets.layouts.challenge_test_part import challenge_test_part
from nnunetv2_mstkd.datasets.layouts.contrast_sidecar import sidecar_problems
from nnunetv2_mstkd.datasets.layouts.dseg_table import label_set_of_tables
from nnunetv2_mstkd.datasets.layouts.found_case import FoundCase
from nnunetv2_mstkd.datasets.layouts.label_set import CC, ED, ET, NCR, RC, LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import NIFTI, Layout
from nnunetv2_mstkd.datasets.layouts.partition import find_partitions
from nnunetv2_mstkd.datasets.layouts.recognition import is_excluded, layout_called, no_image_of, recognise
from nnunetv2_mstkd.datasets.layouts.source import SourceCase, SourceDataset
from nnunetv2_mstkd.datasets.layouts.source_files import SourceFile, SourceListing, list_source
from nnunetv2_mstkd.datasets.layouts.source_problems import problems_of
from nnunetv2_mstkd.datasets.layouts.volume_order import require_volume_order
from nnunetv2_mstkd.errors import ConversionError


@dataclass
class _Sorted:
    """The files of a dataset by what they are."""

    cases: dict[str, FoundCase] = field(default_factory=dict)
    unmatched: list[SourceFile] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def scan(
    folder: Path, layout: str | None = None, described: Layout | None = None, labels: LabelSet | None = None
) -> SourceDataset:
    """Find the cases of a dataset.

    Args:
        folder: into which the dataset was unpacked.
        layout: name of a known layout; by default it is recognised.
        described: a layout of the user's own, instead.
        labels: what the values of label maps mean, against what the layout says.

    Raises:
        ConversionError: if the layout is not recognised, nothing of it is there, a table of the dataset cannot be read,
            or it contradicts the layout.
    """
    given = _given(layout, described)
    listing = list_source(folder, NIFTI if given is None else given.endings)
    readings = recognise(listing) if given is None else (given,)
    found = _sorted(listing, readings[0])
    if not any(case.images for case in found.cases.values()):
        raise no_image_of(listing, readings[0])
    _leave_test_cases(found)
    if not any(case.images for case in found.cases.values()):
        raise ConversionError(f"{folder} has images of the test part only, without labels: nothing can be trained on")
    return _dataset(listing, readings, found, labels)


def _given(layout: str | None, described: Layout | None) -> Layout | None:
    if layout is not None and described is not None:
        raise ConversionError(f"Give the name of a layout ({layout!r}) or describe one, not both")
    return described if layout is None else layout_called(layout)


def _sorted(listing: SourceListing, layout: Layout) -> _Sorted:
    """Give each file to its case. What fits both as an image and as a label map is an image."""
    found = _Sorted()
    both: list[tuple[SourceFile, str]] = []
    for file in listing.files:
        if is_excluded(file.path, layout.excluded):
            found.passed_over[file.file] = "left out"
            continue
        image = layout.image_pattern.match(file.path)
        labels = [(i, m) for i, pattern in enumerate(layout.label_patterns) if (m := pattern.match(file.path))]
        if image:
            _case(found, image.values["case"], layout).images.append((file, image))
            both += [(file, match.values["case"]) for _, match in labels]
        elif labels:
            index, match = labels[0]
            _case(found, match.values["case"], layout).labels[index].append(file)
        else:
            found.unmatched.append(file)
    for file, name in both:
        if name in found.cases and found.cases[name].images:
            found.problems.append(Problem(name, f"{file.file} is its label map or another case's image: rename it"))
    return found


def _case(found: _Sorted, name: str, layout: Layout) -> FoundCase:
    return found.cases.setdefault(name, FoundCase(name, layout))


def _leave_test_cases(found: _Sorted) -> None:
    """Pass over the cases that need no label and have none."""
    test_part = challenge_test_part(found.cases.values())
    found.warnings += test_part.warnings
    for case in test_part.cases:
        found.passed_over |= {file.file: "test part" for file, _ in case.images}
        del found.cases[case.name]


def _dataset(
    listing: SourceListing, readings: Sequence[Layout], found: _Sorted, labels: LabelSet | None
) -> SourceDataset:
    """Return what the scan reports."""
    layout, cases = readings[0], dict(sorted(found.cases.items()))
    problems = [*listing.problems, *found.problems, *problems_of(layout, cases, found.unmatched, listing.folders)]
    sources = tuple(case.source_case() for case in cases.values() if case.images)
    if layout.strict_names:
        problems += sidecar_problems(layout.modalities, sources, listing.others)
    label_set = _label_set(readings, sources, listing, labels)
    named = readings if labels is None else readings_with(labels, readings)
    return SourceDataset(
        folder=listing.root,
        layout=named[0].name,
        title=named[0].title if label_set is None else " or ".join(reading.title for reading in named),
        modalities=layout.modalities,
        label_set=label_set,
        cases=sources,
        prediction_name=layout.prediction_name,
        partitions=find_partitions(layout, listing.others),
        problems=tuple(sorted(problems, key=lambda problem: problem.case)),
        warnings=(*found.warnings, *_plain_labels(label_set)),
        ignored=_ignored(listing, found),
        readings=tuple(readings) if label_set is None and len(readings) > 1 else (),
    )


def _plain_labels(label_set: LabelSet | None) -> Iterator[Problem]:
    """Tell that a tumour's labels make no regions, as somebody may expect them."""
    if label_set is not None and not label_set.is_tumour and set(label_set.meanings.values()) & {NCR, ED, ET, RC, CC}:
        told = ", ".join(f"{value}={meaning}" for value, meaning in label_set.meanings.items())
        yield Problem("", f"{told} become plain labels: regions need NCR, ED and ET, and besides these RC and CC only")


def _ignored(listing: SourceListing, found: _Sorted) -> dict[Path, str]:
    """Return what was passed over, with the reason."""
    others = {path: "hidden" if path.name.startswith(".") else "no image" for path in listing.others}
    unmatched = {file.file: "no image of this layout" for file in found.unmatched}
    unused = {file.file: "unused label map" for case in found.cases.values() for file in case.unused_labels}
    return dict(sorted((others | unmatched | unused | found.passed_over).items()))


def _label_set(
    readings: Sequence[Layout], cases: Sequence[SourceCase], listing: SourceListing, labels: LabelSet | None
) -> LabelSet | None:
    """Return what label maps mean, as far as the user, the layout or tables of the dataset say it."""
    layout = readings[0]
    an_image = next(iter(cases[0].images.values())).file
    require_volume_order(layout if labels is None else replace(layout, label_set=None), an_image, listing.others)
    if labels is not None or len(readings) > 1:
        return labels
    return layout.label_set or label_set_of_tables([case.label for case in cases if case.label], listing.others)
