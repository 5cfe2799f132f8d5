"""Tables of scores from platforms and teams: what a column holds, which rows are cases."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.refusal import Refusal
from lab.evaluation.column_names import REGIONS, known_key, known_metric
from lab.evaluation.columns import RequestedColumns
from lab.evaluation.comparison import read_comparison
from lab.evaluation.formats import read_results, remarks_on
from lab.evaluation.score_csv import read_table
from lab.metrics.metric_info import METRICS


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("LesionWise_Dice_ET", ("ET", "dice")),
        ("LesionWise_Hausdorff95_WT", ("WT", "hd95")),
        ("lesionwise_dice_TC", ("TC", "dice")),
        ("all_instance_tp_et", ("ET", "num_tp")),
        ("lesionwise_nsd_mean_wt", ("WT", "nsd")),
        ("large_instance_tp_rc", ("RC", "large_instance_tp")),
        # BraTS until 2022 and FeTS: CaPTk's names.
        ("Dice_ET", ("ET", "dice")),
        ("Hausdorff95_TC", ("TC", "hd95")),
        ("Sensitivity_WT", ("WT", "sensitivity")),
        # Teams.
        ("dice_wt", ("WT", "dice")),
        ("WT_dice", ("WT", "dice")),
        ("hd95_et_mm", ("ET", "hd95")),
        ("nsd_2.0_ET", ("ET", "nsd_2.0")),
        ("dice_1", ("1", "dice")),
        # A metric alone is no metric of a region called mm, f1 or 3mm.
        ("dice", ("foreground", "dice")),
        ("hd95_mm", ("foreground", "hd95")),
        ("lesion_f1", ("foreground", "lesion_f1")),
        ("lesion_fn", ("foreground", "num_fn")),
        ("surface_dice_3mm", ("foreground", "surface_dice_3mm")),
        ("volume_difference_ml", ("foreground", "volume_difference_ml")),
        ("ungrouped-global_bin_dsc", ("ungrouped", "global_bin_dsc")),  # panoptica
        ("ET-tp", ("ET", "tp")),
        # Means over regions are of none; neither is what only looks like a region.
        ("dice_mean", None),
        ("dice_macro", None),
        ("mean_fg_dice", None),
        ("ours_dice", None),
        ("train_loss", None),
        ("gpu_memory_gb", None),
        ("", None),
    ],
)
def test_what_a_column_holds(column: str, key: tuple[str, str] | None) -> None:
    assert known_key(column) == key


@given(
    st.sampled_from(sorted(name for name in METRICS if "*" not in name)),
    st.sampled_from(sorted(set(REGIONS.values()))),
)
def test_every_metric_of_every_region_is_known_as_it_is_written(metric: str, region: str) -> None:
    assert known_key(f"{metric}_{region}") == (region, known_metric(metric))


@pytest.mark.parametrize(
    "rows",
    [
        ("mean", "sd", "median", "25quantile", "75quantile"),  # BraTS 2021, FeTS
        ("Mean", "StdDev", "Median", "25quantile", "75quantile"),  # CBICA
        ("count", "mean", "std", "min", "25%", "50%", "75%", "max"),  # pandas
    ],
)
def test_rows_that_summarise_are_no_cases(rows: tuple[str, ...]) -> None:
    text = "id,Dice_ET\na,0.5\nb,0.7\n" + "".join(f"{row},0.6\n" for row in rows)
    assert list(read_table(text, summary_rows=False).cases) == ["a", "b"]
    wanted = {"mean", "std", "25quantile", "median", "75quantile"}
    assert wanted >= set(read_table(text, summary_rows=True).cases) - {"a", "b"} >= {"mean", "std"}


def test_columns_of_text_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    """As a team's table has them: the whole file was refused for its first False."""
    text = "case_id,run,dice,hd95_mm,gt_empty,center,lesion_volume_mm3\n"
    first, second = text + "a,x,0.5,,False,R014,84.0\nb,x,1.0,NA,True,R041,0\n", text
    second += "a,y,0.25,3.5,False,R014,84.0\nb,y,1.0,,True,R041,0\n"
    (tmp_path / "one.csv").write_text(first)
    (tmp_path / "two.csv").write_text(second)
    results = read_results(tmp_path / "one.csv")
    assert results.cases["a"]["foreground"]["dice"] == 0.5
    assert math.isnan(results.cases["b"]["foreground"]["hd95"])
    assert results.not_read == ("run", "gt_empty", "center", "lesion_volume_mm3")
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    comparison = read_comparison(paths, RequestedColumns())
    assert [str(column) for column in comparison.columns] == ["dice foreground", "hd95 foreground"]
    assert "one.csv: columns without scores, not read: run, gt_empty" in comparison.left_out[0]


