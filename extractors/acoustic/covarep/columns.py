"""The 74 columns of COVAREP in their order, and what each is measured in."""

from __future__ import annotations

N_MCEP, N_HMPDM, N_HMPDD = 25, 25, 13

_MEASURED = (
    ("F0", "Hz"),
    ("VUV", ""),
    ("NAQ", ""),
    ("QOQ", ""),
    ("H1H2", "dB"),
    ("PSP", ""),
    ("MDQ", ""),
    ("peakSlope", "log10 amplitude per octave"),
    ("Rd", ""),
    ("Rd_conf", ""),
    ("creak", ""),
    *((f"MCEP_{k}", "ln amplitude") for k in range(N_MCEP)),
    *((f"HMPDM_{k}", "rad") for k in range(N_HMPDM)),
    *((f"HMPDD_{k}", "ln rad") for k in range(N_HMPDD)),
)
COLUMNS: tuple[str, ...] = tuple(name for name, _ in _MEASURED)
UNITS: tuple[str, ...] = tuple(unit for _, unit in _MEASURED)
VUV = COLUMNS.index("VUV")
# Row k stands for 5 ms + 10 ms k, the middle between two analysis frames.
FIRST_ROW_S = 0.005
ROW_STEP_S = 0.010
