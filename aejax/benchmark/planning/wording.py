"""Bytes and seconds as a reader takes them in: three digits and a unit that suits."""

BYTES = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SECONDS = ((86_400 * 365, "years"), (86_400, "days"), (3_600, "h"), (60, "min"), (1, "s"))
LARGE = 2  # of a unit of time, from which on it is used


def size(count: float) -> str:
    """Decimal units, as data sheets have them: `2.41 GB`.

    >>> size(240_640), size(12), size(2e12)
    ('241 kB', '12 B', '2 TB')
    """
    unit, name = next(((unit, name) for unit, name in BYTES if count >= unit), (1, "B"))
    return f"{_digits(count / unit)} {name}"


def duration(seconds: float) -> str:
    """Seconds up to two minutes, minutes up to two hours, and so on.

    >>> duration(0.0), duration(0.0123), duration(90), duration(1009), duration(452_533)
    ('0 s', '0.0123 s', '90 s', '16.8 min', '5.24 days')
    """
    unit, name = next(((unit, name) for unit, name in SECONDS if seconds >= LARGE * unit), SECONDS[-1])
    return f"{_digits(seconds / unit)} {name}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
