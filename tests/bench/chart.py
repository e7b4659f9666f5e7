"""The results as a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from tests.bench.contenders import OURS

PANELS = {
    "wall": "seconds, from start to end",
    "cpu": "CPU seconds for a million records",
    "small_wall": "seconds for a tenth of the records",
}


def drawn(results: dict, png: Path) -> None:
    """Bars, the shortest is best."""
    names = [*results][::-1]
    figure, axes = pyplot.subplots(
        1, len(PANELS), figsize=(14, 0.8 + 0.4 * len(names)), sharey=True, layout="constrained"
    )
    for axis, (field, title) in zip(axes, PANELS.items(), strict=True):
        values = [getattr(results[name], field) for name in names]
        bars = axis.barh(names, values, color=["tab:blue" if name.startswith(OURS) else "silver" for name in names])
        axis.bar_label(bars, fmt="%.1f", padding=3)
        axis.set_title(title)
        axis.margins(x=0.15)
    figure.savefig(png, dpi=120)
    pyplot.close(figure)
