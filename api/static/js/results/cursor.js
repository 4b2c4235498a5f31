// One item has the focus (roving tabindex); arrow keys move it through rows and columns, as role=grid promises.

export class Cursor {
  /** list: {port, scroller, cellAt(position) → element | null, open(position)}. */
  constructor(list) {
    this.list = list;
    this.position = 0;
    list.port.addEventListener("keydown", (event) => this.#key(event));
    list.port.addEventListener("focusin", (event) => this.#entered(event));
    list.port.addEventListener("focusout", () => this.#pin(false));
    list.port.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-position]");
      if (!cell) return;
      this.move(Number(cell.dataset.position));
      list.open(this.position);
    });
  }

  /** Keep within a list that has become shorter. */
  limit(size) {
    this.position = Math.max(0, Math.min(this.position, size - 1));
  }

  /** Put the focus on a position, scrolling to it where needed. */
  move(position) {
    const { scroller, cellAt } = this.list;
    const before = cellAt(this.position);
    if (before) before.tabIndex = -1;
    this.position = Math.max(0, Math.min(position, scroller.layout.size - 1));
    this.#pin(true);
    scroller.reveal(scroller.layout.rowOf(this.position));
    scroller.update();
    const cell = cellAt(this.position);
    if (!cell) return;
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
  }

  #entered(event) {
    const cell = event.target.closest("[data-position]");
    if (!cell) return;
    const before = this.list.cellAt(this.position);
    if (before && before !== cell) before.tabIndex = -1;
    this.position = Number(cell.dataset.position);
    cell.tabIndex = 0;
    this.#pin(true);
  }

  /** Keep the row with the focus in the page, wherever the list is scrolled to. */
  #pin(pinned) {
    const { scroller } = this.list;
    scroller.pinned = pinned && scroller.layout?.size ? scroller.layout.rowOf(this.position) : -1;
  }

  #key(event) {
    if (event.altKey || event.metaKey || !this.list.scroller.layout?.size) return;
    const to = this.#target(event);
    if (to === undefined) return;
    event.preventDefault();
    if (to === null) this.list.open(this.position);
    else this.move(to);
  }

  /** Where a key leads: a position, null to open the item, undefined for keys that mean nothing here. */
  #target({ key, ctrlKey }) {
    const { layout } = this.list.scroller;
    const at = this.position;
    const row = layout.row(layout.rowOf(at));
    const page = Math.max(1, Math.floor(this.list.port.clientHeight / layout.rowHeight) - 1);
    switch (key) {
      case "ArrowRight": return at + 1;
      case "ArrowLeft": return at - 1;
      case "ArrowDown": return layout.step(at, 1);
      case "ArrowUp": return layout.step(at, -1);
      case "PageDown": return layout.step(at, page);
      case "PageUp": return layout.step(at, -page);
      case "Home": return ctrlKey ? 0 : row.start;
      case "End": return ctrlKey ? layout.size - 1 : row.end - 1;
      case "Enter":
      case " ": return null;
      default: return undefined;
    }
  }
}
