"""What the organisers call our lesion-wise numbers."""

# Ours -> the organisers' columns.
COLUMNS = {
    "dice": "LesionWise_Score_Dice",
    "hd95": "LesionWise_Score_HD95",
    "nsd_0.5": "LesionWise_Score_NSD @ 0.5",
    "nsd_1.0": "LesionWise_Score_NSD @ 1.0",
    "num_tp": "Num_TP",
    "num_fp": "Num_FP",
    "num_fn": "Num_FN",
}
