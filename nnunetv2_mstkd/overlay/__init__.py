"""The re-exports that the wheel lays into nnU-Net's search folders, and nothing else (L3; standard library only).

nnU-Net finds a class by importing every module of its own folders, in name order, until one has the name. So a wheel
of ours carries each subpackage here a second time, under the dotted name that TARGETS gives it. The modules load
nothing and never raise when imported, whatever is installed: errors come when one of our names is asked for.
"""

# Folder here -> dotted name inside nnunetv2. setup.py and the doctor read it. Planners and fingerprint extractors share
# one: nnU-Net seeks both in the whole of experiment_planning.
TARGETS = {
    "trainers": "nnunetv2.training.nnUNetTrainer.variants.mstkd",
    "preprocessors": "nnunetv2.preprocessing.preprocessors.mstkd",
    "planners": "nnunetv2.experiment_planning.experiment_planners.mstkd",
}
