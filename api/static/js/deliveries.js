// The log of a job's webhook: every message, every try, and sending it again.

import { Refusal, json } from "./api.js";
import { showRefusal } from "./dialog.js";
import { el, may, replace, toast } from "./dom.js";
import { localTime, plural } from "./format.js";
import { badge } from "./words.js";

const STATES = {
  pending: { shape: "▸", word: "To be sent", kind: "running" },
  delivered: { shape: "✓", word: "Delivered", kind: "accepted" },
  failed: { shape: "✕", word: "Not delivered", kind: "failed" },
  canceled: { shape: "○", word: "Given up", kind: "skipped" },
};

const WHY = {
  exhausted: "Every try failed; it is not tried again by itself.",
  gone: "The address said that it is gone for good (410).",
  superseded: "A newer message has taken its place.",
  job_deleted: "The job was deleted first.",
  job_gone: "The job has expired.",
};
const AGAIN_MS = 1500;
let timer = 0;

/** Show the messages of a job, and follow them while one is on its way or `more()` says that one may come. */
export async function followDeliveries(place, jobId, more) {
  clearTimeout(timer);
  const onTheWay = await show(place, jobId, more);
  if (onTheWay || more()) timer = setTimeout(() => followDeliveries(place, jobId, more), AGAIN_MS);
}

async function show(place, jobId, more) {
  try {
    const { items } = await json(`/v1/webhooks/deliveries?job_id=${jobId}`);
    const rows = items.map((one) => line(one, () => redeliver(place, jobId, one, more)));
    replace(place, items.length ? el("ul", { class: "deliveries" }, rows) : el("p", { class: "muted" }, "No message yet: it is sent when the job is done."));
    return items.some((one) => one.status === "pending");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    showRefusal(place, error, { focus: false });
    return false;
  }
}

function line(one, again) {
  return el(
    "li",
    {},
    el(
      "div",
      { class: "row" },
      el("span", {}, badge(STATES[one.status] ?? { shape: "○", word: one.status, kind: "waiting" }), ` ${one.event}, ${plural(one.attempt_count, "try", "tries")}`),
      may("submit") ? el("button", { type: "button", class: "small", onclick: again }, "Send again") : null,
    ),
    one.reason ? el("p", { class: "hint" }, WHY[one.reason] ?? one.reason.replaceAll("_", " ")) : null,
    one.attempts.length ? el("ol", {}, one.attempts.map(attempt)) : null,
    one.next_attempt_at ? el("p", { class: "hint" }, `Next try ${localTime(one.next_attempt_at)}`) : null,
  );
}

function attempt(one) {
  const answer = one.status_code ? `answer ${one.status_code}` : String(one.error ?? one.reason ?? "no answer").replaceAll("_", " ").replace(/\.$/, "");
  const took = one.duration_ms === undefined || one.duration_ms === null ? "" : `, ${Math.round(one.duration_ms)} ms`;
  return el("li", {}, `${one.at ? `${localTime(one.at)}: ` : ""}${answer}${took}`);
}

async function redeliver(place, jobId, one, more) {
  try {
    await json(`/v1/webhooks/deliveries/${one.id}/redeliver`, { method: "POST" });
    toast("The message is on its way again.");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    toast(`${error.what} ${error.help}`);
  }
  followDeliveries(place, jobId, more);
}
