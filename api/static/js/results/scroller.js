// Draw only the rows near the window, on elements used again and again, with screens to spare each way.

const SPARE = 2.5;
const AT_FIRST = 0.3;

export class Scroller {
  /**
   * port: the element that scrolls; body: its child, made as high as all rows.
   * make() → an empty row; fill(element, row, index): puts a row of the layout into it.
   */
  constructor(port, body, { make, fill, moved }) {
    Object.assign(this, { port, body, make, fill, moved });
    this.shown = new Map();
    this.free = [];
    this.pinned = -1;
    this.layout = null;
    let asked = false;
    const later = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        this.update();
      });
    };
    port.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(port);
  }

  /** Show another layout; the place in it stays as far as it can. */
  show(layout) {
    this.layout = layout;
    this.body.style.height = `${layout.height}px`;
    for (const index of [...this.shown.keys()]) if (index >= layout.rows) this.#drop(index);
    for (const [index, element] of this.shown) this.#put(element, index);
    if (this.shown.size) return this.update();
    this.update(AT_FIRST); // what is in view shows first
    setTimeout(() => this.update());
  }

  /** Start over with new elements, since rows look different now. */
  clear() {
    this.body.replaceChildren();
    this.shown.clear();
    this.free.length = 0;
  }

  /** Fill all drawn rows again: what they show has changed, or pictures have come. */
  refill() {
    for (const [index, element] of this.shown) this.fill(element, this.layout.row(index), index);
  }

  /** First and last row to be seen. */
  range() {
    const { scrollTop, clientHeight } = this.port;
    return [this.layout.rowAt(scrollTop), this.layout.rowAt(scrollTop + clientHeight)];
  }

  /** Draw what has come near, let go of what has gone far; the row with the focus stays. */
  update(spare = SPARE) {
    if (!this.layout?.rows) return this.clear();
    const { scrollTop, clientHeight } = this.port;
    const first = this.layout.rowAt(scrollTop - spare * clientHeight);
    const last = this.layout.rowAt(scrollTop + (1 + spare) * clientHeight);
    for (const index of [...this.shown.keys()]) if ((index < first || index > last) && index !== this.pinned) this.#drop(index);
    for (let index = first; index <= last; index += 1) if (!this.shown.has(index)) this.#add(index);
    if (this.pinned >= 0 && this.pinned < this.layout.rows && !this.shown.has(this.pinned)) this.#add(this.pinned);
    this.moved?.(...this.range());
  }

  /** Scroll as little as needed to see a row. */
  reveal(index) {
    const { top, height } = this.layout.row(index);
    const { scrollTop, clientHeight } = this.port;
    if (top < scrollTop) this.port.scrollTop = top;
    else if (top + height > scrollTop + clientHeight) this.port.scrollTop = top + height - clientHeight;
  }

  #add(index) {
    const element = this.free.pop() ?? this.make();
    this.shown.set(index, element);
    this.#put(element, index);
    if (!element.isConnected) this.body.append(element);
    element.hidden = false;
  }

  #put(element, index) {
    const row = this.layout.row(index);
    element.style.transform = `translateY(${row.top}px)`;
    element.style.height = `${row.height}px`;
    this.fill(element, row, index);
  }

  #drop(index) {
    const element = this.shown.get(index);
    this.shown.delete(index);
    element.hidden = true;
    this.free.push(element);
  }
}
