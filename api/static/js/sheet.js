// A sheet to draw on: mouse, finger, pen with pressure, or the keyboard; strokes are kept, so that any can be undone.

const INK = "#111417";
const STEP = 14;

/** Calls `changed(blank)` after every change. */
export class Sheet {
  #strokes = [];
  #open = null;
  #cursor = null;
  #down = false;

  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.width = 40;
    this.context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => this.#end());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => this.#draw());
    canvas.addEventListener("blur", () => this.#lift());
    this.#draw();
  }

  get blank() {
    return !this.#strokes.length;
  }

  /** Take the last stroke back. */
  undo() {
    this.#strokes.pop();
    this.#finish();
  }

  /** Take a new sheet. */
  clear() {
    this.#strokes = [];
    this.#finish();
  }

  /** The drawing as a PNG, without the cursor. */
  async picture() {
    this.#draw(false);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/png"));
    this.#draw();
    return blob;
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    const pressure = event.pointerType === "pen" && event.pressure ? 0.4 + event.pressure : 1;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale, width: this.width * pressure };
  }

  #begin(event) {
    if (event.button > 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.#cursor = null;
    this.#open = [this.#place(event)];
    this.#strokes.push(this.#open);
    this.#finish();
  }

  #move(event) {
    if (!this.#open) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.#open.push(this.#place(one));
    this.#finish();
  }

  #end() {
    if (!this.#open) return;
    this.#open = null;
    this.#finish();
  }

  #key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else if (event.key === " " || event.key === "Enter") this.#toggle();
    else if (event.key === "Escape" && this.#down) this.#lift();
    else if (event.key in moves) this.#go(...moves[event.key]);
    else return;
    event.preventDefault();
  }

  #toggle() {
    this.#cursor ??= { x: this.canvas.width / 2, y: this.canvas.height / 4 };
    this.#down = !this.#down;
    if (this.#down) this.#strokes.push([{ ...this.#cursor, width: this.width }]);
    this.#finish();
  }

  #go(dx, dy) {
    this.#cursor ??= { x: this.canvas.width / 2, y: this.canvas.height / 4 };
    const within = (value, most) => Math.min(most, Math.max(0, value));
    this.#cursor = { x: within(this.#cursor.x + dx, this.canvas.width), y: within(this.#cursor.y + dy, this.canvas.height) };
    if (this.#down) this.#strokes.at(-1).push({ ...this.#cursor, width: this.width });
    if (this.#down) this.#finish();
    else this.#draw();
  }

  #lift() {
    this.#down = false;
    this.#cursor = null;
    this.#draw();
  }

  #finish() {
    this.#draw();
    this.changed(this.blank);
  }

  #draw(cursor = true) {
    const { context, canvas } = this;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle = INK;
    for (const stroke of this.#strokes) this.#ink(stroke);
    if (cursor && this.#cursor) this.#cross();
  }

  #ink(stroke) {
    const { context } = this;
    context.beginPath();
    context.arc(stroke[0].x, stroke[0].y, stroke[0].width / 2, 0, 7);
    context.fill();
    for (let i = 1; i < stroke.length; i += 1) {
      context.beginPath();
      context.lineWidth = stroke[i].width;
      context.moveTo(stroke[i - 1].x, stroke[i - 1].y);
      context.lineTo(stroke[i].x, stroke[i].y);
      context.stroke();
    }
  }

  #cross() {
    const { context } = this;
    const { x, y } = this.#cursor;
    context.save();
    context.strokeStyle = this.#down ? "#a8322a" : "#005a8c";
    context.lineWidth = 4;
    context.beginPath();
    context.arc(x, y, this.width / 2 + 6, 0, 7);
    context.moveTo(x - 10, y);
    context.lineTo(x + 10, y);
    context.moveTo(x, y - 10);
    context.lineTo(x, y + 10);
    context.stroke();
    context.restore();
  }
}
