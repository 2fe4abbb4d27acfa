"""Which engine a network is run by: one that nobody asked for is first compared with torch in float32 (L3)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nnunetv2_mstkd.inference.engines.agreement import Agreement, compare, count_voxels, newly_told
from nnunetv2_mstkd.inference.engines.choice import Choice, given, later_engines, replacing_engine, slower_engine
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.mirroring import mean_over_mirrored
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.inference.engines.names import TORCH_FLOAT32
from nnunetv2_mstkd.inference.engines.telling_tile import TellingTile
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders
from nnunetv2_mstkd.modalities import ModalitySubset


class EngineTrials:
    """Takes the first engine that decides as torch in float32 does; that one itself is the last resort.

    A network with an encoder for each modality is another one for each subset: each has trials and an engine of its
    own, so that what predicts a case does not depend on the subsets before it. Any other network has one engine.

    A tile tells of the regions that are in it. An engine that agrees is in use from then on, and stays on trial until
    tiles told of all regions: torch in float32 computes one more tile for each of them at most.

    Args:
        first: engine to begin with.
        network: that is run.
        engines: of its model, which remember the trials of earlier runs.
        has_regions: whether the network decides on regions, rather than on labels.
        mirror_axes: of the patch, over whose mirror images predictions are means; so is what is compared.
        warn: takes a line for people.
    """

    def __init__(
        self,
        first: Choice,
        network: EngineNetwork,
        engines: ModelEngines,
        *,
        has_regions: bool,
        mirror_axes: Sequence[int] = (),
        warn: Callable[[str], None],
    ) -> None:
        self._first = first
        self._network = network
        self._engines = engines
        self._has_regions = has_regions
        self._mirror_axes = mirror_axes
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

    def engines_for(self, subset: ModalitySubset) -> tuple[str, ...]:
        """Return the names of the engines that may predict cases that have a subset, by what is known so far.

        The first is the one that is tried next; it is followed by those at which its trial may end.
        """
        own = subset if self._is_of_subsets else None
        choice = self._known(own)
        if choice.is_settled:
            return (choice.name,)
        later = {name: self._engines.remembered(name, own) for name in later_engines(choice.name)}
        return (choice.name, *(name for name, found in later.items() if found is None or found.is_close))

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
            tried = self.choice
            telling = TellingTile(tried.agreement, has_regions=self._has_regions)
            with telling.watching(self._network):
                logits = run()
            self._take(self._recalled(self._compared(tried, telling.tile), self._subset))
            if self.choice.name == tried.name:
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
        while not (choice.is_settled or choice.agreement) and (found := self._engines.remembered(choice.name, subset)):
            choice = self._judged(choice, subset, found)
        return choice

    def _judged(self, choice: Choice, subset: ModalitySubset | None, agreement: Agreement) -> Choice:
        if agreement.is_close:
            return replace(choice, agreement=agreement, subset=subset)
        why = f"{choice.name} is not good enough for this model{given(subset)}: {agreement}"
        return self._replaced(choice, slower_engine(choice.name), why)

    def _replaced(self, choice: Choice, slower: str, why: str) -> Choice:
        self._engines.forget(choice.name)
        self._warn(f"{why}. {slower} takes its place, which is slower")
        return Choice(slower, why)

    # a trial --------------------------------------------------------------------------------------------------------

    def _make_engine(self, tile_shape: Sequence[int]) -> None:
        """Make the engine of the first fold; while one breaks that nobody asked for, take a slower one."""
        while why := self._failure(tile_shape):
            replaced = self._replaced(self.choice, replacing_engine(self.choice.name), why)
            self._take(self._recalled(replaced, self._subset))

    def _failure(self, tile_shape: Sequence[int]) -> str:
        """Make the engine and return an empty text, or why it breaks if there is a slower one in its place."""
        try:
            self._network.warm_up(tile_shape)
            if self.choice.agreement is None and not self.choice.is_settled:
                self._network(torch.zeros(1, *tile_shape))  # its answer is kept, for tiles of background
        except Exception as error:
            if self.choice.is_asked_for or self.choice.name == TORCH_FLOAT32:
                raise
            return f"{self.choice.name} does not run here{given(self._subset)}: {type(error).__name__}: {error}"
        return ""

    def _compared(self, choice: Choice, tile: Tensor | None) -> Choice:
        """Return what follows from a choice by a tile that it predicted; the same one if that tells nothing."""
        if tile is None:
            return choice
        logits, so_far = self._predicted(self._network, tile), choice.agreement
        if so_far is not None and not newly_told(count_voxels(logits, has_regions=self._has_regions), so_far).any():
            return choice  # its mirror images have less than it has
        self._network.release()  # the float32 pass needs its memory
        agreement = compare(self._predicted(self._network.network, tile), logits, has_regions=self._has_regions)
        if agreement.is_close and not any(agreement.region_voxels):
            return choice  # all is background: this case is as well predicted by the engine
        agreement = agreement if so_far is None else so_far.joined(agreement)
        self._engines.remember(choice.name, self._subset, agreement)
        return self._judged(choice, self._subset, agreement)

    def _predicted(self, network: Callable[[Tensor], Tensor], tile: Tensor) -> Tensor:
        """Return the logits of a tile as a case's are predicted: with mirroring, the mean over its mirror images."""

        def one_by_one(tiles: Tensor) -> Tensor:  # all at once, float32 would take the memory of all
            return torch.cat([network(image[None]) for image in tiles.unbind()])

        return mean_over_mirrored(one_by_one, tile, self._mirror_axes)
