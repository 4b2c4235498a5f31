// The gallery: as many pictures a row as fit, each with its reading.

import { el } from "../dom.js";
import { words } from "../words.js";
import { sentence } from "./list.js";

const CELL = 76;
const HEIGHT = 96;
const SIDE = 28;

export const gallery = {
  name: "pictures",
  columns: (width) => Math.max(3, Math.floor(width / CELL)),
  rowHeight: () => HEIGHT,

  makeRow(columns) {
    return Array.from({ length: columns }, () => {
      const parts = {
        canvas: el("canvas", { width: SIDE, height: SIDE }),
        glyph: el("span", { class: "glyph" }),
        value: el("span", { class: "value" }),
        state: el("span", { class: "state" }),
      };
      const frame = el("span", { class: "frame", "aria-hidden": "true" }, parts.canvas, parts.glyph);
      const cell = el("div", { class: "picture", role: "gridcell", tabindex: "-1" }, frame, el("span", { class: "caption", "aria-hidden": "true" }, parts.value, parts.state));
      return Object.assign(cell, parts);
    });
  },

  fillRow(cells, row, list) {
    const { grid, selection, cursor } = list;
    cells.forEach((cell, column) => {
      const position = row.start + column;
      cell.hidden = position >= row.end;
      if (cell.hidden) {
        delete cell.dataset.position;
        return;
      }
      const seq = selection.order[position];
      const kind = words.item[grid.kind(seq)];
      const corrected = grid.flags[seq] & 64 && grid.value(seq) !== grid.prediction(seq);
      cell.dataset.position = position;
      cell.tabIndex = position === cursor.position ? 0 : -1;
      cell.setAttribute("aria-label", sentence(grid, seq));
      cell.setAttribute("aria-colindex", column + 1);
      cell.value.textContent = grid.value(seq) ?? "–";
      cell.value.classList.toggle("corrected", Boolean(corrected));
      cell.state.textContent = kind.shape;
      cell.state.className = `state ${kind.kind}`;
      cell.glyph.textContent = kind.shape;
      cell.glyph.className = `glyph ${kind.kind}`;
      list.picture(cell.canvas, position);
      cell.glyph.hidden = !cell.canvas.hidden;
    });
  },
};
