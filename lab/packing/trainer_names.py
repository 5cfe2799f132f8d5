"""Trainers that nnU-Net 2.8.1 ships, and ours, and the network that each builds.

A trainer's class may build whatever network it likes, and weights of the same sizes do not tell:
an activation has none. The names are written down here rather than looked up, since teams put
their own trainers into the installed package.
"""

from collections.abc import Mapping
from typing import Any

from lab.training.network_sizes import MEDNEXT_SIZES

BATCH_NORM = "nnUNetTrainerBN"  # the plans' network with batch norm instead of the norm they name
# Of nnunetv2 2.8.1's training/nnUNetTrainer: those that build the network of plans.json.
AS_PLANNED = frozenset(
    (
        "nnUNetTrainer",
        "nnUNetTrainerAdam",
        "nnUNetTrainerAdam1en3",
        "nnUNetTrainerAdam3en4",
        "nnUNetTrainerAdan",
        "nnUNetTrainerAdan1en1",
        "nnUNetTrainerAdan1en3",
        "nnUNetTrainerAdan3en4",
        "nnUNetTrainerAdanCosAnneal",
        "nnUNetTrainerBenchmark_5epochs",
        "nnUNetTrainerBenchmark_5epochs_noDataLoading",
        "nnUNetTrainerCELoss",
        "nnUNetTrainerCELoss_5epochs",
        "nnUNetTrainerCosAnneal",
        "nnUNetTrainerDA5",
        "nnUNetTrainerDA5Segord0",
        "nnUNetTrainerDA5_10epochs",
        "nnUNetTrainerDA5ord0",
        "nnUNetTrainerDiceCELoss_noSmooth",
        "nnUNetTrainerDiceLoss",
        "nnUNetTrainerDiceTopK10Loss",
        "nnUNetTrainerNoDA",
        "nnUNetTrainerNoDeepSupervision",
        "nnUNetTrainerNoMirroring",
        "nnUNetTrainerTopk10Loss",
        "nnUNetTrainerTopk10LossLS01",
        "nnUNetTrainerVanillaAdam",
        "nnUNetTrainerVanillaAdam1en3",
        "nnUNetTrainerVanillaAdam3en4",
        "nnUNetTrainer_100epochs",
        "nnUNetTrainer_10epochs",
        "nnUNetTrainer_1epoch",
        "nnUNetTrainer_2000epochs",
        "nnUNetTrainer_2000epochs_NoMirroring",
        "nnUNetTrainer_20epochs",
        "nnUNetTrainer_250epochs",
        "nnUNetTrainer_250epochs_NoMirroring",
        "nnUNetTrainer_4000epochs",
        "nnUNetTrainer_4000epochs_NoMirroring",
        "nnUNetTrainer_500epochs",
        "nnUNetTrainer_50epochs",
        "nnUNetTrainer_5epochs",
        "nnUNetTrainer_750epochs",
        "nnUNetTrainer_8000epochs",
        "nnUNetTrainer_8000epochs_NoMirroring",
        "nnUNetTrainer_DASegOrd0",
        "nnUNetTrainer_DASegOrd0_NoMirroring",
        "nnUNetTrainer_noDummy2DDA",
        "nnUNetTrainer_onlyMirror01",
        "nnUNetTrainer_onlyMirror01_1500ep",
        "nnUNetTrainer_onlyMirror01_DA5",
        "nnUNetTrainer_onlyMirror01_DASegOrd0",
        "nnUNetTrainer_probabilisticOversampling",
        "nnUNetTrainer_probabilisticOversampling_010",
        "nnUNetTrainer_probabilisticOversampling_033",
        "nnUNetTrainer_warmup",
        "nnUNet_Trainer_BS8",
    )
)
# Those that build a transformer, whatever network plans.json names -> its class.
PRIMUS: Mapping[str, str] = {
    "_Primus_S_96_BS1": "PrimusS",
    "_Primus_B_96_BS1": "PrimusB",
    "_Primus_M_96_BS1": "PrimusM",
    "_Primus_L_48_BS1": "PrimusL",
    "nnUNet_Primus_S_Trainer": "PrimusS",
    "nnUNet_Primus_B_Trainer": "PrimusB",
    "nnUNet_Primus_M_Trainer": "PrimusM",
    "nnUNet_Primus_M_Trainer_BS8": "PrimusM",
    "nnUNet_Primus_M_Trainer_BS8_2e4": "PrimusM",
    "nnUNet_Primus_L_Trainer": "PrimusL",
    "nnUNet_PrimusV2S_Trainer": "PrimusV2S",
    "nnUNet_PrimusV2B_Trainer": "PrimusV2B",
    "nnUNet_PrimusV2M_Trainer": "PrimusV2M",
    "nnUNet_PrimusV2L_Trainer": "PrimusV2L",
    "nnUNet_PrimusV3S_Trainer": "PrimusV3S",
    "nnUNet_PrimusV3B_Trainer": "PrimusV3B",
    "nnUNet_PrimusV3M_Trainer": "PrimusV3M",
    "nnUNet_PrimusV3L_Trainer": "PrimusV3L",
}
# nnU-Net ships no trainer of it; so public ports call theirs (copick-torch and octopi; ISLES'26's
# AntBrain has the underscore) -> the network that the name says. They are foreign all the same.
MEDNEXT: Mapping[str, Mapping[str, Any]] = {
    f"nnUNetTrainerMedNeXt{gap}{size}_kernel{kernel}": {
        "n_channels": 32,
        "kernel_size": kernel,
        **arguments,
    }
    for gap in ("", "_")
    for size, arguments in MEDNEXT_SIZES.items()
    for kernel in (3, 5)
}
ABSTRACT = frozenset({"AbstractPrimus"})  # builds nothing: no checkpoint is of it
# Of lab/training/trainers.py.
OURS = frozenset({"FinetuneDefault", "FinetuneDA5", "FinetuneDA5ord0"})
