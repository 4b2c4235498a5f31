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

/** How many readings are how sure; bars by the root of their number, since nearly all are in the last one. */
export function confidences(place, bars, targetError) {
  const highest = Math.sqrt(Math.max(1, ...bars.map((bar) => bar.count)));
  const step = WIDTH / bars.length;
  const drawn = bars.map((bar, i) => {
    const height = bar.count ? Math.max(3, ((HEIGHT - 22) * Math.sqrt(bar.count)) / highest) : 0;
    const kind = bar.low >= 0.95 ? "accepted" : bar.low >= 0.5 ? "running" : "review";
    return [
      svg("rect", { class: kind, x: (i * step + 1).toFixed(1), y: (HEIGHT - height).toFixed(1), width: (step - 2).toFixed(1), height: height.toFixed(1), rx: 2 }),
      bar.count ? svg("text", { class: "value", x: (i * step + step / 2).toFixed(1), y: (HEIGHT - height - 5).toFixed(1), "text-anchor": "middle" }, short(bar.count)) : null,
    ];
  });
  const ticks = [[0, "unsure", "start"], [0.5, "50 %", "middle"], [1, "sure", "end"]].map(([at, text, anchor]) =>
    svg("text", { x: at * WIDTH, y: HEIGHT + 18, "text-anchor": anchor }, text),
  );
  const sure = bars.at(-1).count;
  const all = bars.reduce((sum, bar) => sum + bar.count, 0);
  replace(
    place,
    svg(
      "svg",
      { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT - 8}`, role: "img", "aria-label": `${count(sure)} of ${plural(all, "reading")} are at least 95 % sure.` },
      svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
      drawn,
      ticks,
    ),
    el("p", { class: "hint" }, `${count(sure)} of ${plural(all, "reading")} are at least 95 % sure.${targetError ? ` At this setting ${oneIn(targetError)} accepted answers is expected to be wrong.` : ""}`),
  );
}

/** 1234 → "1.2k", so that numbers stand over narrow bars. */
const short = (number) => (number < 1000 ? String(number) : `${(number / 1000).toPrecision(2).replace(/\.0$/, "")}k`);
