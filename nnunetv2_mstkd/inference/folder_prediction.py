"""Predict a folder of cases, whatever each of them has (L3)."""

import contextlib
import errno
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from batchgenerators.utilities.file_and_folder_operations import save_pickle
from torch import Tensor

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import CaseError, OutputError, PredictionError
from nnunetv2_mstkd.inference.intake import Selection, check_images, find, previous_stage_file
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor, PreparedCase
from nnunetv2_mstkd.inference.pipeline import overlapped
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.inference.run_record import Manifest, Sidecar, input_facts, model_facts, versions, write_json
from nnunetv2_mstkd.modalities import ModalitySubset
from nnunetv2_mstkd.whole_file import whole_file

MANIFEST = "mstkd_run.json"
MAX_NAMES = 10  # listed of what is left alone
DONE, DONE_BEFORE, REFUSED, FAILED = "done", "done before", "refused", "failed"


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Args:
        save_probabilities: also write `<case>.npz` and `<case>.pkl`, as nnU-Net does.
        continue_prediction: leave alone what is finished.
        skip_on_error: predict what is sound, although other cases are not.
        preparing: threads that read and preprocess.
        finishing: threads that resample and write.
    """

    save_probabilities: bool = False
    continue_prediction: bool = False
    skip_on_error: bool = False
    preparing: int = 1
    finishing: int = 1


@dataclass(frozen=True)
class RunResult:
    """What became of the cases, by name."""

    status: dict[str, str]
    problems: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every case is done, and nothing in the folder was left over."""
        return not self.problems


@dataclass(frozen=True)
class ComputedCase:
    """A case that the network has seen.

    Args:
        started: when, on the clock `time.perf_counter`.
        check: what was found in its files.
        prepared: what the network took.
        logits: (C, *S).
        inference: how the model was applied.
    """

    started: float
    check: CaseCheck
    prepared: PreparedCase = field(repr=False)
    logits: Tensor = field(repr=False)
    inference: dict[str, Any]


