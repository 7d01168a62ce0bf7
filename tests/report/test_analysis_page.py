from aejax.report.analysis_page import ANALYSIS_HEADINGS, render_analysis_page


def make_exploration(classes):
    summary = {"per_seed": [18.0, 19.0], "mean": 18.5, "ci95": [12.1, 24.9]}
    stored = {"store": "all units", "bits_per_number": 8, "bits_per_pixel": 0.163, "psnr_db": summary}
    stored |= {"bytes_per_code": {"mean": 16.0}, "pca": {"components": [16, 16], "psnr_db": summary}}
    areas = {
        "reconstruction error": {"value": 0.9, "ci95": [0.88, 0.92]},
        "PCA error": {"value": 0.8, "ci95": [0.7, 0.9]},
    }
    anomaly = {
        "says": "Found.",
        "figures": {"anomaly.png": "AUROC"},
        "mean_auroc": {"reconstruction error": 0.9, "PCA error": 0.8},
        "classes": [{"class": name, "auroc": areas} for name in classes],
    }
    return {
        "environment": {"command": "python scripts/explore.py --run r", "machine": "two cores", "seconds": 51.0},
        "dataset": {"name": "digits"},
        "config": {"seeds": 2},
        "method": "vae",
        "seed": 1,
        "parts": {
            "compression": {"says": "Small.", "figures": {"compression.png": "Rates"}, "stored": [stored]},
            "anomaly_detection": anomaly,
        },
        "skipped": {"samples": "no prior", "filters": "two channels"},
    }


def test_each_part_has_its_sentence_table_and_figures_and_each_omission_its_reason():
    page = render_analysis_page(make_exploration(["0"]))
    assert page.startswith("# vae on digits\n\nSeed 1 of 2")
    assert "`python scripts/explore.py --run r` on two cores in 51.0 s" in page
    assert "Small.\n\n| stored |" in page
    assert "| all units | 8 | 16 | 0.163 | 18.50 [12.10, 24.90] | 18.50 [12.10, 24.90] |" in page
    assert "![Rates](compression.png)" in page
    assert f"- {ANALYSIS_HEADINGS['samples']}: no prior.\n- {ANALYSIS_HEADINGS['filters']}: two channels." in page
    assert page.index(ANALYSIS_HEADINGS["compression"]) < page.index(ANALYSIS_HEADINGS["anomaly_detection"])


def test_several_classes_have_a_column_each_and_their_mean():
    assert "| AUROC by | class 0 |\n" in render_analysis_page(make_exploration(["0"]))
    page = render_analysis_page(make_exploration(["cat", "dog"]))
    assert "| AUROC by | class cat | class dog | mean |" in page
    assert "| PCA error | 0.800 [0.700, 0.900] | 0.800 [0.700, 0.900] | 0.800 |" in page
