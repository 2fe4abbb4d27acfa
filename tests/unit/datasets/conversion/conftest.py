"""Sources without a scan: what tests of the conversion start from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from source_layouts import MODALITIES, ROWS, write_source

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.source import SourceCase, SourceDataset
from nnunetv2_mstkd.modalities import Modalities

MSD_ORDER = ("FLAIR", "T1", "T1ce", "T2")  # of the volumes


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., SourceDataset]:
    """Return a function that writes a miniature source, and says what a scan of it finds."""

    def make(layout: str = "brats2021", **options) -> SourceDataset:
        folder = tmp_path / "source"
        written = write_source(folder, layout, clutter=False, **options)

        def images(case) -> dict[int, ChannelSource]:
            is_4d = layout == "msd-brain"
            return {
                MODALITIES.index(name): ChannelSource(
                    file, MSD_ORDER.index(name) if is_4d else None, 4 if is_4d else None
                )
                for name, file in case.images.items()
            }

        return SourceDataset(
            folder=folder,
            layout=layout,
            title=f"Miniature {layout}",
            modalities=Modalities(MODALITIES),
            label_set=LabelSet(
                {value: meaning for meaning, value in sorted(ROWS[layout].values.items(), key=lambda i: i[1])}
            ),
            cases=tuple(SourceCase(c.name, c.patient, images(c), c.label, c.note) for c in written),
        )

    return make


@pytest.fixture
def but() -> Callable[..., SourceDataset]:
    """Return a function that changes fields of one case of a source."""

    def change(source: SourceDataset, index: int, **fields) -> SourceDataset:
        cases = list(source.cases)
        cases[index] = replace(cases[index], **fields)
        return replace(source, cases=tuple(cases))

    return change
