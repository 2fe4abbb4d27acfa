"""What the cases of a training have."""

import numpy as np

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities


def complete(batch_size):
    """What cases of four modalities have that lack nothing."""
    return np.full(batch_size, 15)


def with_availability(trainer, **present):
    """Tell a trainer what cases have, as if their table said it; all others have everything."""
    cases = trainer.dataset_class.get_identifiers(trainer.preprocessed_dataset_folder)
    subsets = {case: trainer.modalities.all for case in cases}
    subsets.update({case: trainer.modalities.subset(text) for case, text in present.items()})
    trainer.available = AvailableModalities(Availability(trainer.modalities, subsets))
    return trainer
