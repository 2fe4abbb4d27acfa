"""Predict a folder of cases, whatever each of them has (L3)."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.errors import CaseError, OutputError, PredictionError
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.file_watch import FileWatch
from nnunetv2_mstkd.inference.folder_output import DONE, FAILED, FolderOutput, is_disk_full
from nnunetv2_mstkd.inference.intake import Selection, check_images, find, previous_stage_file
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.pipeline import overlapped
from nnunetv2_mstkd.inference.prepared_case import PreparedCase
from nnunetv2_mstkd.inference.result_identity import ResultIdentity
from nnunetv2_mstkd.inference.run_facts import versions
from nnunetv2_mstkd.inference.run_options import RunOptions, RunResult
from nnunetv2_mstkd.inference.run_text import found_lines, refusal
from nnunetv2_mstkd.modalities import ModalitySubset


@dataclass(frozen=True)
class ComputedCase:
    """A case that the network has seen.

    Args:
        started: when, on the clock `time.perf_counter`.
        prepared: what the network took.
        logits: (C, *S).
        inference: how the model was applied.
    """

    started: float
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
        self._modalities = predictor.model.modalities
        self._selection = selection
        self._options = options
        self._say = say
        self._identity = ResultIdentity(predictor, selection, options)
        self._told = {predictor.engine}
        self._engines: list[str] = []  # that predicted something
        self._facts: dict[str, Any] = {
            "input": str(selection.folder.resolve()),
            "model": self._identity.model,
            "inference": self._identity.applied(predictor.inference),
            "versions": versions(),
        }
        part = None if selection.num_parts == 1 else selection.part
        self._output = FolderOutput(output, predictor.model, self._facts, part)
        self._found: dict[str, Case] = {}  # by name, with the channels that the check will find empty
        self._watch = FileWatch()

    def check(self) -> tuple[list[CaseCheck], list[Problem], list[Case]]:
        """Find and check everything; return the sound cases, all problems, and the cases that are finished already.

        Raises:
            CaseError, ModalityError: if the folder, the table or a modality's name cannot be used.
        """
        folder = self._output.folder
        if folder.resolve().is_relative_to(self._selection.folder.resolve()):
            raise CaseError(f"{folder} lies in the input folder, where segmentations would be taken for images")
        found = find(self._selection, self._predictor)
        self._found = {case.name: case for case in found.cases}
        finished = [case for case in found.cases if self._is_finished(case)]
        left = [case for case in found.cases if case not in finished]
        self._say(f"{len(found.cases)} cases, {len(finished)} of them finished before; checking the images ...")
        for case in left:
            self._watch.note(case.name, self._identity.files(case))
        checks, problems = check_images(left, self._predictor, self._selection, self._options.preparing)
        for line in found_lines(checks, found.ignored, self._modalities):
            self._say(line)
        return checks, [*found.problems, *problems], finished

    def _is_finished(self, case: Case) -> bool:
        return self._options.continue_prediction and self._identity.is_finished(case, self._output.sidecar(case.name))

    def run(self) -> RunResult:
        """Predict.

        Raises:
            CaseError: if anything is wrong with a case, unless such cases are to be skipped; nothing is predicted then.
            PredictionError: if a case fails on the way; likewise. What was finished stays.
            OutputError: if the output cannot be written; likewise.
        """
        checks, problems, finished = self.check()
        if problems and not self._options.skip_on_error:
            raise CaseError(refusal(problems))
        output, manifest = self._output, self._output.manifest
        try:
            removed = output.open([case.name for case in finished], problems)
            for line in (*(f"refused: {problem}" for problem in problems), *removed):
                self._say(f"  {printable(line)}")
            failures = self._predict(checks)
            manifest.write("finished")
        except BaseException as error:  # also Ctrl-C
            with contextlib.suppress(OSError):
                manifest.write("stopped")
            if isinstance(error, OSError):
                raise OutputError(output.not_written(error)) from error
            raise
        status = {name: entry["status"] for name, entry in manifest.cases.items()}
        return RunResult(status, (*problems, *failures))

    def _predict(self, checks: Sequence[CaseCheck]) -> list[Problem]:
        failures: list[Problem] = []
        if checks:
            first = checks[0].case.subset(self._modalities)
            threading.Thread(target=self._predictor.warm_up, args=(first,)).start()
        preparing, finishing = self._options.preparing, self._options.finishing
        outcomes = overlapped(
            checks, self._prepare, self._compute, self._finish, preparing=preparing, finishing=finishing
        )
        with contextlib.closing(outcomes):  # what is computed is written before an error is shown
            for number, (check, outcome) in enumerate(outcomes, 1):
                name, label = check.case.name, f"[{number}/{len(checks)}] {check.case.name}"
                if error := outcome.exception():
                    failures.append(self._failure(name, error))
                    self._say(f"{label} FAILED: {failures[-1].message}")
                    continue
                used, seconds = outcome.result()
                self._output.manifest.add(name, DONE, modalities=list(used.names), seconds=round(seconds, 2))
                self._say(f"{label}: {used}, {seconds:.1f} s")
        return failures

    def _failure(self, name: str, error: BaseException) -> Problem:
        """Note a case that failed; raise the error if the others are not to be predicted, or would fail, too."""
        if isinstance(error, OSError) and is_disk_full(error):
            raise error
        message = f"{type(error).__name__}: {error}"
        if not self._options.skip_on_error:
            self._output.manifest.add(name, FAILED, messages=[message])
            raise PredictionError(f"{name} failed: {message}. Finished cases are kept") from error
        removed = self._output.give_up(name, FAILED, [message])
        return Problem(name, "; ".join(filter(None, [message, removed])))

    # the stages of a case -------------------------------------------------------------------------------------------

    def _prepare(self, check: CaseCheck) -> tuple[float, PreparedCase]:
        started = time.perf_counter()
        file = previous_stage_file(self._selection, check.case, self._predictor)
        prepared = self._predictor.prepare(check, previous_stage=file)
        self._require_unchanged(check.case.name)
        return started, prepared

    def _compute(self, stage: tuple[float, PreparedCase]) -> ComputedCase:
        started, prepared = stage
        logits = self._predictor.predict_logits(prepared)
        inference = self._identity.applied(self._predictor.inference)
        self._note_engine(self._predictor.engine, inference)
        return ComputedCase(started, prepared, logits, inference)

    def _note_engine(self, engine: Choice, inference: Mapping[str, Any]) -> None:
        """Say what predicted a case, unless it was said before; the record of the run names all that did."""
        if engine not in self._told:
            self._told.add(engine)
            self._say(f"engine {engine.name}: {engine.reason}")
        if engine.name not in self._engines:
            self._engines.append(engine.name)
            self._facts["inference"] = {**inference, "engine": ", ".join(self._engines)}

    def _finish(self, computed: ComputedCase) -> tuple[ModalitySubset, float]:
        prepared, name = computed.prepared, computed.prepared.check.case.name
        prediction = self._predictor.finish(
            prepared, computed.logits, return_probabilities=self._options.save_probabilities
        )
        identity = self._identity.of(self._found[name], computed.inference)
        self._require_unchanged(name)  # so the checksums are those of what was predicted
        return prediction.used, self._output.write(prediction, name, identity, computed.started)

    def _require_unchanged(self, name: str) -> None:
        self._watch.require_unchanged(name, self._identity.files(self._found[name]))
