"""Which engine a network is run by: one that nobody asked for is first compared with torch in float32 (L3)."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nnunetv2_mstkd.inference.engines.agreement import Agreement, compare, has_foreground
from nnunetv2_mstkd.inference.engines.choice import Choice, slower_engine
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
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
    def settle(self, tiles: Callable[[], Iterator[Tensor]]) -> None:
        """Try engines until one is good enough, or the tiles do not tell: then the next case is to.

        Args:
            tiles: yields those of the case that is predicted next, float32 (1, C, *patch), from the first one on.
        """
        tried = ""
        while not self.choice.is_settled and self.choice.name != tried:
            tried = self.choice.name
            self._take(self._recalled(self._try(self.choice, tiles()), self._subset))

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

    # a comparison ---------------------------------------------------------------------------------------------------

    def _try(self, choice: Choice, tiles: Iterator[Tensor]) -> Choice:
        """Return what follows from a choice by the first tile that tells; the same one if none does."""
        try:
            tile, logits = self._telling_tile(tiles)
        except Exception as error:  # whatever stops an engine that nobody asked for
            told = f"{type(error).__name__}: {error}"
            return self._slower(choice, f"{choice.name} does not run here{_given(self._subset)}: {told}")
        self._network.release()  # the float32 pass needs its memory
        reference = self._network.network(tile)
        agreement = compare(reference, logits, has_regions=self._has_regions)
        is_telling = any(has_foreground(found, has_regions=self._has_regions) for found in (reference, logits))
        if agreement.is_close and not is_telling:
            return choice  # all is background: this case is as well predicted by the engine
        self._engines.remember(choice.name, self._subset, agreement)
        return self._judged(choice, self._subset, agreement)

    def _telling_tile(self, tiles: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the first tile that the engine finds foreground in, or else the last one, with the logits."""
        for tile in tiles:
            logits = self._network(tile)
            if tile.any() and has_foreground(logits, has_regions=self._has_regions):
                break
        return tile, logits


def _given(subset: ModalitySubset | None) -> str:
    return "" if subset is None else f", given {subset}"