def test_a_row_a_case_and_region() -> None:
    """As BraTS 2023's evaluator writes them, under a data frame's row numbers."""
    text = (
        ",scan,Labels,Num_TP,Legacy_Dice,LesionWise_Score_Dice,LesionWise_Score_HD95\n"
        "0,a,WT,1,0.9,0.8,2\n1,a,ET,0,0,0,374\n2,b,WT,2,0.7,0.6,3\n"
    )
    results = read_table(text, summary_rows=False)
    assert results.cases["a"]["ET"] == {"num_tp": 0, "legacy_dice": 0, "dice": 0, "hd95": 374}
    assert results.cases["b"]["WT"]["dice"] == 0.6
    assert results.dice_kind == "lesion-wise"
    with pytest.raises(Refusal, match="two rows for a, WT"):
        read_table(text + "3,a,WT,1,1,1,1\n", summary_rows=False)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_any_delimiter_and_a_byte_order_mark(mark: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{ending}"
    path.write_text("\ufeffid,ET-sq_dsc,ET-tp\na,0.5,2\n".replace(",", mark), encoding="utf-8")
    assert read_results(path).cases == {"a": {"ET": {"sq_dsc": 0.5, "tp": 2}}}


def test_a_case_that_the_platform_penalised_is_the_case_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "stats.csv"
    path.write_text("scan_id,Dice_ET\nBraTS2021_00001*,0\nBraTS2021_00002,0.5\nMean,0.25\n")
    results = read_results(path)
    assert results.cases["BraTS2021_00001"] == {"ET": {"dice": 0}}
    assert list(results.cases) == ["BraTS2021_00001", "BraTS2021_00002"]
    (remark,) = remarks_on(path, results)
    assert remark.endswith("could not read, with the scores it gave them: BraTS2021_00001")


def test_of_two_dices_the_lesion_wise_one_is_read() -> None:
    text = "id,Dice_ET,LesionWise_Dice_ET\na,0.9,0.4\n"
    results = read_table(text, summary_rows=False)
    assert (results.cases["a"]["ET"], results.not_read) == ({"dice": 0.4}, ("Dice_ET",))
    assert results.dice_kind == "lesion-wise"


def test_a_metric_that_nobody_knows_is_shown_where_a_region_ends_its_name() -> None:
    results = read_table("id,sharpness_ET,sharpness_gb\na,3,4\n", summary_rows=False)
    assert (results.cases["a"], results.not_read) == ({"ET": {"sharpness": 3}}, ("sharpness_gb",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,Dice_ET\na,x\n", "a, Dice_ET: 'x' is no number"),
        ("id,mse,psnr\na,1,2\n", "no column named <Metric>_<Region>"),
        ("epoch,train_loss,lr\n1,0.5,0.1\n", "column 'epoch'"),
        ("model,dice_mean,hd95_mean\nx,0.5,3\n", "no column named"),
        ("DATASET,SESSION_ID,DAYS_POST_STROKE\nTraining,s1,471.0\n", "no column named"),
    ],
)
def test_tables_of_other_things_are_refused(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        read_table(text, summary_rows=False)


# As they are written: Keras' CSVLogger, fastai's, Catalyst's, Lightning's metrics.csv (columns as
# they are logged, or sorted), wandb's export of a panel and of a run's history, TensorBoard's.
LOGS = {
    "epoch": "epoch,dice_ET,loss,val_dice_ET\n0,0.1,1.2,0.1\n1,0.4,0.8,0.3\n",
    "Epoch": "Epoch;Dice_ET;hd95_ET\n1;0.1;12\n2;0.4;8\n",
    "step": "step,dice_ET\n100,0.1\n200,0.4\n",
    "iter": "iter\tdice_WT\n100\t0.1\n200\t0.4\n",
    "iteration": ",iteration,dice_WT\n0,100,0.1\n1,200,0.4\n",
    "epochs": "dice_ET,epochs,step,train_loss\n,0,49,1.2\n0.4,0,49,\n",
    "global_step": "lr-Adam,global_step,dice_ET\n0.01,49,0.1\n0.01,99,0.4\n",
    "Step": '"Step","run - dice_ET","run - dice_ET__MIN"\n"0","0.1","0.1"\n"1","0.4","0.4"\n',
    "_step": "_runtime,_timestamp,_step,dice_ET\n9,1700000000,0,0.1\n19,1700000010,1,0.4\n",
    "trainer/global_step": "trainer/global_step,dice_ET\n49,0.1\n99,0.4\n",
    "val/epoch": "Wall time,val/epoch,dice_ET\n1.5,0,0.1\n2.5,1,0.4\n",
}


@pytest.mark.parametrize(("column", "text"), LOGS.items(), ids=LOGS)
def test_a_log_of_a_training_is_refused_by_its_column(
    column: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(Refusal, match=rf"metrics.csv: .*column '{column}': a row an epoch or step"):
        read_results(path)


@pytest.mark.parametrize(
    "text",
    [
        "case,epoch,Dice_ET\nBraTS-GLI-1,400,0.5\n",
        "patient_id,Dice_ET,epoch\n17,0.5,400\n18,0.6,400\n",
        ",epoch,Dice_ET\nBraTS-GLI-1,400,0.5\n",
        "stepwise,Dice_ET\nBraTS-GLI-1,0.5\n",
    ],
)
def test_cases_of_a_network_of_some_epoch_are_cases(text: str) -> None:
    results = read_table(text, summary_rows=False)
    assert set(results.cases) <= {"BraTS-GLI-1", "17", "18"}
    assert results.cases["17" if "17" in results.cases else "BraTS-GLI-1"]["ET"]["dice"] == 0.5
