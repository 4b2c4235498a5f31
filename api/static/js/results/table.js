// The table: one item a row, with its name, its state and the reasons in words.

import { el, setText } from "../dom.js";
import { count, sureness } from "../format.js";
import { errorText, reasonText, words } from "../words.js";
import { sentence } from "./list.js";

const SIDE = 28;
const COLUMNS = ["", "Item", "Name", "Reading", "Likely right", "State", "Why"];

/** The line of titles that stands above the rows. */
export const titles = () =>
  el("div", { class: "row-of line titles", role: "presentation", "aria-hidden": "true" }, COLUMNS.map((title) => el("span", {}, title)));

/** Why an item failed or needs a look. */
function why(item) {
  if (item.error) return errorText(item.error.code).what;
  return words.unread[item.status] ?? item.reasons.map(reasonText).join(" ");
}

export const table = (names) => ({
  name: "line",
  ariaColumns: COLUMNS.length,
  columns: () => 1,
  rowHeight: (width) => (width < 620 ? 64 : 48),

  makeRow() {
    const cells = COLUMNS.map((title, n) => el("span", { role: "gridcell", "aria-colindex": n + 1 }));
    const canvas = el("canvas", { width: SIDE, height: SIDE });
    cells[0].append(canvas);
    cells[2].tabIndex = -1;
    return cells.map((cell, n) => Object.assign(cell, n === 0 ? { canvas } : {}));
  },

  fillRow(cells, row, list) {
    const { grid, selection, cursor } = list;
    const seq = selection.order[row.start];
    const item = names.get(seq);
    const kind = words.item[grid.kind(seq)];
    const [picture, number, name, value, sure, state, reasons] = cells;
    for (const cell of cells) cell.hidden = false;
    list.picture(picture.canvas, row.start);
    setText(number, count(seq + 1));
    name.dataset.position = row.start;
    name.tabIndex = row.start === cursor.position ? 0 : -1;
    name.setAttribute("aria-label", `${item?.name ?? ""} ${sentence(grid, seq)}`.trim());
    name.title = item?.name ?? "";
    setText(name, item ? item.name + (item.page > 1 ? `, page ${item.page}` : "") : "…");
    const prediction = grid.prediction(seq);
    setText(value, grid.value(seq) === prediction ? (prediction ?? "–") : `${grid.value(seq) ?? "–"} (was ${prediction ?? "–"})`);
    setText(sure, sureness(grid.sure(seq)));
    setText(state, `${kind.shape} ${kind.word}`);
    state.className = kind.kind;
    setText(reasons, item ? why(item) : "");
    reasons.title = reasons.textContent;
  },

  moved(list, start, end) {
    names.want(list.selection.order, start, end);
  },
});
