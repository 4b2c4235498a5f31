// One item, large, with what is known of it; the next one shows at once, its scan is there already.

import { el, replace } from "../dom.js";
import { count, sureness } from "../format.js";
import { reasonText } from "../words.js";
import { saidText } from "./said.js";

const SHEET = 40;
const BEST = 3;

export class Single {
  /** desk: {queue, pictures, labels, announce} */
  constructor(root, desk) {
    Object.assign(this, { root, desk, all: false, scans: true, large: false, at: 0, entries: [] });
  }

  /** Show the first item that is not decided yet, or the one of a number. */
  open(seq = null) {
    this.entries = this.desk.queue.singles(this.all);
    const asked = seq === null ? -1 : this.entries.findIndex((entry) => entry.item.seq === seq);
    const open = this.entries.findIndex((entry) => !entry.said && !entry.skipped);
    this.go(asked >= 0 ? asked : Math.max(open, 0));
    return asked >= 0 || open >= 0;
  }

  get entry() {
    return this.entries[this.at];
  }

  go(at) {
    this.at = Math.max(0, Math.min(at, this.entries.length - 1));
    if (this.entry) this.draw();
  }

  /** Go to the next item that waits; false when none does. */
  next() {
    this.entries = this.desk.queue.singles(this.all);
    const waits = (entry) => !entry.said && !entry.skipped;
    const after = this.entries.findIndex((entry, n) => n > this.at && waits(entry));
    const found = after >= 0 ? after : this.entries.findIndex(waits);
    if (found >= 0) this.go(found);
    return found >= 0;
  }

  draw() {
    const { item, said } = this.entry;
    const seqs = this.#together();
    const picture = this.scans && !this.entry.unseen ? this.#scan(item) : this.desk.pictures.seen(item.seq, seqs);
    if (!this.scans) picture.ariaLabel = `What the model saw of item ${item.seq + 1}`;
    if (!this.scans) picture.role = "img";
    const frame = el("div", { class: `stage-picture${this.large ? " large" : ""}${this.scans ? "" : " of-model"}`, tabindex: this.large ? "0" : null, role: this.large ? "region" : null, "aria-label": this.large ? "Enlarged picture" : null }, picture);
    replace(this.root, el("div", { class: "single" }, this.#answer(item), frame, this.#context(item, said)));
    this.#ahead(seqs);
  }

  #scan(item) {
    const picture = this.desk.pictures.scan(item.seq, `Scan of item ${count(item.seq + 1)}`);
    picture.addEventListener("error", () => {
      this.entry.unseen = true;
      if (this.entry.item === item) this.draw();
    });
    return picture;
  }

  #answer(item) {
    const sure = item.confidence === null ? "" : el("span", {}, `${sureness(item.confidence)} likely right`);
    return el("p", { class: "answer" }, el("span", { class: "muted" }, "Read as "), el("strong", {}, item.prediction ?? "nothing"), sure);
  }

  #context(item, said) {
    return el(
      "div",
      { class: "context" },
      said ? el("p", { class: "yours" }, "You said ", el("strong", {}, saidText(said)), ".") : null,
      this.entry.skipped && !said ? el("p", { class: "yours" }, "You skipped this one.") : null,
      item.reasons.length || item.error ? el("ul", { class: "reasons" }, item.reasons.map((reason) => el("li", {}, reasonText(reason))), item.error ? el("li", {}, item.error.detail) : null) : null,
      this.#others(item),
      this.#people(item),
      el("p", { class: "file muted" }, `${item.name}${item.page > 1 ? `, page ${item.page}` : ""} · item ${count(item.seq + 1)}`),
      this.entry.unseen && this.scans ? el("p", { class: "hint" }, "A browser cannot show this scan; this is what the model saw.") : null,
    );
  }

  /** The likeliest labels, as bars. */
  #others(item) {
    const all = item.alternatives ?? (item.probabilities ?? []).map((p, n) => [this.desk.labels[n] ?? `${n}`, p]);
    const best = [...all].sort((one, other) => other[1] - one[1]).slice(0, BEST);
    if (!best.length) return null;
    return el("ol", { class: "weighed" }, best.map(([label, p]) => el("li", {}, el("span", { class: "label" }, label), el("progress", { max: 1, value: p, "aria-hidden": "true" }), el("span", { class: "share" }, sureness(p)))));
  }

  /** What others said: shown only where people disagree, and never before one has looked oneself. */
  #people(item) {
    if (!item.reviews.length) return null;
    return el("ul", { class: "people" }, item.reviews.map((one) => el("li", {}, el("strong", {}, saidText(one)), ` says ${one.reviewer}`)));
  }

  /** Numbers of the items whose pictures come in one sheet with this one's. */
  #together() {
    const start = Math.floor(this.at / SHEET) * SHEET;
    return this.entries.slice(start, start + SHEET).map((entry) => entry.item.seq);
  }

  #ahead() {
    const waiting = this.entries.slice(this.at + 1).filter((entry) => !entry.said);
    this.desk.pictures.scansAhead(waiting.map((entry) => entry.item.seq));
    if ((this.at + 10) % SHEET < 10) this.desk.pictures.ahead(this.entries.slice(this.at + 10 - ((this.at + 10) % SHEET), this.at + 10 + SHEET).map((e) => e.item.seq).slice(0, SHEET));
  }

  view() {
    this.scans = !this.scans;
    this.draw();
  }

  zoom() {
    this.large = !this.large;
    this.draw();
  }
}
