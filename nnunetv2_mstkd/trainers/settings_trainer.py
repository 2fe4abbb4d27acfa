"""nnU-Net's trainer with settings of ours, by which network and optimiser are built (L3)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_mstkd.distillation.settings import (
    SECTION,
    SubsetSettings,
    modalities_from_plans,
    passed_over_settings,
    plans_section,
    settings_from_plans,
)
from nnunetv2_mstkd.distillation.subset_draw import seeded_rng
from nnunetv2_mstkd.inference.environment import refuse_during_training, subset_from_environment
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.cpu_threads import leave_cores_to_augmentation
from nnunetv2_mstkd.trainers.optimizer import build_optimizer
from nnunetv2_mstkd.trainers.refusals import refuse_cascade, refuse_mixed_folds
from nnunetv2_mstkd.trainers.visible_modalities import bind_visible
from nnunetv2_mstkd.unwrap import unwrap

# first entries of the entropy of seeded_rng, so that no two uses of the seed share a stream
INITIAL_WEIGHTS, STEP = 0, 1


class SettingsTrainer(nnUNetTrainer):
    """nnU-Net's trainer, told by settings what to build. Not a trainer to ask for by name.

    Subclasses set `default_settings`. The plans' section "mstkd" overrides the defaults; the resulting settings and the
    channel names are stored in the model's plans.json.
    """

    default_settings: ClassVar[SubsetSettings] = SubsetSettings()
    network: Any
    initial_lr: float
    weight_decay: float

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

    # the network ----------------------------------------------------------------------------------------------------

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
        bind_visible(network, configuration_manager, modalities, cls.visible_subset(settings, modalities))
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

    # what is trained ------------------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Build all parts, their initial weights drawn from the seed."""
        with seeded_rng(self.device, INITIAL_WEIGHTS, self.settings.seed):
            super().initialize()

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

    @property
    def world_size(self) -> int:
        """Number of DDP processes."""
        return distributed.get_world_size() if self.is_ddp else 1

    def on_train_start(self) -> None:
        """Check the settings against the other folds, then start as nnU-Net does."""
        refuse_during_training()
        plans, defaults = self.plans_manager.plans, asdict(self.default_settings)
        refuse_mixed_folds(Path(self.output_folder), plans, self.configuration_name, defaults)
        leave_cores_to_augmentation(self.device)
        super().on_train_start()  # reads the data, and refuses what cannot be trained on
