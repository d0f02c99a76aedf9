# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, drawn."""

import os

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

from figures import FIGURES, spread  # noqa: E402

OURS, LIMIT, PEER = "#1565c0", "#bdbdbd", "#ef8a3c"
STYLE = {"svg.hashsalt": "shmring", "svg.fonttype": "none", "font.size": 9,
         "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False}


def colour(row, name):
    if name in row["limits"]:
        return LIMIT
    return OURS if name in row["ours"] else PEER


def label(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(axes, row, figure):
    """One bar a contender, longest first where more is better; the line is from least to most."""
    found = {name: spread(laps, figure) for name, laps in row["laps"].items()}
    found = {name: s for name, s in found.items() if s and s.middle > 0}
    names = sorted(found, key=lambda name: found[name].middle, reverse=figure != "rate")
    for at, name in enumerate(names):
        s = found[name]
        axes.barh(at, s.middle, color=colour(row, name), height=0.7)
        axes.plot([s.least, s.most], [at, at], color="#333333", linewidth=1)
        axes.annotate(label(s.middle), (max(s.middle, s.most), at), (4, 0),
                      textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels(names)
    axes.set_xlabel(FIGURES[figure][0])
    axes.set_title(row["title"], loc="left", fontsize=9, fontweight="bold")
    axes.margins(x=0.15)


def tell_colours(figures):
    handles = [plt.Rectangle((0, 0), 1, 1, color=which) for which in (OURS, PEER, LIMIT)]
    figures.legend(handles, ("shmring", "others", "limits of the machine"), frameon=False,
                   fontsize=8, loc="lower center", ncol=3)


def bar_page(rows, wanted, path, figure="rate", log=False):
    heights = [len(rows[name]["laps"]) + 1.6 for name in wanted]
    figures, all_axes = plt.subplots(len(wanted), 1, figsize=(7.5, 0.3 + 0.26 * sum(heights)),
                                     gridspec_kw={"height_ratios": heights}, squeeze=False)
    for name, axes in zip(wanted, all_axes[:, 0]):
        if log:
            axes.set_xscale("log")
        bars(axes, rows[name], figure)
    tell_colours(figures)
    save(figures, path, 0.3 / figures.get_figheight())


def save(figures, path, below=0):
    figures.tight_layout(rect=(0, below, 1, 1))
    figures.savefig(path, metadata={"Date": None})
    plt.close(figures)


def latency_page(rows, wanted, path):
    """p50, p90, p99 and max of each contender, one line each."""
    figures, all_axes = plt.subplots(1, len(wanted), figsize=(7.5, 3.6), sharey=True,
                                     squeeze=False)
    for name, axes in zip(wanted, all_axes[0]):
        row = rows[name]
        for contender, laps in row["laps"].items():
            found = [spread(laps, key) for key in ("p50_us", "p90_us", "p99_us", "p100_us")]
            if all(found):
                axes.plot(range(4), [s.middle for s in found], marker="o", markersize=3,
                          label=contender, color=colour(row, contender))
        axes.set_yscale("log")
        axes.set_xticks(range(4))
        axes.set_xticklabels(["p50", "p90", "p99", "max"])
        axes.set_title(row["title"].split(", ")[1], loc="left", fontsize=9, fontweight="bold")
        axes.legend(fontsize=8, frameon=False)
    all_axes[0][0].set_ylabel("us from the source to the sink")
    save(figures, path)


def size_page(rows, wanted, path):
    """What handing over costs, however large the frame."""
    laps = rows["sizes"]["laps"]
    figures, axes = plt.subplots(figsize=(7.5, 2.6))
    found = [spread(each, "rate") for each in laps.values()]
    axes.errorbar(range(len(laps)), [s.middle for s in found], color=OURS, marker="o", capsize=3,
                  yerr=[[s.middle - s.least for s in found], [s.most - s.middle for s in found]])
    axes.set_xticks(range(len(laps)))
    axes.set_xticklabels(list(laps))
    axes.set_ylim(0)
    axes.set_ylabel("frames/s")
    axes.set_title(rows["sizes"]["title"], loc="left", fontsize=9, fontweight="bold")
    save(figures, path)


PAGES = (
    ("Frames a second from pipeline to pipeline", "elements", bar_page,
     ("videotestsrc", "in-place", "every-byte", "copied", "converted"), {}),
    ("From the source to the sink, frame by frame", "latency", latency_page,
     ("paced-30", "paced-60", "paced-125"), {}),
    ("Frames a second from Python to Python", "python", bar_page, ("python", "python-bytes"),
     {"log": True}),
    ("From Python to Python, at 60 frames/s", "python-latency", bar_page, ("python-60",),
     {"figure": "p50_us", "log": True}),
    ("Frames a second, however large they are", "sizes", size_page, ("sizes",), {}),
)


def draw(rows, folder):
    """[(title, file)] of those that there are rows for."""
    drawn = []
    with plt.rc_context(STYLE):
        for title, name, page, wanted, options in PAGES:
            wanted = [row for row in wanted if row in rows]
            if wanted:
                drawn.append((title, os.path.join(folder, f"performance-{name}.svg")))
                page(rows, wanted, drawn[-1][1], **options)
    return drawn
