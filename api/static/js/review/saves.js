// What was decided and is not saved yet: sent one after the other in the background, kept over a lost connection.

import { Refusal, call } from "../api.js";
import { LineStore } from "./line_store.js";

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;
const ADOPT_MS = 10_000;

export class Saves {
  /**
   * changed({unsaved, problem, saved}): told at every change. What waits is kept in this browser under job, reviewer and
   * window, so that closing the page by mistake loses nothing.
   */
  constructor(job, reviewer, changed) {
    Object.assign(this, { job, reviewer, changed, saved: 0, problem: null, line: [], givenAt: new Map() });
    this.store = new LineStore(job, reviewer);
    this.wait = FIRST_WAIT_S;
    addEventListener("online", () => this.again());
    addEventListener("beforeunload", (event) => this.unsaved && event.preventDefault());
  }

  /** Take up what waits here from before, also of windows that are gone; heard(line): told what others decide. */
  async open(heard) {
    this.line = await this.store.open();
    this.store.listen(heard);
    const adopt = () => this.store.adopt((line) => this.#takeOver(line, heard));
    await adopt();
    setInterval(adopt, ADOPT_MS);
    this.#run();
  }

  /** How many decisions the service does not have yet. */
  get unsaved() {
    return this.line.reduce((sum, entry) => sum + entry.items.length, 0);
  }

  /** What was said of an item and is not saved yet, or null. */
  said(seq) {
    for (const { what, items } of this.line.toReversed()) {
      const found = items.find((one) => one.seq === seq);
      if (found) return what === "give" ? { value: found.value, reason: found.reason ?? null } : null;
    }
    return null;
  }

  /** Say what items show: [{seq, value, reason}], all or none of them. */
  give(items) {
    this.#add({ what: "give", items });
  }

  /** Take back what was said of these items. */
  take(seqs) {
    if (seqs.length) this.#add({ what: "take", items: seqs.map((seq) => ({ seq })) });
  }

  /** Try at once what has failed before. */
  again() {
    this.problem = null;
    clearTimeout(this.timer);
    this.timer = null;
    this.wait = FIRST_WAIT_S;
    this.#run();
  }

  /** Leave out what the service refuses, and go on with the rest. */
  leaveOut() {
    const left = this.line.shift();
    this.store.keep(this.line);
    this.again();
    return left.items.map((one) => one.seq);
  }

  /** Send what a window that is gone had not sent, in the order of deciding; what was decided here later stands. */
  #takeOver(line, heard) {
    const later = ({ seq }, at) => (this.givenAt.get(seq) ?? -1) > at;
    const found = line.map(({ at = 0, what, items }) => ({ at, what, items: items.filter((one) => !later(one, at)) })).filter(({ items }) => items.length);
    const sent = this.busy ? [this.line.shift()] : []; // on its way already
    this.line = [...sent, ...[...found, ...this.line].sort((one, other) => (one.at ?? 0) - (other.at ?? 0))];
    this.store.keep(this.line);
    heard(found);
    this.#tell();
    this.#run();
  }

  #add(entry) {
    entry.at = Date.now();
    for (const { seq } of entry.items) this.givenAt.set(seq, entry.at);
    this.line.push(entry);
    this.store.keep(this.line);
    this.#tell();
    this.#run();
  }

  async #run() {
    if (this.busy || this.timer || (this.problem && !this.problem.retryable) || !this.line.length) return this.#tell();
    this.busy = true;
    try {
      await this.#send(this.line[0]);
      this.saved += this.line.shift().items.length;
      this.problem = null;
      this.wait = FIRST_WAIT_S;
    } catch (error) {
      this.problem = error instanceof Refusal ? error : new Refusal({ code: "internal", title: error.message, retryable: true });
      if (this.problem.code === "unauthorized") this.problem.retryable = true;
      if (this.problem.retryable) this.#later();
    }
    this.store.keep(this.line);
    this.busy = false;
    this.#run();
  }

  #later() {
    const seconds = Math.max(this.wait, this.problem.retryAfter ?? 0);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_S);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#run();
    }, seconds * 1000);
  }

  async #send({ what, items }) {
    const by = encodeURIComponent(this.reviewer);
    const one = `/v1/jobs/${this.job}/items/${items[0].seq}/reviews/${by}`;
    if (what === "take") return items.length > 1 ? this.#takeAllBack(items, by) : this.#takeBack(one);
    const said = items.map(({ seq, value, reason }) => (value === null ? { seq, value, reason } : { seq, value }));
    if (items.length > 1) return call(`/v1/jobs/${this.job}/reviews`, { method: "POST", json: { reviewer: this.reviewer, items: said } });
    const { seq, ...body } = said[0];
    return call(one, { method: "PUT", json: body });
  }

  #takeAllBack(items, by) {
    const seqs = items.map(({ seq }) => seq).join(",");
    return call(`/v1/jobs/${this.job}/reviews?reviewer=${by}&seqs=${seqs}`, { method: "DELETE" });
  }

  /** What is not there any more was taken back before, by a try whose answer was lost. */
  async #takeBack(address) {
    try {
      await call(address, { method: "DELETE" });
    } catch (error) {
      if (error.code !== "not_found") throw error;
    }
  }

  #tell() {
    this.changed({ unsaved: this.unsaved, saved: this.saved, problem: this.problem });
  }
}
