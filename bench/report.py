# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, as tables for people, and in docs/performance.md."""

import itertools
import os
import statistics

import rows
from figures import FIGURES, others_of, ratios, spread, too_noisy, values
from lap import LapError


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
    text = ["| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)) + " |"
            for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def ratio_text(ours, theirs, figure):
    found = ratios(ours, theirs, figure)
    if not found:
        return ""
    why = too_noisy(found, ours, theirs)
    return why or short(sorted(found)[len(found) // 2])


def share_text(row):
    """What of the first contender is not that of those beside it."""
    what, *beside = row["share"]
    first, *rest = (values(row["laps"].get(name, ()), row["figures"][0])
                    for name in [row["ours"][0], *beside])
    if not all([first, *rest]):
        return f"{what}: not told, somebody is missing"
    found = [whole - sum(parts) for whole, *parts in zip(first, *rest)]
    middle, heading = statistics.median(found), FIGURES[row["figures"][0]][0]
    of_all = middle / statistics.median(first)
    return f"{what}: {middle:.0f} {heading} a frame, {of_all:.1%} of all."


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
    if row["share"]:
        left.append(share_text(row))
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
        compared = [v / goal.by for v in ratios(laps[goal.whom], under, goal.figure, less)]
        why = too_noisy(compared, laps[goal.whom], *([under] if under else []))
        found.append((statistics.median_high(compared), why, name or ""))
    value, why, name = (min if goal.at_least else max)(found)
    met = value >= goal.bound if goal.at_least else value <= goal.bound
    return value, why or ("met" if met else "**missed**"), name


def goal_cells(goal, row):
    value, verdict, name = judge(goal, row)
    bound = f"{'at least' if goal.at_least else 'at most'} {short(goal.bound)}"
    return [goal.text, bound, "" if value is None else short(value), verdict, name]


def verdict_text(name, row):
    """What the goals of one row say."""
    return "".join("\n" + ", ".join(filter(None, goal_cells(goal, row)))
                   for goal in rows.GOALS if goal.row == name)


def goals_text(measured):
    lines = [["goal", "bound", "measured", "", "beside"]]
    lines += [goal_cells(goal, measured[goal.row]) for goal in rows.GOALS if goal.row in measured]
    return "### Goals\n\n" + table(lines) if len(lines) > 1 else ""


# ---- The order of contenders, in two runs ----

def order(row, names):
    """The best first."""
    figure = row["figures"][0]
    middle = {name: statistics.median(values(row["laps"][name], figure)) for name in names}
    return sorted(names, key=middle.get, reverse=figure == "rate")


def ordering_text(new, old):
    """Whether the contenders that both runs have came in the same order, row by row."""
    lines = [["row", "order", "the other way round now"]]
    for name in (name for name in new if name in old):
        names = [who for who in new[name]["laps"] if who in old[name]["laps"]]
        now, then = order(new[name], names), order(old[name], names)
        turned = [f"{b} before {a}" for a, b in itertools.combinations(then, 2)
                  if now.index(b) < now.index(a)]
        lines.append([name, f"{'differs' if turned else 'same'}, of {len(names)}",
                      "; ".join(turned)])
    return "\n### Order\n\n" + table(lines)


# ---- The page ----

END = "<!-- end -->\n"


def draw(found, folder):
    """[(title, file)] of the plots."""
    try:
        import plots
    except ImportError as error:
        print(f"plots: skipped, {error}: apt install python3-matplotlib")
        return []
    return plots.draw(found["rows"], folder)


def head_text(found):
    return (f"{found['machine']}; commit {found['commit']}, {found['date']}; "
            f"{found['laps']} laps of each.")


def put(page, what, text):
    """PAGE with TEXT between the marks of WHAT."""
    begin = f"<!-- {what}, by ./dev bench --report -->\n"
    head, found, rest = page.partition(begin)
    _, ends, tail = rest.partition(END)
    if not found or not ends:
        raise LapError(f"the page lacks the line {begin.strip()} or, after it, {END.strip()}")
    return f"{head}{begin}\n{text}\n\n{END}{tail}"


def write(found, path):
    page = path.read_text()
    left = [row.name for row in rows.all_rows(1, 1) if row.name not in found["rows"]]
    parts = [head_text(found), f"Not measured in that run: {', '.join(left)}." if left else "",
             goals_text(found["rows"])]
    texts = "\n".join(row_text(row) for row in found["rows"].values()).strip()
    page = put(put(page, "goals and plots", ""), "all rows", texts)  # before anything is drawn
    parts += [f"![{title}]({os.path.basename(file)})" for title, file in draw(found, path.parent)]
    path.write_text(put(page, "goals and plots", "\n\n".join(filter(None, parts))))
