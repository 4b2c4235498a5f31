// A wall: many items that were read as the same. Arrows select, typing corrects, Enter confirms all.

import { $, el, replace } from "../dom.js";
import { count, plural, sureness } from "../format.js";
import { WALL } from "./queue.js";
import { saidText } from "./said.js";

export class Wall {
  /** desk: {queue, pictures, decide(decisions), announce(text), labels} */
  constructor(root, desk) {
    Object.assign(this, { root, desk, at: 0, cells: [], entries: [], marks: new Map(), steps: [], scans: false });
    this.list = el("div", { class: "wall", role: "listbox", "aria-multiselectable": "false", tabindex: "-1" });
    this.list.addEventListener("click", (event) => {
      const cell = event.target.closest("[role=option]");
      if (cell) this.select(this.cells.indexOf(cell));
    });
  }

  /** Put up a wall of a prediction, with these entries or with the next ones. */
  show(prediction, entries = this.desk.queue.wall(prediction), marks = new Map()) {
    const left = this.desk.queue.wall(prediction, Infinity).length;
    Object.assign(this, { prediction, entries, marks, steps: [], at: 0 });
    this.seqs = entries.map((entry) => entry.item.seq);
    replace(
      this.root,
      el("div", { class: "wall-head" }, el("p", { class: "asked" }, entries.length === 1 ? "Is this " : "Are these all ", el("strong", {}, prediction), "?"), el("p", { class: "muted" }, left > entries.length ? `${count(entries.length)} of ${plural(left, "reading")} as ${prediction}.` : `${plural(entries.length, "reading")} as ${prediction}${entries.length > 1 ? ", the least sure first" : ""}.`)),
      this.list,
    );
    this.list.setAttribute("aria-label", `Readings as ${prediction}`);
    this.draw();
    this.select(0);
  }

  draw() {
    this.list.classList.toggle("of-scans", this.scans);
    this.cells = this.entries.map((entry, n) => this.#cell(entry, n));
    replace(this.list, this.cells);
    this.cells.forEach((_, n) => this.#mark(n));
  }

  #cell({ item }, n) {
    const picture = this.scans ? this.desk.pictures.scan(item.seq, "") : this.desk.pictures.seen(item.seq, this.seqs);
    picture.ariaHidden = "true";
    const caption = el("span", { class: "caption", "aria-hidden": "true" });
    const cell = el("div", { class: "brick", role: "option", tabindex: "-1", "aria-posinset": n + 1, "aria-setsize": this.entries.length, title: item.name }, el("span", { class: "frame" }, picture), caption);
    return Object.assign(cell, { caption });
  }

  /** Show what is said of a cell so far. */
  #mark(n) {
    const cell = this.cells[n];
    const { item } = this.entries[n];
    const mark = this.marks.get(item.seq);
    const text = !mark ? this.prediction : mark.aside ? "later" : saidText(mark);
    cell.className = `brick${!mark ? "" : mark.aside ? " aside" : " corrected"}`;
    cell.caption.textContent = mark && !mark.aside ? `→ ${text}` : text;
    const what = !mark ? `read as ${this.prediction}` : mark.aside ? "put aside for later" : `corrected to ${text}`;
    cell.setAttribute("aria-label", `Item ${count(item.seq + 1)}, ${what}, ${sureness(item.confidence)} likely right`);
  }

  /** Select a cell. */
  select(n) {
    this.cells[this.at]?.setAttribute("aria-selected", "false");
    if (this.cells[this.at]) this.cells[this.at].tabIndex = -1;
    this.at = Math.max(0, Math.min(n, this.cells.length - 1));
    const cell = this.cells[this.at];
    if (!cell) return;
    for (const other of this.cells) if (other !== cell) other.setAttribute("aria-selected", "false");
    cell.setAttribute("aria-selected", "true");
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: "nearest" });
  }

  /** Say what the selected item shows, or put it aside; then go on. */
  say(mark) {
    const { seq } = this.entries[this.at].item;
    this.steps.push({ at: this.at, before: this.marks.get(seq) });
    if (mark && (mark.aside || mark.value !== this.prediction)) this.marks.set(seq, mark);
    else this.marks.delete(seq);
    this.#mark(this.at);
    this.desk.announce(mark?.aside ? "Put aside." : `${saidText(mark ?? { value: this.prediction })}.`);
    this.select(this.at + 1);
  }

  /** Take the last mark back; false when there is none. */
  undo() {
    const step = this.steps.pop();
    if (!step) return false;
    const { seq } = this.entries[step.at].item;
    if (step.before) this.marks.set(seq, step.before);
    else this.marks.delete(seq);
    this.#mark(step.at);
    this.select(step.at);
    return true;
  }

  /** Everything on the wall as decisions; what was put aside is none, nor what another window has decided meanwhile. */
  decisions() {
    const open = this.entries.filter(({ item, said }) => (this.marks.has(item.seq) ? !this.marks.get(item.seq).aside : !said));
    return open.map((entry) => ({ entry, said: this.marks.get(entry.item.seq) ?? { value: this.prediction, reason: null } }));
  }

  /** Entries that were put aside. */
  aside() {
    return this.entries.filter(({ item }) => this.marks.get(item.seq)?.aside);
  }

  key(name) {
    const across = this.#across();
    const by = { left: -1, right: 1, up: -across, down: across, first: -this.at, last: this.cells.length }[name];
    if (this.at + by >= 0 || name === "first" || name === "left") this.select(this.at + by);
  }

  #across() {
    const top = this.cells[0]?.offsetTop;
    return Math.max(1, this.cells.filter((cell) => cell.offsetTop === top).length);
  }

  view() {
    this.scans = !this.scans;
    const { at } = this;
    this.draw();
    this.select(at);
  }

  zoom() {
    this.list.classList.toggle("large");
    this.cells[this.at]?.scrollIntoView({ block: "nearest" });
  }

  /** Fetch the next wall's pictures. */
  ahead() {
    const next = this.desk.queue.wall(this.prediction, 2 * WALL).slice(this.entries.length);
    const other = this.desk.queue.walls().find(([prediction]) => prediction !== this.prediction);
    const seqs = next.length ? next.slice(0, WALL) : other ? this.desk.queue.wall(other[0]) : [];
    this.desk.pictures.ahead(seqs.map((entry) => entry.item.seq));
  }
}
