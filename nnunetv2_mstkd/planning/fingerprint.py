"""nnU-Net's fingerprint of a dataset whose cases may lack modalities (L3)."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import load_json, save_json
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.paths import nnUNet_preprocessed
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]  # its stubs are a package of their own

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError, MSTKDError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.planning.present_channels import PresentChannelsReader
from nnunetv2_mstkd.whole_file import whole_file

FINGERPRINT_FILE = "dataset_fingerprint.json"


@dataclass(frozen=True)
class _Task:
    """A case to analyse: what a worker needs for it."""

    case: str
    images: Sequence[str]
    label: str
    reader: type
    num_samples: int
    modalities: Modalities
    claimed: ModalitySubset | None


@dataclass(frozen=True)
class _Analysis:
    """What nnU-Net finds in a case.

    Args:
        present: what the case has.
        shape: after the crop.
        spacing: in nnU-Net's axis order.
        intensities: of sampled foreground voxels, for each present channel.
        relative_size: of the crop.
    """

    present: ModalitySubset
    shape: tuple[int, ...]
    spacing: Sequence[float]
    intensities: Sequence[NDArray]
    relative_size: float


class MSTKDFingerprintExtractor(DatasetFingerprintExtractor):
    """nnU-Net's fingerprint extractor, for which an absent modality is no data (`-fpe MSTKDFingerprintExtractor`).

    The zeros of an absent modality enter neither the statistics of the intensities, by which CT normalisation scales,
    nor the crop. A dataset that lacks nothing gets nnU-Net's fingerprint, bit by bit. Which modality of which case is
    absent is read from the images, and compared with the table of the raw dataset, if there is one; the table is
    written beside the fingerprint.
    """

    def run(self, overwrite_existing: bool = False) -> dict:
        """Return the fingerprint, and write it with the table of availability into the preprocessed dataset.

        Args:
            overwrite_existing: whether to extract it anew if it is there.

        Raises:
            CaseError: if a case cannot be used, or a modality is in no case.
            MSTKDError: if a worker was killed.
        """
        folder = Path(nnUNet_preprocessed, self.dataset_name)
        file = folder / FINGERPRINT_FILE
        if file.is_file() and not overwrite_existing:
            print(f"{file} is kept. If another extractor wrote it, let --clean replace it")
            return load_json(str(file))
        modalities = Modalities.from_dataset_json(self.dataset_json)
        analyses = dict(zip(self.dataset, self._analyse(modalities), strict=True))
        fingerprint = _combined(list(analyses.values()), modalities)
        folder.mkdir(parents=True, exist_ok=True)
        present = {case: analysis.present for case, analysis in analyses.items()}
        write_availability(folder / AVAILABILITY_FILE, Availability(modalities, present))
        with whole_file(file) as temporary:
            save_json(fingerprint, str(temporary))
        return fingerprint

    def _analyse(self, modalities: Modalities) -> list[_Analysis]:
        tasks = list(self._tasks(modalities))
        shown: dict[str, Any] = {"total": len(tasks), "disable": not getattr(self, "show_progress_bar", True)}
        with _mapping(min(self.num_processes, len(tasks))) as map_:
            return list(tqdm(map_(analyse_case, tasks), desc="Extracting dataset fingerprint", **shown))

    def _tasks(self, modalities: Modalities) -> Iterator[_Task]:
        table = Path(self.input_folder) / AVAILABILITY_FILE
        claimed = read_availability(table, modalities).present if table.is_file() else {}
        first = next(iter(self.dataset.values()))["images"][0]
        reader = determine_reader_writer_from_dataset_json(self.dataset_json, first)
        num_samples = int(self.num_foreground_voxels_for_intensitystats // len(self.dataset))  # as nnU-Net has it
        for case, files in self.dataset.items():
            images, label = files["images"], files["label"]
            yield _Task(case, images, label, reader, num_samples, modalities, claimed.get(case))


def analyse_case(task: _Task) -> _Analysis:
    """Have nnU-Net analyse the present channels of a case; runs in a worker.

    Raises:
        CaseError: if it cannot be used; the message names the case.
    """
    reader = PresentChannelsReader(task.reader(), task.modalities, task.claimed)
    try:
        shape, spacing, intensities, _, relative_size = DatasetFingerprintExtractor.analyze_case(
            list(task.images), task.label, lambda: reader, task.num_samples
        )
    except MemoryError:
        raise
    except Exception as error:  # of whichever reader
        told = str(error) if isinstance(error, MSTKDError) else f"{type(error).__name__}: {error}"
        raise CaseError(f"{task.case}: {told}") from error
    assert reader.present is not None  # it is set when the images are read
    return _Analysis(reader.present, shape, spacing, intensities, relative_size)


@contextmanager
def _mapping(num_processes: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield a `map` over worker processes, which loses no error: not even that one was killed.

    Raises:
        MSTKDError: if one was.
    """
    if num_processes <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")  # a fork while torch's threads run may never come back
    try:
        with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
            yield pool.map
    except BrokenProcessPool as error:
        raise MSTKDError(
            f"One of {num_processes} processes that read the cases was killed, as a rule because memory ran out. Take "
            f"fewer: -npfp 1 (nnUNetv2_extract_fingerprint: -np 1)"
        ) from error


def _combined(analyses: Sequence[_Analysis], modalities: Modalities) -> dict[str, Any]:
    """Return the fingerprint of all cases.

    Raises:
        CaseError: if no case has a modality, or none of these has foreground.
    """
    pooled = [_pooled(analyses, channel, name) for channel, name in enumerate(modalities)]
    dtype = np.result_type(*pooled)  # nnU-Net puts them into one array; a mean depends on its precision
    return {
        "spacings": [analysis.spacing for analysis in analyses],
        "shapes_after_crop": [analysis.shape for analysis in analyses],
        "foreground_intensity_properties_per_channel": {
            channel: _statistics(values.astype(dtype, copy=False)) for channel, values in enumerate(pooled)
        },
        "median_relative_size_after_cropping": np.median([analysis.relative_size for analysis in analyses], 0),
    }


def _pooled(analyses: Sequence[_Analysis], channel: int, name: str) -> NDArray[np.floating]:
    """Return the sampled intensities of a channel, of all cases that have it."""
    having = [analysis for analysis in analyses if analysis.present.present[channel]]
    if not having:
        raise CaseError(f"No training case has {name}: take it out of dataset.json, and its volumes out of the images")
    values = np.concatenate([analysis.intensities[analysis.present.channels.index(channel)] for analysis in having])
    if not len(values):
        raise CaseError(f"No training case that has {name} has foreground in its label map")
    return values


def _statistics(values: NDArray[np.floating]) -> dict[str, float]:
    """Return nnU-Net's statistics of a channel."""
    low, median, high = np.percentile(values, np.array((0.5, 50.0, 99.5)))
    return {
        "mean": float(np.mean(values)),
        "median": float(median),
        "std": float(np.std(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "percentile_99_5": float(high),
        "percentile_00_5": float(low),
    }
