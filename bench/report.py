# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, as tables for people."""

import rows
from figures import FIGURES, others_of, ratios, spread, too_noisy


def number(value, digits):
    return f"{value:,.{digits}f}"


def spread_text(found, digits):
    if found is None:
        return ""
    middle, least, most = (number(v, digits) for v in (found.middle, found.least, found.most))
    return middle if least == most else f"{middle} ({least} to {most})"


def short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(lines):
    """LINES of cells, the first one headings, as Markdown."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths)) + " |"
            for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def ratio_text(ours, theirs, figure):
    found = ratios(ours, theirs, figure)
    if not found:
        return ""
    why = too_noisy(found, ours, theirs)
    return why or short(sorted(found)[len(found) // 2])


def row_text(row):
    figures, laps = row["figures"], row["laps"]
    heading = FIGURES[figures[0]][0]
    lines = [["", *(FIGURES[figure][0] for figure in figures), f"first/this, {heading}"]]
    first = next(iter(laps), None)
    for name, found in laps.items():
        cells = [spread_text(spread(found, figure), FIGURES[figure][1]) for figure in figures]
        lines.append([name, *cells, "" if name == first else
                      ratio_text(laps[first], found, figures[0])])
    left = [f"{name}: skipped, {why}" for name, why in row["left_out"].items()]
    left += [f"{name}: {count} laps failed and were run again"
             for name, count in row["again"].items()]
    others = f"Others took {others_of(*laps.values()):.0%} of the machine." if laps else ""
    return "\n".join(["", f"### {row['title']}", "", table(lines), "", *left, others])


# ---- Goals ----

def beside_of(goal, row):
    if goal.beside != ("peers",):
        return [name for name in goal.beside if name in row["laps"]]
    return [name for name in row["laps"] if name not in row["ours"] + row["limits"]]


def judge(goal, row):
    """(value, "met", "missed" or why not told, beside whom)"""
    laps = row["laps"]
    less = laps.get(goal.less, ())
    others = beside_of(goal, row) if goal.beside else [None]
    if not others or goal.whom not in laps or (goal.less and not less):
        return None, "nobody to compare with", ""
    found = []
    for name in others:
        under = laps[name] if name else None
        values = ratios(laps[goal.whom], under, goal.figure, less)
        why = too_noisy(values, laps[goal.whom], *([under] if under else []))
        found.append((sorted(values)[len(values) // 2], why, name or ""))
    value, why, name = (min if goal.at_least else max)(found)
    met = value >= goal.bound if goal.at_least else value <= goal.bound
    return value, why or ("met" if met else "**missed**"), name


def goals_text(measured):
    lines = [["goal", "bound", "measured", "", "beside"]]
    for goal in rows.GOALS:
        if goal.row in measured:
            value, verdict, name = judge(goal, measured[goal.row])
            bound = f"{'at least' if goal.at_least else 'at most'} {short(goal.bound)}"
            lines.append([goal.text, bound, "" if value is None else short(value), verdict, name])
    return "\n### Goals\n\n" + table(lines) if len(lines) > 1 else ""


def draw(found, folder):
    try:
        import plots
    except ImportError as error:
        print(f"plots: skipped, {error}: apt install python3-matplotlib")
        return
    plots.draw(found["rows"], folder)
