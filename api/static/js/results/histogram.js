// The histogram of confidence is the filter: drag over its bars, or choose both ends from lists.

import { el, replace, svg } from "../dom.js";
import { count } from "../format.js";
import { EDGES } from "./select.js";

const WIDTH = 320;
const HEIGHT = 84;
const BARS = EDGES.length - 1;
const STEP = WIDTH / BARS;

/** 0.995 → "99.5 %" */
export const edgeText = (share) => (share === 1 ? "highest" : `${Number((share * 100).toFixed(2))} %`);

export class Histogram {
  /** changed([low, high] | null) */
  constructor(place, threshold, changed) {
    Object.assign(this, { place, threshold, changed, range: null });
    this.picture = svg("svg", { class: "bars", viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: "img", "aria-label": "How sure the readings are" });
    this.low = this.#choice("From", "From at least", EDGES.slice(0, -1));
    this.high = this.#choice("to", "to at most", EDGES.slice(1));
    const ends = el("div", { class: "ends" }, this.low.field, this.high.field);
    replace(place, this.picture, ends);
    this.#drag();
  }

  #choice(title, name, edges) {
    const list = el("select", { "aria-label": name, onchange: (event) => this.#chosen(event) }, edges.map((edge) => el("option", { value: edge }, edgeText(edge))));
    return { list, field: el("label", {}, `${title} `, list) };
  }

  #chosen(event) {
    const [low, high] = [Number(this.low.list.value), Number(this.high.list.value)];
    if (low < high) this.#change(low, high);
    else if (event.target === this.low.list) this.#change(low, 1);
    else this.#change(0, high);
  }

  #change(low, high) {
    this.range = low <= 0 && high >= 1 ? null : [low, high];
    this.changed(this.range);
  }

  #drag() {
    let from = null;
    const barAt = (event) => {
      const box = this.picture.getBoundingClientRect();
      return Math.max(0, Math.min(BARS - 1, Math.floor(((event.clientX - box.left) / box.width) * BARS)));
    };
    const choose = (event) => {
      const [one, other] = [from, barAt(event)].sort((a, b) => a - b);
      this.#change(EDGES[one], EDGES[other + 1]);
    };
    this.picture.addEventListener("pointerdown", (event) => {
      from = barAt(event);
      this.picture.setPointerCapture(event.pointerId);
      choose(event);
    });
    this.picture.addEventListener("pointermove", (event) => from !== null && choose(event));
    this.picture.addEventListener("pointerup", () => (from = null));
    this.picture.addEventListener("pointercancel", () => (from = null));
  }

  /** Draw the counts and the chosen range. */
  show(counts, range) {
    this.range = range;
    const most = Math.sqrt(Math.max(...counts, 1));
    const bars = [...counts].map((n, bar) => this.#bar(n, bar, most));
    const total = counts.reduce((sum, n) => sum + n, 0);
    const sure = counts.slice(-1)[0];
    this.picture.setAttribute("aria-label", `How sure the readings are: ${count(sure)} of ${count(total)} are above 99.9 % likely right`);
    replace(this.picture, bars, this.#mark(), this.#scale());
    this.low.list.value = nearest(this.low.list, range?.[0] ?? 0);
    this.high.list.value = nearest(this.high.list, range?.[1] ?? 1);
  }

  #bar(n, bar, most) {
    const height = n ? Math.max(3, (Math.sqrt(n) / most) * (HEIGHT - 6)) : 0;
    const within = !this.range || (EDGES[bar] >= this.range[0] - 1e-9 && EDGES[bar + 1] <= this.range[1] + 1e-9);
    const accepted = this.threshold !== null && (EDGES[bar] + EDGES[bar + 1]) / 2 >= this.threshold;
    return [
      svg("rect", { class: "catch", x: bar * STEP, y: 0, width: STEP, height: HEIGHT }, svg("title", {}, `${edgeText(EDGES[bar])} to ${edgeText(EDGES[bar + 1])}: ${count(n)}`)),
      svg("rect", { class: `${accepted ? "accepted" : "review"}${within ? "" : " left-out"}`, x: bar * STEP + 1, y: HEIGHT - height, width: STEP - 2, height, rx: 1.5 }),
    ];
  }

  /** The line from which on readings are accepted. */
  #mark() {
    if (this.threshold === null) return null;
    let bar = 0;
    while (bar < BARS - 1 && EDGES[bar + 1] <= this.threshold) bar += 1;
    const x = (bar + (this.threshold - EDGES[bar]) / (EDGES[bar + 1] - EDGES[bar])) * STEP;
    return svg("line", { class: "mark", x1: x, x2: x, y1: 0, y2: HEIGHT });
  }

  #scale() {
    const texts = [[0, "start", "0 %"], [5, "middle", "50 %"], [9, "middle", "90 %"], [12, "middle", "99 %"], [BARS, "end", "sure"]];
    return [svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }), ...texts.map(([bar, anchor, text]) => svg("text", { x: bar * STEP, y: HEIGHT + 13, "text-anchor": anchor }, text))];
  }
}

/** The value of the list's option that is nearest to a share. */
const nearest = (list, share) => [...list.options].map((one) => one.value).sort((a, b) => Math.abs(a - share) - Math.abs(b - share))[0];
