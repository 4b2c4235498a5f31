// Where the rows of a long list stand: groups with a heading each, rows of some columns, all found by arithmetic.

const HEAD = 44;

export class Layout {
  /** groups: [{name, start, end}] of positions; a heading stands above each when `headed`. */
  constructor(groups, columns, rowHeight, headed) {
    this.columns = columns;
    this.rowHeight = rowHeight;
    this.head = headed ? 1 : 0;
    let row = 0;
    let top = 0;
    this.parts = groups.map((group) => {
      const part = { ...group, row, top };
      const rows = Math.ceil((group.end - group.start) / columns);
      row += this.head + rows;
      top += this.head * HEAD + rows * rowHeight;
      return part;
    });
    this.rows = row;
    this.height = top;
    this.size = groups.length ? groups.at(-1).end : 0;
  }

  /** The last part whose `key` is not above a number. */
  #part(key, number) {
    let low = 0;
    for (let high = this.parts.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1;
      if (this.parts[middle][key] <= number) low = middle;
      else high = middle - 1;
    }
    return this.parts[low];
  }

  /** The row at a height in pixels. */
  rowAt(y) {
    const part = this.#part("top", y);
    const inside = y - part.top - this.head * HEAD;
    return Math.min(this.rows - 1, Math.max(0, inside < 0 ? part.row : part.row + this.head + Math.floor(inside / this.rowHeight)));
  }

  /** A row: {top, height, heading: its group | null, start, end: positions}. */
  row(index) {
    const part = this.#part("row", index);
    const inside = index - part.row - this.head;
    if (inside < 0) return { top: part.top, height: HEAD, heading: part, start: part.start, end: part.start };
    const start = part.start + inside * this.columns;
    return { top: part.top + this.head * HEAD + inside * this.rowHeight, height: this.rowHeight, heading: null, start, end: Math.min(part.end, start + this.columns) };
  }

  /** The row that holds a position. */
  rowOf(position) {
    const part = this.#part("start", position);
    return part.row + this.head + Math.floor((position - part.start) / this.columns);
  }

  /** The position one row below (or above, for −1), in the same column as far as there is one. */
  step(position, by) {
    let at = this.row(this.rowOf(position));
    const column = position - at.start;
    let index = this.rowOf(position);
    for (let left = Math.abs(by); left > 0; left -= 1) {
      let next = index + Math.sign(by);
      if (next >= 0 && next < this.rows && this.row(next).heading) next += Math.sign(by);
      if (next < 0 || next >= this.rows) break;
      index = next;
    }
    at = this.row(index);
    return Math.min(at.end - 1, at.start + column);
  }
}
