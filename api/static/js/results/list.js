// What gallery and table share: a heading of a group, the words of an item, a grid of rows over the scroller.

import { $, el } from "../dom.js";
import { count, sureness } from "../format.js";
import { words } from "../words.js";
import { Cursor } from "./cursor.js";
import { Layout } from "./layout.js";
import { Scroller } from "./scroller.js";

/** What a group is called. */
export function groupName(part, group) {
  if (group === "state") return words.item[part.name].word;
  return part.name === null ? "Without a reading" : `Read as ${part.name}`;
}

/** "Item 17, read as 7, 99.8 % likely right, accepted" */
export function sentence(grid, seq) {
  const value = grid.value(seq);
  const sure = grid.sure(seq);
  const read = value === null ? "no reading" : `read as ${value}`;
  return [`Item ${count(seq + 1)}`, read, sure === null ? null : `${sureness(sure)} likely right`, words.item[grid.kind(seq)].word.toLowerCase()].filter(Boolean).join(", ");
}

export class List {
  /** kind: {columns(width), rowHeight, makeRow(columns), fillRow(cells, row, list), label} */
  constructor(port, kind, { sheets, open }) {
    Object.assign(this, { port, kind, sheets });
    this.body = el("div", { class: "rows", role: "presentation" });
    port.append(this.body);
    this.scroller = new Scroller(port, this.body, {
      make: () => this.#make(),
      fill: (element, row, index) => this.#fill(element, row, index),
      moved: (first, last) => this.moved(first, last),
    });
    const cellAt = (position) => $(`[data-position="${position}"]`, this.body);
    this.cursor = new Cursor({ port, scroller: this.scroller, cellAt, open });
    new ResizeObserver(() => this.#resized()).observe(port);
  }

  /** Show a selection of a grid. */
  show(grid, selection, group) {
    Object.assign(this, { grid, selection, group });
    this.columns = this.kind.columns(this.port.clientWidth);
    this.#layOut();
  }

  #layOut() {
    const { order, groups } = this.selection;
    const layout = new Layout(order.length ? groups : [], this.columns, this.kind.rowHeight(this.port.clientWidth), Boolean(this.group));
    this.cursor.limit(layout.size);
    this.port.setAttribute("aria-rowcount", layout.rows);
    this.port.setAttribute("aria-colcount", this.kind.ariaColumns ?? this.columns);
    this.sheets.setOrder(order, this.selection.plain);
    this.scroller.show(layout);
  }

  #resized() {
    if (!this.selection || !this.port.clientWidth) return;
    const columns = this.kind.columns(this.port.clientWidth);
    if (columns === this.columns && this.scroller.layout?.rowHeight === this.kind.rowHeight(this.port.clientWidth)) return;
    this.columns = columns;
    this.scroller.clear();
    this.#layOut();
  }

  /** Fetch the pictures of what is in view, and then what is around it. */
  moved(first, last) {
    const { layout } = this.scroller;
    this.sheets.want(layout.row(first).start, Math.max(layout.row(last).end - 1, 0));
    this.kind.moved?.(this, layout.row(first).start, layout.row(last).end);
  }

  #make() {
    const heading = el("div", { class: "group-head", role: "rowheader", hidden: true });
    const element = el("div", { class: `row-of ${this.kind.name}`, role: "row" }, heading, this.kind.makeRow(this.columns));
    element.heading = heading;
    element.cells = [...element.children].slice(1);
    return element;
  }

  #fill(element, row, index) {
    element.setAttribute("aria-rowindex", index + 1);
    element.heading.hidden = !row.heading;
    if (row.heading) {
      element.heading.textContent = `${groupName(row.heading, this.group)} · ${count(row.heading.end - row.heading.start)}`;
      for (const cell of element.cells) cell.hidden = true;
      for (const cell of element.cells) delete cell.dataset.position;
      return;
    }
    this.kind.fillRow(element.cells, row, this);
  }

  /** Draw the picture of a position; marks the cell while it is still to come. */
  picture(canvas, position) {
    const seq = this.selection.order[position];
    const pictured = this.grid.kind(seq) === "accepted" || this.grid.kind(seq) === "review";
    const drawn = pictured && this.sheets.draw(canvas, position);
    canvas.hidden = !pictured;
    canvas.classList.toggle("to-come", pictured && !drawn);
    if (pictured && !drawn) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
}
