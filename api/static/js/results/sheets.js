// Pictures of many items at once: contact sheets, fetched around the place in view, four at a time, turned to the theme.

import { call } from "../api.js";

const AT_ONCE = 4;
const AHEAD = 4;
/** Chosen items come a hundred at a time: workers draw as many in one go, so the first are there soon. */
const CHOSEN = 100;
const CHOSEN_AHEAD = 10;
const KEPT = 60;
const MOST_TRIES = 6;
const AGAIN_MS = 1500;

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

export class Sheets {
  /** size: {columns, rows, side} of a sheet; ready(): called when pictures have come; failed(refusal | null). */
  constructor(job, size, { ready, failed = () => {} }) {
    Object.assign(this, { job, size, ready, failed });
    this.sheets = new Map();
    this.order = new Uint32Array();
    this.plain = true;
    this.wanted = [];
    this.busy = 0;
    const turned = () => this.#forget();
    new MutationObserver(turned).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", turned);
  }

  /** Show items in this order from now on; sheets that hold the same items stay. */
  setOrder(order, plain) {
    this.order = order;
    this.plain = plain;
    this.per = plain ? this.size.columns * this.size.rows : CHOSEN;
    this.wanted = [];
    for (const sheet of this.sheets.values()) if (!sheet.complete) sheet.at = 0;
  }

  /** Fetch what the positions from `first` to `last` need, then what is around them, nearest first. */
  want(first, last) {
    if (!this.order.length) return;
    const [low, high] = [Math.floor(first / this.per), Math.floor(Math.max(first, last) / this.per)];
    const most = Math.floor((this.order.length - 1) / this.per);
    const near = [];
    for (let n = Math.max(0, low); n <= Math.min(most, high); n += 1) near.push(n);
    for (let by = 1; by <= (this.plain ? AHEAD : CHOSEN_AHEAD); by += 1) for (const n of [high + by, low - by]) if (n >= 0 && n <= most) near.push(n);
    this.wanted = near.map((n) => this.#address(n));
    this.#next();
  }

  /** Draw the picture at a position into a canvas of 28×28; false while it is still to come. */
  draw(canvas, position) {
    const sheet = this.sheets.get(this.#address(Math.floor(position / this.per)));
    if (!sheet?.picture) return false;
    const { columns, side } = this.size;
    const cell = position % this.per;
    canvas.getContext("2d").drawImage(sheet.picture, (cell % columns) * side, Math.floor(cell / columns) * side, side, side, 0, 0, side, side);
    return true;
  }

  #address(n) {
    if (this.plain) return `${n}`;
    if (this.named?.order !== this.order) this.named = { order: this.order, names: [] };
    return (this.named.names[n] ??= `?seqs=${this.order.subarray(n * this.per, (n + 1) * this.per).join(",")}`);
  }

  #next() {
    for (const name of this.wanted) {
      if (this.busy >= AT_ONCE) return;
      const known = this.sheets.get(name);
      if (known && (known.loading || known.complete || known.at > performance.now())) continue;
      this.#load(name, known ?? { picture: null, complete: false, tries: 0 });
    }
  }

  async #load(name, sheet) {
    this.busy += 1;
    sheet.loading = true;
    this.#keep(name, sheet);
    try {
      const response = await call(`/v1/jobs/${this.job}/sheets${name.startsWith("?") ? "" : "/"}${name}`);
      const picture = await createImageBitmap(await response.blob());
      sheet.picture = turned(picture);
      sheet.complete = response.headers.get("X-Sheet-Complete") === "true";
      sheet.tries = 0;
      sheet.at = performance.now() + AGAIN_MS;
      this.failed(null);
      this.ready();
    } catch (error) {
      sheet.tries += 1;
      sheet.at = sheet.tries < MOST_TRIES && error.retryable !== false ? performance.now() + (error.retryAfter ?? sheet.tries) * 1000 : Infinity;
      this.failed(error);
    } finally {
      sheet.loading = false;
      this.busy -= 1;
    }
    if (!sheet.complete && sheet.at < Infinity) setTimeout(() => this.#next(), Math.max(0, sheet.at - performance.now()) + 10);
    this.#next();
  }

  #keep(name, sheet) {
    this.sheets.delete(name);
    this.sheets.set(name, sheet);
    for (const [old, kept] of this.sheets) {
      if (this.sheets.size <= KEPT) break;
      if (!kept.loading && !this.wanted.includes(old)) this.sheets.delete(old);
    }
  }

  #forget() {
    this.sheets.clear();
    this.#next();
  }
}

/** Ink dark on light where the page is light; the service draws it light on dark. */
function turned(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (!isDark()) {
    context.globalCompositeOperation = "difference";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, picture.width, picture.height);
  }
  picture.close();
  return canvas;
}
