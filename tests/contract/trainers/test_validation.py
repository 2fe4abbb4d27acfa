"""What is validated: each subset in turn during the training, and what each case has at its end."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from every_trainer import every_multi_encoder
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from training_cases import complete, with_availability

NUM_MODALITIES = 4


def test_validation_takes_each_subset_in_turn(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    seen = []
    for trainer.iteration in range(15):
        seen += [tuple(row) for row in trainer.validation_mask(complete(2)).tolist()]
    subsets = [subset.present for subset in trainer.modalities.subsets()]
    # 15 iterations of 2 samples: two rounds, the second one place later
    assert seen == [*subsets, *subsets[1:], subsets[0]]


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_validation_masks_what_the_student_sees(make_trainer, name):
    trainer = make_trainer(name)
    trainer.on_train_start()
    trainer.on_validation_epoch_start()
    batch = next(trainer.dataloader_val)
    seen = []
    trainer.network.register_forward_pre_hook(lambda network, args: seen.append(args[0].clone()))
    with torch.no_grad():
        trainer.validation_step(batch)
    expected = batch["data"].clone()
    first, second = trainer.modalities.subsets()[:2]  # batch size 2, iteration 0
    for sample, subset in enumerate((first, second)):
        expected[sample, [c for c in range(4) if c not in subset.channels]] = 0
    assert torch.equal(seen[0], expected)
    assert trainer.iteration == 1


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["labels_ignore", "regions_ignore"])
def test_every_dice_ignores_the_ignore_label(make_trainer, variant):
    """nnU-Net's validation step overwrites the ignore label in its target, which three networks share here."""
    trainer = make_trainer("nnUNetTrainerMSTKD", variant, settings={"teacher": "network"})
    trainer.initialize()
    trainer.on_validation_epoch_start()
    # the first slices of each case are unlabelled, and a random network predicts foreground there
    batches = trainer.get_dataloaders()[1]
    batch = next(batches)
    with torch.no_grad():
        expected = {}
        for prefix, network in (("student_", trainer.network), ("teacher_", trainer.teacher)):
            stock = copy.copy(trainer)
            stock.network = network
            counts = nnUNetTrainer.validation_step(stock, copy.deepcopy(batch))
            expected.update({f"{prefix}{name}": counts[name] for name in ("tp_hard", "fp_hard", "fn_hard")})
        result = trainer.validation_step(copy.deepcopy(batch))
    for name, counts in expected.items():
        assert np.array_equal(result[name], counts), name
    voxels = batch["target"][0][:, 0].numel()
    assert sum(expected[f"teacher_{c}_hard"].max() for c in ("tp", "fp", "fn")) < voxels


@pytest.mark.slow
@every_multi_encoder
def test_the_final_validation_tells_the_network_what_each_case_has(
    make_trainer, no_figures, monkeypatch, trainer_class
):
    trainer = make_trainer(trainer_class)
    trainer.num_epochs = 1
    trainer.initialize()
    training, validation = trainer.do_split()
    with_availability(trainer, **{validation[0]: "T1ce,FLAIR", training[0]: "T1"})
    seen = []
    original = type(trainer.network).forward

    def forward(network, image, modality_mask=None, return_features=False):
        if modality_mask is None:
            seen.append(network.present)
            absent = [channel for channel in range(NUM_MODALITIES) if channel not in network.present]
            assert not image[:, absent].any()
        return original(network, image, modality_mask, return_features)

    monkeypatch.setattr(type(trainer.network), "forward", forward)
    trainer.run_training()
    trainer.perform_actual_validation()
    assert list(dict.fromkeys(seen)) == [(1, 3), *[(0, 1, 2, 3)] * (len(validation) > 1)]
    assert trainer.network.present == (0, 1, 2, 3)  # of whoever uses it next
    written = Path(trainer.output_folder) / "validation"
    assert {file.name for file in written.glob("*.nii.gz")} == {f"{case}.nii.gz" for case in validation}