class FolderPrediction:
    """One run over a folder.

    Args:
        predictor: with the model.
        selection: which images.
        output: folder to write; is made.
        options: how.
        say: takes a line for people.
    """

    def __init__(
        self,
        predictor: MissingModalityPredictor,
        selection: Selection,
        output: Path,
        options: RunOptions,
        say: Callable[[str], None] = print,
    ) -> None:
        self._predictor = predictor
        self._selection = selection
        self._output = output
        self._options = options
        self._say = say
        self._facts: dict[str, Any] = {
            "input": str(selection.folder.resolve()),
            "model": model_facts(predictor),
            "inference": self._inference,
            "versions": versions(),
        }
        name = MANIFEST if selection.num_parts == 1 else f"{Path(MANIFEST).stem}_{selection.part}.json"
        self._manifest = Manifest(output / name, self._facts)
        self._found: dict[str, Case] = {}  # by name, with the channels that the check will find empty

    def check(self) -> tuple[list[CaseCheck], list[Problem], list[Case]]:
        """Find and check everything; return the sound cases, all problems, and the cases that are finished already.

        Raises:
            CaseError, ModalityError: if the folder, the table or a modality's name cannot be used.
        """
        if self._output.resolve().is_relative_to(self._selection.folder.resolve()):
            raise CaseError(f"{self._output} lies in the input folder, where segmentations would be taken for images")
        found = find(self._selection, self._predictor)
        self._found = {case.name: case for case in found.cases}
        finished = [case for case in found.cases if self._options.continue_prediction and self._is_finished(case)]
        left = [case for case in found.cases if case not in finished]
        self._say(f"{len(found.cases)} cases, {len(finished)} of them finished before; checking the images ...")
        checks, problems = check_images(left, self._predictor, self._selection, self._options.preparing)
        for check in checks:
            self._say(f"  {check.case.name}: {check.case.subset(self._predictor.model.modalities)}")
            for warning in check.warnings:
                self._say(f"    warning: {warning}")
        if found.ignored:
            names = sorted({file.name for file in found.ignored})
            more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
            self._say(printable(f"  no images, left alone: {', '.join(names[:MAX_NAMES])}{more}"))
        return checks, [*found.problems, *problems], finished

    def run(self) -> RunResult:
        """Predict.

        Raises:
            CaseError: if anything is wrong with a case, unless such cases are to be skipped; nothing is predicted then.
            PredictionError: if a case fails on the way; likewise. What was finished stays.
            OutputError: if the output cannot be written; likewise.
        """
        checks, problems, finished = self.check()
        if problems and not self._options.skip_on_error:
            raise CaseError(_listed(problems))
        try:
            self._open_output(finished, problems)
            failures = self._predict(checks)
            self._manifest.write("finished")
        except BaseException as error:  # also Ctrl-C
            with contextlib.suppress(OSError):
                self._manifest.write("stopped")
            if isinstance(error, OSError):
                raise OutputError(self._not_written(error)) from error
            raise
        status = {name: entry["status"] for name, entry in self._manifest.cases.items()}
        return RunResult(status, (*problems, *failures))

    def _predict(self, checks: Sequence[CaseCheck]) -> list[Problem]:
        failures: list[Problem] = []
        options = self._options
        if checks:
            first = checks[0].case.subset(self._predictor.model.modalities)
            threading.Thread(target=self._predictor.warm_up, args=(first,)).start()
        stages = (self._prepare, self._compute, self._finish)
        outcomes = overlapped(checks, *stages, preparing=options.preparing, finishing=options.finishing)
        with contextlib.closing(outcomes):  # what is computed is written before an error is shown
            for number, (check, outcome) in enumerate(outcomes, 1):
                name, label = check.case.name, f"[{number}/{len(checks)}] {check.case.name}"
                if error := outcome.exception():
                    failures.append(self._failure(name, error))
                    self._say(f"{label} FAILED: {failures[-1].message}")
                    continue
                used, seconds = outcome.result()
                self._manifest.add(name, DONE, modalities=list(used.names), seconds=round(seconds, 2))
                self._say(f"{label}: {used}, {seconds:.1f} s")
        return failures

    def _failure(self, name: str, error: BaseException) -> Problem:
        """Note a case that failed; raise the error if the others are not to be predicted, or would fail, too."""
        if isinstance(error, OSError) and is_disk_full(error):
            raise error
        message = f"{type(error).__name__}: {error}"
        self._manifest.add(name, FAILED, messages=[message])
        if not self._options.skip_on_error:
            raise PredictionError(f"{name} failed: {message}. Finished cases are kept") from error
        return Problem(name, message)

    # the stages of a case -------------------------------------------------------------------------------------------

    def _prepare(self, check: CaseCheck) -> tuple[float, CaseCheck, PreparedCase]:
        started = time.perf_counter()
        file = previous_stage_file(self._selection, check.case, self._predictor)
        return started, check, self._predictor.prepare(check, previous_stage=file)

    def _compute(self, stage: tuple[float, CaseCheck, PreparedCase]) -> ComputedCase:
        planned = self._predictor.engine
        logits = self._predictor.predict_logits(stage[-1])
        if (used := self._predictor.engine) != planned:  # the first case tells
            self._say(f"engine {used.name}: {used.reason}")
            self._facts["inference"] = self._inference
        return ComputedCase(*stage, logits, self._inference)

    def _finish(self, computed: ComputedCase) -> tuple[ModalitySubset, float]:
        check, prepared, logits = computed.check, computed.prepared, computed.logits
        with_probabilities = self._options.save_probabilities
        prediction = self._predictor.finish(prepared, logits, return_probabilities=with_probabilities)
        identity = self._identity(self._found[check.case.name], computed.inference)
        sidecar = Sidecar(self._output, check.case.name)
        sidecar.remove()
        outputs = self._write(prediction, check.case.name)
        seconds = time.perf_counter() - computed.started
        sidecar.write(identity, prediction, outputs, seconds)
        return prediction.used, seconds

    def _write(self, prediction: Prediction, name: str) -> list[str]:
        """Write a case's files and return their names."""
        labels = self._output / f"{name}{self._predictor.model.file_ending}"
        prediction.save(labels)
        if prediction.probabilities is None:
            return [labels.name]
        arrays, properties = self._output / f"{name}.npz", self._output / f"{name}.pkl"
        with whole_file(arrays) as temporary:
            np.savez_compressed(temporary, probabilities=prediction.probabilities)
        with whole_file(properties) as temporary:
            save_pickle(prediction.properties, str(temporary))
        return [labels.name, arrays.name, properties.name]

    @property
    def _inference(self) -> dict[str, Any]:
        """How the model is applied, by what the first case may have shown of the engine."""
        return {**self._predictor.inference, "probabilities": self._options.save_probabilities}

    # the output -----------------------------------------------------------------------------------------------------

    def _open_output(self, finished: Sequence[Case], problems: Sequence[Problem]) -> None:
        self._output.mkdir(parents=True, exist_ok=True)
        # nnU-Net's evaluation and postprocessing seek these two beside segmentations
        write_json(self._output / "dataset.json", self._predictor.model.dataset_json)
        write_json(self._output / "plans.json", self._predictor.model.plans.plans)
        self._manifest.write("running")
        for case in finished:
            self._manifest.add(case.name, DONE_BEFORE)
        for problem in problems:
            self._say(f"  refused: {problem}")
        for name in dict.fromkeys(problem.case for problem in problems):
            messages = [problem.message for problem in problems if problem.case == name]
            self._manifest.add(name or ".", REFUSED, messages=messages)

    def _not_written(self, error: OSError) -> str:
        if is_disk_full(error):
            return (
                f"the disk of {self._output} is full. Finished cases are whole. Free some space, then repeat the "
                f"command with --continue_prediction"
            )
        return f"{self._output} cannot be written: {error}"

    def _is_finished(self, case: Case) -> bool:
        sidecar = Sidecar(self._output, case.name)
        if not sidecar.file.is_file():
            return False  # and no checksum of its images is needed
        try:
            return sidecar.is_finished(self._identity(case, self._inference))
        except OSError:  # the check of the images says what is wrong with them
            return False

    def _identity(self, case: Case, inference: dict[str, Any]) -> dict[str, Any]:
        """Return what the result depends on, given a case as it was found, and how the model is applied."""
        labels = previous_stage_file(self._selection, case, self._predictor)
        return {
            "files": input_facts(case, self._predictor.model.modalities),
            "previous_stage": None if labels is None else {"file": str(labels.resolve()), "sha256": sha256_of(labels)},
            "model": self._facts["model"],
            "inference": inference,
        }


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error of writing, or what caused it, is a lack of space: the system said so, or it shows.

    It shows in what `Prediction.save` reads back, which is an OutputError.
    """
    while error is not None:
        if isinstance(error, OutputError) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _listed(problems: Sequence[Problem]) -> str:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"nothing was predicted, because of {len(problems)} problem{'s' if len(problems) > 1 else ''}:\n{lines}\n"
        f"Mend the input, or predict the other cases with --on-error skip"
    )
