// The items that a reviewer has not looked at yet, fetched in the background; another's answers are never among them.

import { patiently } from "../api.js";

const PAGE = 500;
/** So many that wait are enough for now; a job may have a hundred thousand. */
const ENOUGH = 2000;
const SHOWABLE = new Set(["undecodable_image", "image_too_large", "model_error", "template_not_matched"]);
const PLAIN_DOUBT = new Set(["low_confidence", "not_calibrated"]);
export const WALL = 33; // three rows, which a laptop shows at a glance

/** What can be reviewed: the name in the address → its title and the query that finds it. */
export const SOURCES = {
  doubtful: { title: "What needs a look", query: "decision=review", blind: true },
  accepted: { title: "Accepted readings", query: "decision=accept", blind: true },
  failed: { title: "Failed, but to be seen", query: "status=failed", blind: true },
  disagreed: { title: "Where people disagree", query: "disagreed=true", blind: false },
};

export class Queue {
  /** unsaved(seq): what was said of an item and waits to be saved, or null; changed(): told when more items have come. */
  constructor(job, reviewer, source, unsaved, changed) {
    Object.assign(this, { job, reviewer, source, unsaved, changed, entries: [], bySeq: new Map(), after: -1, complete: false, stopped: false });
  }

  /** Fetch what follows, page by page, until enough wait; throws a Refusal. */
  async load() {
    while (!this.stopped && !this.complete && this.left < ENOUGH) {
      const page = await patiently(this.#address(`after_seq=${this.after}&limit=${PAGE}`));
      for (const item of page.items) this.#add(item);
      this.complete = page.complete;
      const stands = page.next_after_seq === this.after;
      this.after = page.next_after_seq ?? this.after;
      this.changed();
      if (stands) return; // the job has not come further yet
    }
  }

  /** Fetch one item ahead of the others, if it is among them. */
  async fetchFirst(seq) {
    const { items } = await patiently(this.#address(`seqs=${seq}`));
    for (const item of items) this.#add(item);
  }

  #address(part) {
    const { query, blind } = SOURCES[this.source];
    const by = blind ? `&not_reviewed_by=${encodeURIComponent(this.reviewer)}` : "";
    return `/v1/jobs/${this.job}/results?${part}&${query}${by}`;
  }

  /** Fetch no more: something else is looked at now. */
  stop() {
    this.stopped = true;
  }

  #add(item) {
    if (this.bySeq.has(item.seq) || (item.status === "failed" && !SHOWABLE.has(item.error?.code))) return;
    const entry = { item, said: this.unsaved(item.seq), aside: false };
    this.bySeq.set(item.seq, entry);
    this.entries.push(entry);
  }

  /** Readings that only need a nod stand on walls, the least sure first; the others are looked at one by one. */
  isOfWall({ item, aside }) {
    return (this.source === "doubtful" || this.source === "accepted") && !aside && item.prediction !== null && item.reasons.every((reason) => PLAIN_DOUBT.has(reason));
  }

  /** Predictions that still have a wall, with how many items: [["7", 12], …]. */
  walls() {
    const found = new Map();
    for (const entry of this.entries) if (!entry.said && this.isOfWall(entry)) found.set(entry.item.prediction, (found.get(entry.item.prediction) ?? 0) + 1);
    return [...found].sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true }));
  }

  /** The next items of a wall. */
  wall(prediction, most = WALL) {
    const open = this.entries.filter((entry) => !entry.said && entry.item.prediction === prediction && this.isOfWall(entry));
    return open.sort((one, other) => one.item.confidence - other.item.confidence || one.item.seq - other.item.seq).slice(0, most);
  }

  /** What is looked at one by one, decided ones included, so that one can go back to them. */
  singles(all) {
    return all ? this.entries : this.entries.filter((entry) => !this.isOfWall(entry));
  }

  get left() {
    return this.entries.reduce((sum, entry) => sum + !entry.said, 0);
  }

  get done() {
    return this.entries.length - this.left;
  }
}
