// Talk to the service: JSON in, JSON out, problem documents (RFC 9457) as errors, the session's token sent along.

import { words } from "./words.js";

const SAFE = new Set(["GET", "HEAD"]);

/** A refusal of the service, or that it could not be reached (`code` "offline"). */
export class Refusal extends Error {
  constructor(problem, retryAfter = null) {
    super(problem.detail || problem.title || problem.code);
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail ?? "";
    this.status = problem.status ?? 0;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id ?? null;
    this.jobId = problem.job_id ?? null;
    this.retryable = problem.retryable ?? true;
    this.retryAfter = retryAfter;
  }

  /** What happened, for people. */
  get what() {
    return words.refusal[this.code]?.what ?? words.error[this.code]?.what ?? this.title ?? "Something went wrong.";
  }

  /** What to do about it. */
  get help() {
    return words.refusal[this.code]?.help ?? words.error[this.code]?.help ?? "Try again.";
  }
}

/** The refusal of an answer that is none of 2xx; an answer of something in between counts as "unavailable". */
export function refusalOf(status, text, retryAfter = null) {
  try {
    const problem = JSON.parse(text);
    if (typeof problem.code === "string") return new Refusal(problem, retryAfter);
  } catch {
    // no problem document: a proxy's own page
  }
  return new Refusal({ code: "unavailable", title: "Unavailable", status, retryable: true }, retryAfter);
}

export const offline = () => new Refusal({ code: "offline", title: "Offline", retryable: true });

/** Headers that every changing call carries. */
export function tokenHeaders(method) {
  const token = document.querySelector('meta[name="csrf"]')?.content;
  return token && !SAFE.has(method) ? { "X-CSRF-Token": token } : {};
}

/**
 * Take the token of the session that the browser has now, as after signing in again in another tab.
 * Returns whether it is another one than before, so that a refused call is worth repeating.
 */
export async function renewToken() {
  const place = document.querySelector('meta[name="csrf"]');
  if (!place) return false;
  const page = await fetch(location.pathname).catch(() => null);
  const found = page?.ok ? /<meta name="csrf" content="([\w-]+)">/.exec(await page.text()) : null;
  if (!found || found[1] === place.content) return false;
  place.content = found[1];
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = found[1];
  return true;
}

/**
 * Call the service and return the Response when it is 2xx (or 304).
 * Throws Refusal; an AbortError passes through untouched.
 */
export async function call(path, options = {}) {
  try {
    return await once(path, options);
  } catch (error) {
    const outdated = error instanceof Refusal && error.code === "forbidden" && !SAFE.has(options.method ?? "GET");
    if (outdated && (await renewToken())) return once(path, options);
    throw error;
  }
}

async function once(path, { method = "GET", json, body, headers = {}, signal } = {}) {
  const given = { ...tokenHeaders(method), ...headers };
  if (json !== undefined) given["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers: given, body: json !== undefined ? JSON.stringify(json) : body, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : offline();
  }
  if (response.ok || response.status === 304) return response;
  throw refusalOf(response.status, await response.text(), Number(response.headers.get("Retry-After")) || null);
}

/** Call and read the JSON of the answer. */
export const json = async (path, options) => (await call(path, options)).json();

/** Call several times while the refusal says that it may work later; for reads only. */
export async function patiently(path, options = {}, tries = 3) {
  for (let turn = 1; ; turn += 1) {
    try {
      return await json(path, options);
    } catch (error) {
      if (!(error instanceof Refusal) || !error.retryable || turn === tries) throw error;
      await new Promise((done) => setTimeout(done, Math.min(error.retryAfter ?? turn, 5) * 1000));
    }
  }
}
