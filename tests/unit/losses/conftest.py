from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

ORACLE_FOLDER = Path(__file__).parents[2] / "data" / "oracle"


@pytest.fixture(params=["cubic", "anisotropic"])
def oracle(request: pytest.FixtureRequest) -> Callable[[str], dict[str, torch.Tensor]]:
    """Return a function that loads one group ("logits", "styles", ...) of the case's arrays, float64."""

    def load(group: str) -> dict[str, torch.Tensor]:
        with np.load(ORACLE_FOLDER / f"{request.param}_{group}.npz") as arrays:
            return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}

    return load
