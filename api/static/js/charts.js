// Small charts as inline SVG and lists, readable without seeing them.

import { el, replace, svg } from "./dom.js";
import { count, oneIn, plural } from "./format.js";

const WIDTH = 480;
const HEIGHT = 150;
const FOOT = 34;

/** What was found, most frequent bar longest; each leads to its results. */
export function digits(place, found, address) {
  const most = Math.max(1, ...Object.values(found));
  const rows = Object.entries(found).map(([label, number]) =>
    el(
      "li",
      {},
      el("a", { class: "label", href: `${address}?${new URLSearchParams({ value: encodeURIComponent(label) })}` }, label),
      svg(
        "svg",
        { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { class: "track", width: 100, height: 10 }),
        svg("rect", { class: "accepted", width: Math.max(1, (100 * number) / most).toFixed(2), height: 10 }),
      ),
      el("span", { class: "count" }, count(number)),
    ),
  );
  replace(place, el("ul", { class: "digit-bars" }, rows));
}

/**
 * How many readings are how sure, each bar leading to its results; by the root of their number, since nearly all are in
 * the last one. `threshold`: from which confidence on a reading is accepted, null when none is; `accepted`: how many are.
 */
export function confidences(place, bars, { targetError, threshold, accepted, address }) {
  const highest = Math.sqrt(Math.max(1, ...bars.map((one) => one.count)));
  const step = WIDTH / bars.length;
  const ticks = [[0, "unsure", "start"], [0.5, "50 %", "middle"], [1, "sure", "end"]].map(([at, text, anchor]) =>
    svg("text", { x: at * WIDTH, y: HEIGHT + 18, "text-anchor": anchor }, text),
  );
  const sure = bars.at(-1).count;
  const all = bars.reduce((sum, one) => sum + one.count, 0);
  const told = `${count(sure)} of ${plural(all, "reading")} are at least 95 % sure.`;
  replace(
    place,
    svg(
      "svg",
      { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT - 8}`, role: "group", "aria-label": told },
      svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
      bars.map((one, i) => bar(one, { x: i * step, step, highest, share: acceptedShare(one, bars, threshold, accepted), address })),
      threshold === null ? null : svg("line", { class: "mark", x1: threshold * WIDTH, x2: threshold * WIDTH, y1: 0, y2: HEIGHT }),
      bars.map((one, i) => figure(one, { x: i * step, step, highest })), // above the line, which must not cross them
      ticks,
    ),
    el("p", { class: "hint" }, `${told}${targetError ? ` At this setting ${oneIn(targetError)} accepted answers is expected to be wrong.` : ""}`),
    threshold === null ? null : el("p", { class: "hint" }, "From the dashed line on a reading is accepted. Choose a bar to see its pictures."),
  );
}

const heightOf = (number, highest) => Math.max(3, ((HEIGHT - 22) * Math.sqrt(number)) / highest);

/** Which part of a bar's readings is accepted: within the bar of the threshold, what the bars above do not have. */
function acceptedShare({ low, high, count: number }, bars, threshold, accepted) {
  if (threshold === null || high <= threshold) return 0;
  if (low >= threshold) return 1;
  const above = bars.reduce((sum, one) => sum + (one.low >= threshold ? one.count : 0), 0);
  return Math.min(1, Math.max(0, (accepted - above) / number));
}

/** One bar; nothing where there is nothing to see. */
function bar({ low, high, count: number }, { x, step, highest, share, address }) {
  if (!number) return null;
  const height = heightOf(number, highest);
  const part = (kind, from, tall) => tall && svg("rect", { class: kind, x: (x + 1).toFixed(1), y: from.toFixed(1), width: (step - 2).toFixed(1), height: tall.toFixed(1) });
  const name = `${plural(number, "reading")} from ${Math.round(low * 100)} % to ${high < 1 ? `${Math.round(high * 100)} %` : "the surest"}`;
  return svg(
    "a",
    { href: `${address}?${new URLSearchParams({ sure: `${low}-${high}` })}`, "aria-label": name },
    svg("rect", { class: "catch", x, y: 0, width: step, height: HEIGHT }),
    part("review", HEIGHT - height, height * (1 - share)) || null,
    part("accepted", HEIGHT - height * share, height * share) || null,
  );
}

/** The number over a bar. */
function figure({ count: number }, { x, step, highest }) {
  if (!number) return null;
  const y = HEIGHT - heightOf(number, highest) - 5;
  return svg("text", { class: "value", x: (x + step / 2).toFixed(1), y: y.toFixed(1), "text-anchor": "middle", "aria-hidden": "true" }, short(number));
}

/** 1234 → "1.2k", 99899 → "100k", so that numbers stand over narrow bars. */
function short(number) {
  if (number < 1000) return String(number);
  const [share, unit] = number < 999_500 ? [number / 1000, "k"] : [number / 1_000_000, "M"];
  return `${share < 9.95 ? share.toFixed(1).replace(".0", "") : Math.round(share)}${unit}`;
}
