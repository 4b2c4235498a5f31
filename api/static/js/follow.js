// Follow one job by Server-Sent Events; quiet while nobody looks, and over when the job is.

import { Refusal, json } from "./api.js";
import { hasEnded } from "./words.js";

const HIDDEN_MS = 5000;
const BROKEN_MS = 3000;

/**
 * Calls `changed(job)` at most every `every` ms while it changes, `lost(refusal)` when the job cannot be reached.
 * A hidden window lets its connection go (browsers have six a host) and asks every few seconds for the title's sake.
 */
export class Follow {
  #source = null;
  #timer = 0;
  #waiting = null;
  #shownAt = -Infinity;
  #over = false;
  #paused = false;

  constructor(job, changed, lost, every = 400) {
    this.job = job;
    this.changed = changed;
    this.lost = lost;
    this.every = every;
    document.addEventListener("visibilitychange", () => this.#begin());
    addEventListener("pagehide", () => this.#rest());
    addEventListener("pageshow", (event) => event.persisted && this.#begin());
    this.#begin();
  }

  /** Stop showing changes, or go on. */
  pause(paused) {
    this.#paused = paused;
    this.#begin();
  }

  /** Take a document that came another way, such as the answer to a cancel. */
  take(job) {
    this.#show(job);
  }

  #begin() {
    this.#rest();
    if (this.#over || this.#paused) return;
    if (document.hidden) this.#timer = setTimeout(() => this.#ask(), HIDDEN_MS);
    else this.#listen();
  }

  #rest() {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#timer);
    clearTimeout(this.#waiting);
    this.#waiting = null;
  }

  #listen() {
    this.#source = new EventSource(this.job.links.events);
    for (const name of ["job.started", "job.progress", "job.completed"]) {
      this.#source.addEventListener(name, (event) => this.#arrived(JSON.parse(event.data)));
    }
    this.#source.addEventListener("error", () => {
      // the browser comes again by itself unless the answer was a refusal: then we ask why
      if (this.#source?.readyState === EventSource.CLOSED) this.#timer = setTimeout(() => this.#ask(), BROKEN_MS);
    });
  }

  async #ask() {
    try {
      this.#show(await json(this.job.links.self));
      this.#begin();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.lost(error);
      if (error.retryable) this.#begin();
    }
  }

  #arrived(job) {
    const wait = this.#shownAt + this.every - performance.now();
    clearTimeout(this.#waiting);
    if (wait <= 0 || hasEnded(job.status)) this.#show(job);
    else this.#waiting = setTimeout(() => this.#show(job), wait);
  }

  #show(job) {
    this.#shownAt = performance.now();
    this.job = job;
    if (hasEnded(job.status)) {
      this.#over = true;
      this.#rest();
    }
    this.changed(job);
  }
}
