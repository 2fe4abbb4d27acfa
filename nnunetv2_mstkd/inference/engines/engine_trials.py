"""Which engine a network is run by: one that nobody asked for is first compared with torch in float32 (L3)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nnunetv2_mstkd.inference.engines.agreement import Agreement, compare, foreground_voxels
from nnunetv2_mstkd.inference.engines.choice import Choice, slower_engine
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.inference.engines.names import TORCH_FLOAT32
from nnunetv2_mstkd.inference.engines.telling_tile import TellingTile
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders
from nnunetv2_mstkd.modalities import ModalitySubset


class EngineTrials:
    """Takes the first engine that decides as torch in float32 does; that one itself is the last resort.

    A network with an encoder for each modality is another one for each subset: each has trials and an engine of its
    own, so that what predicts a case does not depend on the cases before it. Any other network has one engine.

    Args:
        first: engine to begin with.
        network: that is run.
        engines: of its model, which remember the trials of earlier runs.
        has_regions: whether the network decides on regions, rather than on labels.
        warn: takes a line for people.
    """

    def __init__(
        self,
        first: Choice,
        network: EngineNetwork,
        engines: ModelEngines,
        *,
        has_regions: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._first = first
        self._network = network
        self._engines = engines
        self._has_regions = has_regions
        self._warn = warn
        self._is_of_subsets = has_modality_encoders(network.network)
        self._subset: ModalitySubset | None = None  # None of a network with one encoder, too
        self._choices: dict[ModalitySubset | None, Choice] = {}
        if not self._is_of_subsets:
            self._take(self._known(None))

    @property
    def choice(self) -> Choice:
        """The engine in use; where each subset has one and none was seen yet, the one that is tried first."""
        return self._choices.get(self._subset, self._first)

    def choice_for(self, subset: ModalitySubset) -> Choice:
        """Return the engine for cases that have a subset, by what is known so far."""
        return self._known(subset if self._is_of_subsets else None)

    def see(self, subset: ModalitySubset) -> None:
        """Tell the network what the next tiles have, and take the engine for it."""
        self._network.see(subset)
        if self._is_of_subsets:
            self._subset = subset
            self._take(self._known(subset))

    @torch.inference_mode()
    def predict(self, tile_shape: Sequence[int], run: Callable[[], Tensor]) -> Tensor:
        """Return the logits of a case by an engine that is good enough, or of which the case does not tell.

        Engines change before the first fold alone, whose network is compared: one of them predicts all folds of a case.

        Args:
            tile_shape: (C, *patch).
            run: predicts the case by the network with one fold; it is asked again where the engine was not good enough.
        """
        if self._network.fold > 0:
            return run()
        while True:
            self._make_engine(tile_shape)
            if self.choice.is_settled:
                return run()
            tried, telling = self.choice.name, TellingTile(has_regions=self._has_regions)
            with telling.watching(self._network):
                logits = run()
            self._take(self._recalled(self._compared(self.choice, telling), self._subset))
            if self.choice.name == tried:
                return logits

    def _take(self, choice: Choice) -> None:
        self._choices[self._subset] = choice
        self._network.use(choice.name)

    # what follows from a comparison ---------------------------------------------------------------------------------

    def _known(self, subset: ModalitySubset | None) -> Choice:
        if subset not in self._choices:
            self._choices[subset] = self._recalled(self._first, subset)
        return self._choices[subset]

    def _recalled(self, choice: Choice, subset: ModalitySubset | None) -> Choice:
        """Return what earlier runs found out to follow from a choice."""
        while not choice.is_settled and (agreement := self._engines.remembered(choice.name, subset)):
            choice = self._judged(choice, subset, agreement)
        return choice

    def _judged(self, choice: Choice, subset: ModalitySubset | None, agreement: Agreement) -> Choice:
        if agreement.is_close:
            return replace(choice, reason=f"{choice.reason}; {agreement}{_given(subset)}", is_compared=True)
        return self._slower(choice, f"{choice.name} is not good enough for this model{_given(subset)}: {agreement}")

    def _slower(self, choice: Choice, why: str) -> Choice:
        slower = slower_engine(choice.name)
        self._warn(f"{why}. {slower} takes its place, which is slower")
        return Choice(slower, why)

    # a trial --------------------------------------------------------------------------------------------------------

    def _make_engine(self, tile_shape: Sequence[int]) -> None:
        """Make the engine of the first fold; while one breaks that nobody asked for, take a slower one."""
        while why := self._failure(tile_shape):
            self._take(self._recalled(self._slower(self.choice, why), self._subset))

    def _failure(self, tile_shape: Sequence[int]) -> str:
        """Make the engine and return an empty text, or why it breaks if there is a slower one in its place."""
        try:
            self._network.warm_up(tile_shape)
            if not self.choice.is_settled:
                self._network(torch.zeros(1, *tile_shape))  # its answer is kept, for tiles of background
        except Exception as error:
            if self.choice.is_asked_for or self.choice.name == TORCH_FLOAT32:
                raise
            return f"{self.choice.name} does not run here{_given(self._subset)}: {type(error).__name__}: {error}"
        return ""

    def _compared(self, choice: Choice, telling: TellingTile) -> Choice:
        """Return what follows from a choice by a tile that it predicted; the same one if that does not tell."""
        if telling.tile is None or telling.logits is None:
            return choice
        self._network.release()  # the float32 pass needs its memory
        reference, logits = self._network.network(telling.tile), telling.logits
        agreement = compare(reference, logits, has_regions=self._has_regions)
        is_telling = any(foreground_voxels(found, has_regions=self._has_regions).any() for found in (reference, logits))
        if agreement.is_close and not is_telling:
            return choice  # all is background: this case is as well predicted by the engine
        self._engines.remember(choice.name, self._subset, agreement)
        return self._judged(choice, self._subset, agreement)


def _given(subset: ModalitySubset | None) -> str:
    return "" if subset is None else f", given {subset}"
