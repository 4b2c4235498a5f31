// Pictures for reviewing: cells of contact sheets for what the model saw, scans fetched ahead.

import { Sheets } from "../results/sheets.js";
import { el } from "../dom.js";

const AHEAD = 10;

export class Pictures {
  constructor(job, size) {
    Object.assign(this, { job, size, sets: new Map(), scans: new Map() });
  }

  /** A canvas with what the model saw of an item; it is drawn when its sheet has come. `among`: seqs that come with it. */
  seen(seq, among) {
    const { side } = this.size;
    const canvas = el("canvas", { width: side, height: side, class: "to-come" });
    const set = this.#set(among);
    const position = set.seqs.indexOf(seq);
    const draw = () => {
      if (!set.sheets.draw(canvas, position)) return;
      canvas.classList.remove("to-come");
    };
    set.waiting.push(draw);
    draw();
    return canvas;
  }

  /** Fetch a sheet of these items, if it is not there. */
  ahead(among) {
    if (among.length) this.#set(among);
  }

  #set(among) {
    const name = among.join(",");
    const known = this.sets.get(name);
    if (known) return known;
    const set = { seqs: among, waiting: [] };
    set.sheets = new Sheets(this.job, this.size, { ready: () => set.waiting.forEach((draw) => draw()) });
    set.sheets.setOrder(Uint32Array.from(among), false);
    set.sheets.want(0, among.length - 1);
    this.sets.set(name, set);
    if (this.sets.size > 8) this.sets.delete(this.sets.keys().next().value);
    return set;
  }

  /** Address of a scan. */
  scanOf = (seq) => `/v1/jobs/${this.job}/items/${seq}/image`;

  /** Fetch the scans of the next ten items, so that they show at once. */
  scansAhead(seqs) {
    const wanted = seqs.slice(0, AHEAD);
    for (const seq of wanted) {
      if (this.scans.has(seq)) continue;
      const picture = new Image();
      picture.src = this.scanOf(seq);
      this.scans.set(seq, picture);
    }
    for (const seq of this.scans.keys()) if (this.scans.size > 4 * AHEAD && !wanted.includes(seq)) this.scans.delete(seq);
  }

  /** An image of the scan, from what was fetched ahead where it was. */
  scan(seq, alt) {
    const picture = this.scans.get(seq)?.cloneNode() ?? new Image();
    if (!picture.src) picture.src = this.scanOf(seq);
    picture.alt = alt;
    const sized = () => picture.classList.toggle("tiny", picture.naturalWidth < 120);
    if (picture.complete) sized();
    picture.addEventListener("load", sized);
    return picture;
  }
}
