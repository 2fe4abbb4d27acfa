"""nnU-Net's fingerprint of a dataset whose cases may lack modalities (L3)."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchgenerators.utilities.file_and_folder_operations import load_json, save_json
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
from nnunetv2.paths import nnUNet_preprocessed
from tqdm import tqdm  # type: ignore[import-untyped]  # its stubs are a package of their own

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError, MSTKDError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.planning.combined_fingerprint import Analysis, combined
from nnunetv2_mstkd.planning.present_channels import PresentChannelsReader
from nnunetv2_mstkd.whole_file import whole_file

FINGERPRINT_FILE = "dataset_fingerprint.json"
MAX_TOLD = 10  # cases in a message


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
        fingerprint = combined(list(analyses.values()), modalities)
        folder.mkdir(parents=True, exist_ok=True)
        present = {case: analysis.present for case, analysis in analyses.items()}
        write_availability(folder / AVAILABILITY_FILE, Availability(modalities, present))
        with whole_file(file) as temporary:
            save_json(fingerprint, str(temporary))
        return fingerprint

    def _analyse(self, modalities: Modalities) -> list[Analysis]:
        tasks = list(self._tasks(modalities))
        shown: dict[str, Any] = {"total": len(tasks), "disable": not getattr(self, "show_progress_bar", True)}
        with _mapping(min(self.num_processes, len(tasks))) as map_:
            return list(tqdm(map_(analyse_case, tasks), desc="Extracting dataset fingerprint", **shown))

    def _tasks(self, modalities: Modalities) -> Iterator[_Task]:
        claimed = self._claimed(modalities)
        first = next(iter(self.dataset.values()))["images"][0]
        reader = determine_reader_writer_from_dataset_json(self.dataset_json, first)
        num_samples = int(self.num_foreground_voxels_for_intensitystats // len(self.dataset))  # as nnU-Net has it
        for case, files in self.dataset.items():
            images, label = files["images"], files["label"]
            yield _Task(case, images, label, reader, num_samples, modalities, claimed.get(case))

    def _claimed(self, modalities: Modalities) -> Mapping[str, ModalitySubset]:
        """Return what the table of the raw dataset says of each case; nothing without a table."""
        table = Path(self.input_folder) / AVAILABILITY_FILE
        if not table.is_file():
            return {}
        claimed = read_availability(table, modalities).present
        if unknown := sorted(set(claimed) - set(self.dataset)):
            more = ", ..." if len(unknown) > MAX_TOLD else ""
            print(
                f"{table} lists {len(unknown)} cases that the dataset does not have ({', '.join(unknown[:MAX_TOLD])}"
                f"{more}): are their names right? What they are said to have is not used"
            )
        return claimed


def analyse_case(task: _Task) -> Analysis:
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
    return Analysis(reader.present, shape, spacing, intensities, relative_size)


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
