// Ask for one picture and show the answer: digit, decision and reasons in words, chances, what the model saw.

import { Refusal, call, json } from "./api.js";
import { showRefusal } from "./dialog.js";
import { $, el, replace, setText, svg } from "./dom.js";
import { sureness } from "./format.js";
import { badge, reasonText, words } from "./words.js";

const LABELS = [..."0123456789"];
let asked = null;
let shownUrl = null;

/** Show that there is nothing to read; a question on its way is given up. */
export function showNothing(text) {
  asked?.abort();
  verdict("?", "none", null, text);
  chances([], null);
  replace($("#pixels"));
  $("#problem").hidden = true;
}

/** Ask for a picture (a Blob) and show the answer; a former question is given up. */
export async function ask(picture) {
  asked?.abort();
  const mine = (asked = new AbortController());
  $(".answer").classList.add("busy");
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const answer = await json("/v1/predict", { method: "POST", body: picture, headers, signal: mine.signal });
    show(answer);
    await showPixels(answer.job_id, mine.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "too_many_pages") return showNothing("This has several pages. Here one page is read at a time; hand it in on the page Submit.");
    showNothing("No answer this time.");
    showRefusal($("#problem"), error, { retry: error.retryable ? () => ask(picture) : null, focus: false });
  } finally {
    if (asked === mine) $(".answer").classList.remove("busy");
  }
}

function show(answer) {
  const kind = answer.decision === "accept" ? "accepted" : "review";
  const reasons = answer.reasons.map(reasonText).join(" ");
  $("#problem").hidden = true;
  if (answer.prediction === null) {
    verdict("–", "none", kind, reasons || "No digit was found.");
  } else {
    verdict(answer.prediction, kind, kind, `${sureness(answer.confidence)} likely to be ${article(answer.prediction)}. ${reasons}`);
  }
  chances(answer.probabilities ?? answer.alternatives ?? [], answer.prediction);
}

/** "an 8", "a 3" */
const article = (label) => `${/^(8|11|18)/.test(label) ? "an" : "a"} ${label}`;

function verdict(reading, look, kind, text) {
  setText($("#reading"), reading);
  $("#reading").dataset.kind = look;
  replace($("#decision"), kind ? badge(words.item[kind]) : "\u00a0");
  setText($("#words"), text);
}

/** Bars of what each digit's chance is; a model with many labels gives its best five. */
function chances(list, best) {
  const pairs = list.length && Array.isArray(list[0]) ? list : LABELS.map((label, i) => [label, list[i] ?? 0]);
  replace($("#chances"), pairs.map(([label, p]) => chance(label, p, list.length > 0, label === best)));
}

function chance(label, p, known, best) {
  return el(
    "li",
    { class: best ? "best" : null },
    el("span", { class: "label" }, label),
    svg(
      "svg",
      { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 10 }),
      svg("rect", { class: best ? "accepted" : "skipped", width: (100 * p).toFixed(2), height: 10 }),
    ),
    el("span", { class: "value" }, known ? sureness(p) : ""),
  );
}

async function showPixels(jobId, signal) {
  try {
    const picture = await (await call(`/v1/jobs/${jobId}/items/0/image?view=model`, { signal })).blob();
    if (shownUrl) URL.revokeObjectURL(shownUrl);
    shownUrl = URL.createObjectURL(picture);
    replace($("#pixels"), el("img", { src: shownUrl, alt: "The picture as the model saw it: light on dark, scaled to 28 by 28 pixels" }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!(error instanceof Refusal)) throw error;
    replace($("#pixels")); // the answer stands by itself
  }
}
