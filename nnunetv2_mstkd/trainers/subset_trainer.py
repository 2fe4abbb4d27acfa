"""What all trainers of this package share: settings, seeds, subsets, validation over subsets, checkpoints (L3)."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from nnunetv2.paths import nnUNet_raw
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_mstkd.distillation.settings import (
    SECTION,
    SubsetSettings,
    modalities_from_plans,
    passed_over_settings,
    plans_section,
    settings_from_plans,
)
from nnunetv2_mstkd.distillation.subset_draw import (
    Codes,
    cycle_subset_codes,
    draw_subset_codes,
    mask_modalities,
    modality_mask_from_codes,
    seeded_rng,
)
from nnunetv2_mstkd.errors import CheckpointError, NonFiniteLossError
from nnunetv2_mstkd.inference.environment import refuse_during_training, subset_from_environment
from nnunetv2_mstkd.inference.input_guard import guard_input
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders, see_only, uncompiled
from nnunetv2_mstkd.inference.preprocessor import check_channel_files_of
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.planning.availability_lookup import find_availability
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities, present_channels
from nnunetv2_mstkd.trainers.checkpoint import (
    read_checkpoint,
    require_same_run,
    set_earlier_run_aside,
    write_checkpoint,
)
from nnunetv2_mstkd.trainers.cpu_precision import InBfloat16, computes_in_bfloat16, cpu_autocast
from nnunetv2_mstkd.trainers.cpu_threads import leave_cores_to_augmentation
from nnunetv2_mstkd.trainers.optimizer import build_optimizer
from nnunetv2_mstkd.trainers.refusals import refuse_cascade, refuse_mixed_folds
from nnunetv2_mstkd.unwrap import unwrap

# first entries of the entropy of seeded_rng, so that no two uses of the seed share a stream
INITIAL_WEIGHTS, STEP = 0, 1


class SubsetTrainer(nnUNetTrainer):
    """nnU-Net's trainer for networks that see subsets of the modalities. Not a trainer to ask for by name.

    Subclasses set `default_settings` and mask what their network sees. The plans' section "mstkd" overrides the
    defaults; the resulting settings and the channel names are stored in the model's plans.json.
    """

    default_settings: ClassVar[SubsetSettings] = SubsetSettings()
    network: Any
    initial_lr: float
    weight_decay: float
    current_epoch: int
    save_every: int
    my_init_kwargs: dict[str, Any]
    dataset_class: Any

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),
    ) -> None:
        refuse_during_training()
        refuse_cascade(plans, configuration)
        modalities = Modalities.from_dataset_json(dataset_json)
        settings = settings_from_plans(self.default_settings, plans)
        self.visible_subset(settings, modalities)  # raises where the settings name an unknown modality
        drop_probabilities = settings.drop_probabilities_of(modalities)  # likewise
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.modalities = modalities
        self.settings = settings
        self.drop_probabilities = drop_probabilities
        self.initial_lr = self.initial_lr if settings.initial_lr is None else settings.initial_lr
        self.weight_decay = self.weight_decay if settings.weight_decay is None else settings.weight_decay
        if ignored := passed_over_settings(settings, plans):
            self.print_to_log_file(f"Settings in the plans that {self.__class__.__name__} does not have: {ignored}")
        self.plans_manager.plans[SECTION] = plans_section(settings, modalities)
        self.logger.update_config({SECTION: self.plans_manager.plans[SECTION]})
        self.iteration = 0  # within the epoch, of training or validation
        self.has_training_state = True

    # building -------------------------------------------------------------------------------------------------------

    @classmethod
    def build_network_architecture(  # nnU-Net has it static; it calls both alike
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network that is trained and, by the same call, the one that predicts.

        At prediction MSTKD_MODALITIES is bound to the network here: the one hook that the stock commands have.
        """
        network = cls.build_bare_network(
            plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
        )
        modalities = modalities_from_plans(plans_manager.plans, num_input_channels)
        settings = settings_from_plans(cls.default_settings, plans_manager.plans)
        visible = cls.visible_subset(settings, modalities)
        guard_input(network, modalities, visible)
        see_only(network, visible or modalities.all)
        is_untold = visible is None and has_modality_encoders(network)
        check_channel_files_of(configuration_manager, modalities if is_untold else None)
        return network

    @classmethod
    def build_bare_network(
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool,
    ) -> nn.Module:
        """Build the plans' own network."""
        return nnUNetTrainer.build_network_architecture(
            plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
        )

    @classmethod
    def visible_subset(cls, settings: SubsetSettings, modalities: Modalities) -> ModalitySubset | None:
        """Return what the network may see at all, for the whole of its use; None = everything."""
        return subset_from_environment(modalities)

    def initialize(self) -> None:
        """Build all parts, their initial weights drawn from the seed."""
        with seeded_rng(self.device, INITIAL_WEIGHTS, self.settings.seed):
            super().initialize()

    def branches(self) -> dict[str, nn.Module]:
        """Return the networks that are validated with all modalities, by name."""
        return {"student": self.network}

    def trained_networks(self) -> list[nn.Module]:
        """Return the networks that the optimiser trains, bare."""
        return [unwrap(self.network)]

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """Build the optimiser that the settings name, a parameter group for each network, and nnU-Net's schedule."""
        groups = [{"params": list(network.parameters())} for network in self.trained_networks()]
        optimizer = build_optimizer(self.settings.optimizer, groups, self.initial_lr, self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    def compiled(self, module: Any) -> Any:
        """Compile a module beside the network where nnU-Net compiles its one network."""
        return torch.compile(module) if self._do_i_compile() else module

    def distribute(self, module: nn.Module) -> nn.Module:
        """Wrap a module beside the network for DDP, as nnU-Net does its one network."""
        if not self.is_ddp:
            return module
        # torch has not typed the conversion
        synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(synchronised, device_ids=[self.local_rank])

    # where the run is -----------------------------------------------------------------------------------------------

    @property
    def world_size(self) -> int:
        """Number of DDP processes."""
        return distributed.get_world_size() if self.is_ddp else 1

    @property
    def steps_done(self) -> int:
        """Iterations done since the training began."""
        return self.current_epoch * self.num_iterations_per_epoch + self.iteration

    @property
    def training_progress(self) -> float:
        """Iterations done, as a fraction of the whole training."""
        return self.steps_done / max(1, self.num_epochs * self.num_iterations_per_epoch)

    # what the cases have -------------------------------------------------------------------------------------------

    @cached_property
    def available(self) -> AvailableModalities:
        """What each case of the dataset has, by its table, else found in the data.

        Raises:
            CaseError: if table and data disagree, or a case has nothing.
        """
        data = str(self.preprocessed_dataset_folder)
        cases = infer_dataset_class(data).get_identifiers(data)
        raw = Path(nnUNet_raw.get()) / self.plans_manager.dataset_name if nnUNet_raw.is_set() else None
        base = Path(str(self.preprocessed_dataset_folder_base))
        return AvailableModalities(find_availability(base, Path(data), self.modalities, cases, raw=raw))

    def available_image(self, batch: Mapping[str, Any]) -> tuple[Tensor, Codes]:
        """Return the images on the device, what their cases lack set to zero, and what each of them has.

        Augmentation moves zeros, and not every normalisation keeps them: so the channels are zeroed here.

        Returns:
            (image, available): (B, M, *S), int64 (B,).
        """
        image = batch["data"].to(self.device, non_blocking=True)
        if self.available.all_complete:
            return image, self.available.complete_codes(len(image))
        available = self.available.codes(batch["keys"])
        return mask_modalities(image, modality_mask_from_codes(available, len(self.modalities))), available

    def on_device(self, target: Tensor | list[Tensor]) -> Any:
        """Return a batch's target on the device."""
        if isinstance(target, list):
            return [scale.to(self.device, non_blocking=True) for scale in target]
        return target.to(self.device, non_blocking=True)

    def training_mask(self, available: Codes) -> Tensor:
        """Draw the modality mask, bool (B, M), of the training step at hand, from what each sample has, int64 (B,)."""
        codes = available
        if self.training_progress >= self.settings.warm_up_fraction:
            codes = draw_subset_codes(
                available,
                len(self.modalities),
                seed=self.settings.seed,
                epoch=self.current_epoch,
                iteration=self.iteration,
                rank=self.local_rank,
                drop_probabilities=self.drop_probabilities,
            )
        return modality_mask_from_codes(codes, len(self.modalities))

    def validation_mask(self, available: Codes) -> Tensor:
        """Return the modality mask, bool (B, M), of the validation step at hand: all subsets in turn."""
        codes = cycle_subset_codes(
            self.modalities, available, iteration=self.iteration, rank=self.local_rank, world_size=self.world_size
        )
        return modality_mask_from_codes(codes, len(self.modalities))

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets, and say in the log what their cases have."""
        training, validation = super().get_tr_and_val_datasets()
        if not self.available.all_complete:
            for name, dataset in (("Training", training), ("Validation", validation)):
                self.print_to_log_file(f"{name}: {self.available.summary(dataset.identifiers)}")
        return training, validation

    # the loop -------------------------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        """Check what could spoil a long run, then start as nnU-Net does."""
        refuse_during_training()
        if not self.has_training_state and self.current_epoch < self.num_epochs:
            raise CheckpointError(
                f"Cannot continue at epoch {self.current_epoch}: the checkpoint holds the student only. Continue from "
                f"checkpoint_latest.pth, or start anew without --c."
            )
        folder, defaults = Path(self.output_folder), asdict(self.default_settings)
        refuse_mixed_folds(folder, self.plans_manager.plans[SECTION], defaults)
        self.save_every = min(self.save_every, max(1, self.num_epochs // 10))
        leave_cores_to_augmentation(self.device)
        super().on_train_start()  # reads the data, and refuses what cannot be trained on
        if self.current_epoch == 0 and self.local_rank == 0 and (found := set_earlier_run_aside(folder)):
            self.print_to_log_file(f"Checkpoints of an earlier run are renamed to previous_*: {found}")

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training."""
        super().on_train_epoch_start()
        self.iteration = 0

    def on_validation_epoch_start(self) -> None:
        """Start an epoch's validation."""
        super().on_validation_epoch_start()
        self.iteration = 0

    def validation_step(self, batch: dict) -> dict:
        """Validate on the subsets in turn, so that the EMA Dice and checkpoint_best speak for all of them."""
        image, available = self.available_image(batch)
        result = self.validate_available({**batch, "data": image}, available)
        self.iteration += 1
        return result

    def validate_available(self, batch: dict, available: Codes) -> dict:
        """Validate on the subset at hand of what the samples have, int64 (B,)."""
        return self.validate_seeing(batch, self.validation_mask(available))

    def validate_seeing(self, batch: dict, modality_mask: Tensor) -> dict:
        """Validate as nnU-Net does, on the modalities of the mask (B, M); others are zero."""
        masked = mask_modalities(batch["data"], modality_mask)
        with self.cpu_precision():
            return super().validation_step({**batch, "data": masked})

    def step_rng(self) -> AbstractContextManager:
        """Return the random numbers of the training step at hand: dropout, noise."""
        where = (self.current_epoch, self.iteration, self.local_rank)
        return seeded_rng(self.device, STEP, self.settings.seed, *where)

    def autocast(self) -> AbstractContextManager:
        """Return the precision of a training step of ours."""
        if self.device.type == "cuda":
            return torch.autocast("cuda")  # as nnU-Net
        return cpu_autocast(self.device, self.settings.cpu_precision)

    @contextmanager
    def cpu_precision(self) -> Iterator[None]:
        """Have nnU-Net's own steps run `self.network` in the precision of the settings, where that is a CPU's."""
        network = self.network
        if computes_in_bfloat16(self.device, self.settings.cpu_precision):
            self.network = InBfloat16(network)
        try:
            yield
        finally:
            self.network = network

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Predict the validation cases as nnU-Net does, from what each of them has."""
        if self.available.all_complete:
            super().perform_actual_validation(save_probabilities)
            return
        stock = self.dataset_class or infer_dataset_class(self.preprocessed_dataset_folder)
        self.dataset_class = present_channels(stock, self.available.availability, self.see)
        network, self.network = self.network, uncompiled(self.network)
        try:
            super().perform_actual_validation(save_probabilities)
        finally:
            self.dataset_class, self.network = stock, network
            self.see(self.modalities.all)

    def see(self, subset: ModalitySubset) -> None:
        """Tell the network what the whole case has that it predicts next."""
        see_only(self.network, subset)

    def on_epoch_end(self) -> None:
        """End an epoch; after the first there is a checkpoint_latest to continue from, whatever the schedule."""
        save_every = self.save_every
        if self.current_epoch == 0:
            self.save_every = 1
        super().on_epoch_end()
        self.save_every = save_every

    def require_finite(self, terms: Mapping[str, float], batch: dict) -> None:
        """Check the loss terms of a step.

        Raises:
            NonFiniteLossError: naming term, epoch, iteration and cases. The weights of this step are lost; the
                checkpoint on disk is from before.
        """
        broken = {name: value for name, value in terms.items() if not np.isfinite(value)}
        if broken:
            raise NonFiniteLossError(
                f"Loss term {broken} in epoch {self.current_epoch}, iteration {self.iteration}, cases "
                f"{list(batch.get('keys', ['unknown']))}. Check these cases for NaN and extreme intensities, then "
                f"continue with --c; if they are sound, lower the learning rate."
            )

    # checkpoints ----------------------------------------------------------------------------------------------------

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the student's weights; subclasses add their own."""
        return {
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.grad_scaler.state_dict() if self.grad_scaler is not None else None,
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        self.optimizer.load_state_dict(state["optimizer_state"])
        if self.grad_scaler is not None and state["grad_scaler_state"] is not None:
            self.grad_scaler.load_state_dict(state["grad_scaler_state"])

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the student's weights."""
        unwrap(self.network).load_state_dict(weights)

    def save_checkpoint(self, filename: str) -> None:
        """Write a checkpoint with nnU-Net's keys; `network_weights` is the student alone."""
        if self.local_rank != 0:
            return
        if self.disable_checkpointing:
            self.print_to_log_file("No checkpoint written, checkpointing is disabled")
            return
        checkpoint = {
            "network_weights": unwrap(self.network).state_dict(),
            "logging": self.logger.get_checkpoint(),
            "_best_ema": self._best_ema,
            "current_epoch": self.current_epoch + 1,
            "init_args": self.my_init_kwargs,
            "trainer_name": self.__class__.__name__,
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
        }
        # a run continued without training state has none to save: what it holds is random
        write_checkpoint(filename, checkpoint, self.training_state() if self.has_training_state else None)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Load a checkpoint of this trainer and these plans, to continue or to validate.

        Raises:
            CheckpointError: if it is damaged, or of another trainer, plan or settings.
        """
        checkpoint, state = read_checkpoint(filename_or_checkpoint, self.device)
        defaults = asdict(self.default_settings)
        require_same_run(checkpoint, filename_or_checkpoint, self.__class__.__name__, self.my_init_kwargs, defaults)
        if not self.was_initialized:
            self.initialize()
        self.load_weights(checkpoint["network_weights"])
        self.my_init_kwargs = checkpoint["init_args"]
        self.current_epoch = checkpoint["current_epoch"]
        self.logger.load_checkpoint(checkpoint["logging"])
        self._best_ema = _best_ema(checkpoint)
        self.inference_allowed_mirroring_axes = checkpoint["inference_allowed_mirroring_axes"]
        self.has_training_state = state is not None
        if state is not None:
            self.load_training_state(state)


def _best_ema(checkpoint: Mapping[str, Any]) -> float | None:
    """Return the best EMA Dice so far; nnU-Net writes checkpoint_latest before it updates its own record of it."""
    known = [value for value in (checkpoint["_best_ema"], *checkpoint["logging"]["ema_fg_dice"]) if value is not None]
    return float(np.nanmax(known)) if known else None
