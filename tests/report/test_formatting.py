"""Numbers in tables have the digits of their quantity."""

import pytest

from aejax.evaluate.verdict_metrics import VERDICT_METRICS
from aejax.report.formatting import MISSING, format_difference, format_p_value, format_seconds, format_significant

ACCURACY = VERDICT_METRICS["accuracy"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_difference(ACCURACY, -0.00001), "+0.00"),
        (format_difference(ACCURACY, 0.0042), "+0.42"),
        (format_p_value(0.0009), "<0.001"),
        (format_p_value(None), MISSING),
        (format_significant(0.012), "0.0120"),
        (format_significant(123.4), "123"),
        (format_significant(float("inf")), MISSING),
        (format_seconds(0.04), "<0.1"),
        (format_seconds(1234.5), "1234"),
    ],
)
def test_numbers_have_the_digits_of_their_quantity(text, expected):
    assert text == expected
