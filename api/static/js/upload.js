// Send files with progress; one idempotency key an attempt at the same thing, so that a repeat never doubles a job.

import { offline, refusalOf, tokenHeaders } from "./api.js";
import { bytes, duration } from "./format.js";

/** A random key; `crypto.randomUUID` is there on https and localhost alone. */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Remembers the key of what was sent last: the same files and options get the same one. */
export class Keys {
  #of = "";
  #key = "";

  /** The key for this text, which says what is sent. */
  keyFor(text) {
    if (text !== this.#of || !this.#key) [this.#of, this.#key] = [text, randomKey()];
    return this.#key;
  }

  /** Forget it: the next submission is a new one, whatever is in it. */
  renew() {
    this.#key = "";
  }
}

/** Speed of the last seconds, so that the remaining time follows the line and does not jump. */
export class Pace {
  #marks = [];

  /** Note how many bytes are there now (ms). Returns bytes a second, or null before a second has passed. */
  note(loaded, now = performance.now()) {
    this.#marks.push([now, loaded]);
    while (this.#marks.length > 2 && now - this.#marks[0][0] > 5000) this.#marks.shift();
    const [then, before] = this.#marks[0];
    return now - then < 400 ? null : ((loaded - before) / (now - then)) * 1000;
  }
}

/** "38 of 183 MB · 12 MB/s · 12 s left" */
export function progressText(loaded, total, pace) {
  const parts = [`${bytes(loaded)} of ${bytes(total)}`];
  if (pace) parts.push(`${bytes(pace)}/s`, `${duration((total - loaded) / pace)} left`);
  return parts.join(" · ");
}

/**
 * POST a form. `progress(loaded, total)` while it goes, `sent()` when the last byte is out.
 * Returns {answer, cancel}: `answer` resolves to the JSON of the answer, to null when canceled, rejects with a Refusal.
 */
export function send(path, form, key, { progress, sent }) {
  const request = new XMLHttpRequest();
  const answer = new Promise((done, fail) => {
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.upload.addEventListener("load", () => sent());
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) done(JSON.parse(request.responseText));
      else fail(refusalOf(request.status, request.responseText, Number(request.getResponseHeader("Retry-After")) || null));
    });
    request.addEventListener("error", () => fail(offline()));
    request.addEventListener("abort", () => done(null));
  });
  request.open("POST", path);
  for (const [name, value] of Object.entries({ ...tokenHeaders("POST"), "Idempotency-Key": key })) request.setRequestHeader(name, value);
  request.send(form);
  return { answer, cancel: () => request.abort() };
}
