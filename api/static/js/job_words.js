// Sentences about a job: how far it is, how long it takes, why it waits.

import { count, duration, percent, plural } from "./format.js";
import { hasEnded, words } from "./words.js";

const FIRST_S = 3;
const FIRST_ITEMS = 20;

/** By how much our clock is ahead of the service's, in milliseconds. */
export const clock = { skew: 0 };

/** Seconds since a job was taken up, by the service's clock. */
export const elapsed = (job, now = Date.now() - clock.skew) =>
  job.started_at ? Math.max(0, ((job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at)) / 1000) : 0;

/**
 * The remaining time, told after 3 s and 20 items; it follows slowly and never jumps back and forth.
 */
export class Remaining {
  #smooth = null;

  /** Seconds that are left, or null as long as nobody can say. */
  of(job, now = Date.now() - clock.skew) {
    const done = job.counts.total - job.counts.pending;
    if (job.status !== "running" || job.eta_seconds === null || elapsed(job, now) < FIRST_S || done < FIRST_ITEMS) return null;
    this.#smooth = this.#smooth === null ? job.eta_seconds : 0.7 * this.#smooth + 0.3 * job.eta_seconds;
    return this.#smooth;
  }
}

/** "42 images a second", or null before there is a pace. */
export function speed(job, now = Date.now() - clock.skew) {
  const seconds = elapsed(job, now);
  const done = job.counts.total - job.counts.pending;
  if (!done || seconds < 0.5) return null;
  const pace = done / seconds;
  return pace >= 1 ? `${count(Math.round(pace))} images a second` : `${count(Math.max(1, Math.round(pace * 60)))} images a minute`;
}

/** What a person wants to know now, in one sentence; `workers` are those alive, null when nobody could ask. */
export function tells(job, workers) {
  if (hasEnded(job.status)) return job.error?.detail ?? words.status[job.status].tells;
  if (workers !== null && !workers.length) return "Waiting: no worker is connected. It goes on by itself as soon as one is.";
  if (workers !== null && !workers.some((one) => serves(one, job))) return `Waiting: no worker has the model ${job.model.name} ${job.model.version ?? ""}.`;
  if (job.status === "queued" && job.queue_position > 0) return `Waiting: ${plural(job.queue_position, "job")} ahead. It is safe to close this page.`;
  return `${words.status[job.status].tells} It is safe to close this page.`;
}

const serves = (worker, job) => worker.models.some((ref) => ref === job.model.name || ref === `${job.model.name}@${job.model.version}`);

/** The window's title: "64 % – Ballots 17". */
export function title(job, label) {
  if (hasEnded(job.status)) return `${words.status[job.status].word} – ${label}`;
  return `${percent(job.progress)} – ${label}`;
}

/** "read", or "done" where some could not be. */
export const doneWord = ({ failed, skipped, canceled, expired }) => (failed + skipped + canceled + expired ? "done" : "read");

/** What screen readers hear from time to time. */
export function spoken(job, left) {
  const done = job.counts.total - job.counts.pending;
  const word = words.status[job.status].word;
  return `${word}: ${count(done)} of ${count(job.counts.total)} ${doneWord(job.counts)}${left === null ? "" : `, ${duration(left)} left`}.`;
}
