// Names and reasons of items: they are not in the grid, so they are fetched in blocks around the place in view.

import { patiently } from "../api.js";

const BLOCK = 200;
const KEPT = 60;

export class Names {
  constructor(job, ready) {
    Object.assign(this, { job, ready });
    this.items = new Map();
    this.blocks = new Map();
  }

  /** The document of an item, if it has come. */
  get(seq) {
    return this.items.get(seq);
  }

  /** Fetch what these positions of an order need, and one block each way. */
  want(order, start, end) {
    const last = Math.floor((order.length - 1) / BLOCK);
    for (let n = Math.max(0, Math.floor(start / BLOCK) - 1); n <= Math.min(last, Math.floor(end / BLOCK) + 1); n += 1) {
      const seqs = order.subarray(n * BLOCK, (n + 1) * BLOCK);
      const name = seqs.join(",");
      if (seqs.length && !this.blocks.has(name)) this.#load(name, seqs);
    }
  }

  /** Forget what is known of items, so that it is asked for again. */
  forget() {
    this.items.clear();
    this.blocks.clear();
  }

  async #load(name, seqs) {
    this.blocks.set(name, seqs);
    try {
      const { items } = await patiently(`/v1/jobs/${this.job}/results?limit=1000&seqs=${name}`);
      for (const item of items) this.items.set(item.seq, item);
      this.#trim();
      this.ready();
    } catch {
      this.blocks.delete(name); // asked for again when the list moves
    }
  }

  #trim() {
    for (const [name, seqs] of this.blocks) {
      if (this.blocks.size <= KEPT) return;
      this.blocks.delete(name);
      for (const seq of seqs) this.items.delete(seq);
    }
  }
}
