"""Readers return a dataset or reject a file with one line, whatever bytes it contains; they write nothing.

`tests/robustness` tries many more inputs.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.robustness.reader_fuzzing import READERS, check_read, fuzz_reader
from tests.robustness.reader_samples import fix_png_checksums

QUICK = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CHARACTERS = "0123456789.,;-+eE_ \t\n\r\"'na\x00é\ufeff\u0661\ud800"


@pytest.mark.parametrize("name", sorted(READERS))
def test_damaged_files_are_accepted_or_rejected(tmp_path, name):
    max_examples = max(10, round(60 * READERS[name].input_share))
    result = fuzz_reader(name, READERS[name], tmp_path / "fuzz", max_examples, seed=0)
    assert result.faults == result.strays == ()
    assert result.accepted + result.refused == result.inputs
    assert result.refused > 0 or name == "page"  # of which a damaged part is left out


@pytest.mark.parametrize("name", sorted(READERS))
def test_undamaged_files_are_accepted(tmp_path, name):
    samples = READERS[name].make_samples(tmp_path)
    for sample in samples:
        (tmp_path / sample.path).write_bytes(sample.wrap(sample.content))
        assert check_read(READERS[name].read, tmp_path / sample.path) == "accepted"


@QUICK
@given(text=st.text(alphabet=CHARACTERS, max_size=80))
def test_any_text_as_a_table_is_accepted_or_rejected(tmp_path, text):
    path = tmp_path / "set.csv"
    path.write_bytes(("a,label\n" + text).encode(errors="surrogatepass"))
    check_read(READERS["csv"].read, path)


@QUICK
@given(content=st.binary(max_size=60))
def test_fixing_checksums_twice_is_fixing_them_once(content):
    fixed = fix_png_checksums(b"\x89PNG\r\n\x1a\n" + content)
    assert fix_png_checksums(fixed) == fixed
