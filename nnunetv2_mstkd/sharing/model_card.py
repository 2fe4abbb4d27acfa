"""The model card: what a model is, for whoever gets it as an archive (L3)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from nnunetv2_mstkd.distillation.settings import CHANNEL_NAMES, SECTION
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

_PACKAGES = ("nnunetv2_mstkd", "nnunetv2", "torch")
_ABOUT_THE_DATA = ("name", "description", "reference", "licence", "numTraining")  # of dataset.json, all optional


@dataclass(frozen=True)
class ModelFacts:
    """What the card tells.

    Args:
        trainer_name: who trained it.
        configuration: such as 3d_fullres.
        folds: as in the folders' names.
        plans: content of plans.json.
        dataset_json: content of dataset.json.
        handles_missing: whether it was trained for missing modalities.
        needs: the subset that a dedicated model was trained for; None for any other.
        benchmark: content of mstkd_benchmark.json; None where there is none.
    """

    trainer_name: str
    configuration: str
    folds: Sequence[str]
    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]
    handles_missing: bool
    needs: ModalitySubset | None
    benchmark: Mapping[str, Any] | None

    @property
    def modalities(self) -> Modalities:
        """The channels."""
        return Modalities.from_dataset_json(self.dataset_json)

    @property
    def folder(self) -> str:
        """Where nnU-Net looks for it in the results folder."""
        plans_name = self.plans["plans_name"]
        return f"{self.plans['dataset_name']}/{self.trainer_name}__{plans_name}__{self.configuration}"


def model_card(facts: ModelFacts, archive_name: str) -> str:
    """Return the card, in Markdown.

    Args:
        facts: what it tells.
        archive_name: name of the archive, for the commands that install it.
    """
    sections = {
        "Input": _input(facts),
        "Output": _output(facts.dataset_json),
        "Training": _training(facts),
        "How well it does": _benchmark(facts.benchmark),
        "Intended use": _INTENDED_USE,
        "Install and predict": _install(facts, archive_name),
        "Licence": "See the file `LICENSE`. The licence of the package that trained the model does not cover it.",
    }
    title = f"# {facts.plans['dataset_name']}: {facts.trainer_name}\n"
    trained = ", trained for missing modalities" if facts.handles_missing else ""
    lead = f"A segmentation model for nnU-Net v2{trained}.\n"
    return "\n".join([title, lead, *(f"## {heading}\n\n{text}\n" for heading, text in sections.items())])


_INTENDED_USE = """\
Research. This is not a medical device: it has no approval of any authority, and nobody's diagnosis or treatment may
depend on it. It knows scanners, protocols, patients and diseases like those of its training data; check it on data of
your own, for each set of modalities that occurs there, before you use its results."""


def _input(facts: ModelFacts) -> str:
    channels = _table(("channel", "modality"), [(f"{i:04d}", name) for i, name in enumerate(facts.modalities)])
    if facts.needs is not None:
        text = f"The model was trained for {facts.needs} alone: every case must have all of it, and more is left out."
    elif facts.handles_missing:
        text = (
            "Any non-empty subset of these works. The model has to be told what is absent: `mstkd predict` finds out "
            "by itself; with nnU-Net's own command, files full of zeros stand for absent modalities, and the variable "
            "MSTKD_MODALITIES names the others."
        )
    else:
        text = (
            "A case should have all of these: the model was not trained for missing modalities. `mstkd predict` takes "
            "incomplete cases all the same, with poor results to be expected."
        )
    return f"{channels}\n\n{text} Files are `{facts.dataset_json['file_ending']}`."


def _output(dataset_json: Mapping[str, Any]) -> str:
    labels = dataset_json["labels"]
    has_regions = any(isinstance(value, list) for value in labels.values())
    rows = [(name, json.dumps(value).strip("[]")) for name, value in labels.items()]
    text = "Regions overlap; a region is the union of the labels beside it.\n\n" if has_regions else ""
    return text + _table(("region" if has_regions else "label", "value"), rows)


def _training(facts: ModelFacts) -> str:
    rows = [
        ("trainer", facts.trainer_name),
        ("plans", facts.plans["plans_name"]),
        ("configuration", facts.configuration),
        ("folds", ", ".join(facts.folds)),
        *((f"data: {key}", str(facts.dataset_json[key])) for key in _ABOUT_THE_DATA if facts.dataset_json.get(key)),
        ("exported with", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
    ]
    text = _table(("", ""), rows)
    settings = {key: value for key, value in facts.plans.get(SECTION, {}).items() if key != CHANNEL_NAMES}
    return f"{text}\n\nSettings:\n\n```json\n{json.dumps(settings, indent=2)}\n```" if settings else text


def _benchmark(benchmark: Mapping[str, Any] | None) -> str:
    subsets = (benchmark or {}).get("subsets")
    if not subsets:
        return "Not known: the model came without a benchmark. Measure it on cases of your own."
    regions = list(dict.fromkeys(region for scores in subsets.values() for region in scores))
    rows = [(subset, *(_score(scores.get(region)) for region in regions)) for subset, scores in subsets.items()]
    return "Mean Dice by what a case has, in brackets the number of cases.\n\n" + _table(("given", *regions), rows)


def _score(score: Mapping[str, Any] | None) -> str:
    return "" if score is None else f"{score['mean_dice']:.3f} ({score['cases']})"


def _install(facts: ModelFacts, archive_name: str) -> str:
    dataset, _, model = facts.folder.partition("/")
    number = int(dataset[len("Dataset") :][:3])
    where = f"-d {number} -tr {facts.trainer_name} -p {facts.plans['plans_name']} -c {facts.configuration}"
    need = (
        "The package nnunetv2_mstkd brings the trainer, which nnU-Net needs to build the network."
        if facts.handles_missing
        else "nnU-Net can use this model if it finds the trainer; the commands `mstkd` need the package nnunetv2_mstkd."
    )
    return (
        f"{need}\n\n```bash\nmstkd import {archive_name}\nmstkd predict {where} -f {' '.join(facts.folds)} -i input "
        f"-o output\n```\n\n`nnUNetv2_install_pretrained_model_from_zip {archive_name}` installs it as well, without "
        f"checking the archive. Both put `{model}` into `$nnUNet_results/{dataset}`."
    )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (heading, *rows)]
    first, *others = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([first, "|" + "---|" * len(heading), *others])
