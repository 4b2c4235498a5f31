// What was decided and is not saved yet: sent one after the other in the background, kept over a lost connection.

import { Refusal, call } from "../api.js";

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;

export class Saves {
  /**
   * changed({unsaved, problem, offline}): told at every change. What waits is kept in this browser under job and
   * reviewer, so that closing the page by mistake loses nothing.
   */
  constructor(job, reviewer, changed) {
    Object.assign(this, { job, reviewer, changed, saved: 0, problem: null });
    this.key = `unsaved ${job} ${reviewer}`;
    this.line = this.#kept();
    this.wait = FIRST_WAIT_S;
    addEventListener("online", () => this.again());
    addEventListener("beforeunload", (event) => this.unsaved && event.preventDefault());
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
    for (const seq of seqs) this.#add({ what: "take", items: [{ seq }] });
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
    this.#keep();
    this.again();
    return left.items.map((one) => one.seq);
  }

  #add(entry) {
    this.line.push(entry);
    this.#keep();
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
    this.#keep();
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
    if (what === "take") return this.#takeBack(one);
    const said = items.map(({ seq, value, reason }) => (value === null ? { seq, value, reason } : { seq, value }));
    if (items.length > 1) return call(`/v1/jobs/${this.job}/reviews`, { method: "POST", json: { reviewer: this.reviewer, items: said } });
    const { seq, ...body } = said[0];
    return call(one, { method: "PUT", json: body });
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

  #kept() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "[]");
    } catch {
      return [];
    }
  }

  #keep() {
    try {
      if (this.line.length) localStorage.setItem(this.key, JSON.stringify(this.line));
      else localStorage.removeItem(this.key);
    } catch {
      // storage is full or switched off: what waits lives in this page alone
    }
  }
}
