"""Names, order and units of the 74 columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the matrix.

    Parameters
    ----------
    name
        As in COVAREP's tables.
    unit
        Unit of its values; `1` for a bare ratio or probability.
    comparable
        Whether it can be set against files made with COVAREP itself.
    """

    name: str
    unit: str
    comparable: bool = True


COLUMNS: tuple[Column, ...] = (
    Column("F0", "Hz"),
    Column("VUV", "0 or 1"),
    Column("NAQ", "1"),
    Column("QOQ", "1"),
    Column("H1H2", "dB"),
    Column("PSP", "1"),
    Column("MDQ", "1"),
    Column("peakSlope", "log10 amplitude per octave"),
    Column("Rd", "1"),
    Column("Rd_conf", "1"),
    # The original's network weights are not free: ours is another published detector.
    Column("creak", "1", comparable=False),
    *(Column(f"MCEP_{k}", "ln amplitude") for k in range(25)),
    *(Column(f"HMPDM_{k}", "rad") for k in range(25)),
    *(Column(f"HMPDD_{k}", "ln rad") for k in range(13)),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
INDEX: dict[str, int] = {name: k for k, name in enumerate(NAMES)}
