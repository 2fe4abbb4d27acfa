"""What a scan of a dataset's folder finds (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_mstkd.cases.case import ChannelSource
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class SourceCase:
    """A scan of a patient, as it lies in the source.

    Args:
        name: identifier of the case in nnU-Net, and of its predictions.
        patient: whose scan it is: all of a patient's scans belong on one side of a split.
        images: channel -> where it is; a channel that is not here is absent.
        label: file of the reference; None if there is none.
        note: what is to be kept on record, as "label: automated"; empty for nothing.
        is_patient_told: whether anything tells the patient; else the case counts as one of its own.
    """

    name: str
    patient: str
    images: Mapping[int, ChannelSource]
    label: Path | None = None
    note: str = ""
    is_patient_told: bool = True


@dataclass(frozen=True)
class SourceDataset:
    """A dataset as it lies in the source.

    Args:
        folder: where it was found.
        layout: name of the layout, as `--layout` takes it.
        title: of the layout, for people.
        modalities: canonical names, in the channel order that is to be written.
        label_set: what the values of its label maps mean; None where the values themselves have to tell: `settle` of
            ambiguity.py.
        cases: sorted by name, those with a problem too.
        prediction_name: name of a case's file in the challenge, with `{case}`.
        partitions: name of a given partition of the patients (of FeTS) -> patient -> part.
        problems: what stops cases, or the whole ("" as the case).
        warnings: what should be known, and stops nothing ("" as the case for the whole).
        ignored: what was passed over, sorted -> why, as "test part"; a hidden folder stands for all that is in it.
        readings: layouts that it may have, where names do not tell which; empty where they do.
    """

    folder: Path
    layout: str
    title: str
    modalities: Modalities
    label_set: LabelSet | None
    cases: tuple[SourceCase, ...]
    prediction_name: str = "{case}.nii.gz"
    partitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    ignored: Mapping[Path, str] = field(default_factory=dict)
    readings: tuple[Layout, ...] = ()
