// How the service's terms are told to people; one file for scripts and templates alike.

import { el } from "./dom.js";
import words from "./words.json" with { type: "json" };

export { words };

/** A badge of shape, word and colour; `known` is an entry of words.status or words.item. */
export function badge(known) {
  return el("span", { class: `badge ${known.kind}` }, el("span", { "aria-hidden": "true" }, known.shape), ` ${known.word}`);
}

/** The badge of a job's status. */
export const statusBadge = (status) => badge(words.status[status] ?? { shape: "○", word: status, kind: "waiting" });

/** The entry of words.item for an item's document: accepted, review, failed, … */
export function itemKind(item) {
  if (item.status !== "succeeded") return item.status;
  return item.decision === "accept" ? "accepted" : "review";
}

export const itemBadge = (item) => badge(words.item[itemKind(item)] ?? words.item.pending);

/** Reasons in words; an unknown one (the list may grow) is shown as it is. */
export const reasonText = (reason) => words.reason[reason] ?? reason.replaceAll("_", " ");

/** An item's error in words: {what, help}. */
export const errorText = (code) => words.error[code] ?? { what: code.replaceAll("_", " "), help: "" };

const ENDED = new Set(["succeeded", "partially_succeeded", "failed", "canceled", "expired"]);

/** Whether a job's status is final. */
export const hasEnded = (status) => ENDED.has(status);
