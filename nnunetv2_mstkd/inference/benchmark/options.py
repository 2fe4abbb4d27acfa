"""How a benchmark is run (L3)."""

from dataclasses import dataclass
from typing import Any

import torch

from nnunetv2_mstkd.inference.engines.names import AUTO
from nnunetv2_mstkd.inference.model_files import FINAL_CHECKPOINT
from nnunetv2_mstkd.inference.run_facts import inference_facts


@dataclass(frozen=True)
class BenchmarkOptions:
    """How to benchmark.

    Args:
        device: where the networks run.
        engine: that runs them on a CPU; each record says which one it was.
        checkpoint: name of the checkpoint files.
        subsets: as a user types them; None: every subset.
        step_size: of the sliding window, in patches.
        mirroring: test-time augmentation.
        subsets_per_forward: 0: as many as pay off.
        tolerance_mm: of the normalised surface Dice.
        lesion_wise: also score single lesions.
        keep_predictions: also write every label map.
        trust_checkpoint: also load models that could execute code.
    """

    device: torch.device
    checkpoint: str = FINAL_CHECKPOINT
    subsets: tuple[str, ...] | None = None
    step_size: float = 0.5
    mirroring: bool = True
    subsets_per_forward: int = 0
    tolerance_mm: float = 1.0
    lesion_wise: bool = False
    keep_predictions: bool = False
    trust_checkpoint: bool = False
    engine: str = AUTO

    @property
    def inference(self) -> dict[str, Any]:
        """How models are applied, as it was asked for."""
        facts = inference_facts(self.device, self.engine, self.step_size, self.mirroring)
        return {**facts, "subsets_per_forward": self.subsets_per_forward or "automatic"}
