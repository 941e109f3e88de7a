import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("5000", 5000),
        ("12B", 12),
        ("5GB", 5_000_000_000),
        ("5gb", 5_000_000_000),
        (" 5 GiB ", 5 * 2**30),
        ("5G", 5_000_000_000),
        ("1.5 MB", 1_500_000),
        ("1Ki", 1024),
        ("2TB", 2 * 10**12),
        # As a float, 0.29 * 1e9 falls one short.
        ("0.29GB", 290_000_000),
    ],
)
def test_a_size_is_read(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "5 GBs", "1e9", "5iB", "nan", "inf", "\N{ARABIC-INDIC DIGIT FIVE}GB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (5 * 10**15, "5000.0 TB")],
)
def test_a_size_is_printed(size: int, expected: str) -> None:
    assert format_size(size) == expected


@given(st.integers(0, 10**15))
def test_a_printed_size_reads_back_to_its_precision(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.06)
