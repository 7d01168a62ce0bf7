"""Pages of explorations of one held-out class are compared with the committed ones, by `tests/test_readme.py`."""

from aejax.report.analysis_page import anomaly_table
from aejax.report.tables import to_markdown


def test_several_held_out_classes_have_a_column_each_and_their_mean():
    areas = {"PCA error": {"value": 0.8, "ci95": [0.7, 0.9]}}
    classes = [{"class": name, "auroc": areas} for name in ("cat", "dog")]
    table = to_markdown(anomaly_table({"classes": classes, "mean_auroc": {"PCA error": 0.8}}))
    assert "| AUROC by | class cat | class dog | mean |" in table
    assert "| PCA error | 0.800 [0.700, 0.900] | 0.800 [0.700, 0.900] | 0.800 |" in table
