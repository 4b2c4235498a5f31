// One job, live: how far it is, what was found, what to do with it.

import { Refusal, call, json } from "./api.js";
import { fillBar } from "./bars.js";
import { confidences, digits } from "./charts.js";
import { followDeliveries } from "./deliveries.js";
import { confirm, showRefusal } from "./dialog.js";
import { $, copy, el, may, pageData, replace, setText, toast } from "./dom.js";
import { count, duration, localTime, plural } from "./format.js";
import { Follow } from "./follow.js";
import { Remaining, clock, doneWord, elapsed, speed, spoken, tells, title } from "./job_words.js";
import { errorText, hasEnded, statusBadge } from "./words.js";

const SAY_MS = 15_000;
const SUM_MS = 2000;
const SUM_SHARE = 4;
const WORKERS_MS = 5000;
const first = pageData();
const threshold = $("#main").dataset.threshold === undefined ? null : Number($("#main").dataset.threshold);
clock.skew = Date.now() - Date.parse($("#main").dataset.now);
const label = $("#job-name").textContent;
const remaining = new Remaining();
let workers = null;
let said = { status: null, at: 0 };
let sumAgainAt = -Infinity;
let summing = false;
let summed = null;

function show(job) {
  const { counts } = job;
  const left = remaining.of(job);
  const ended = hasEnded(job.status);
  replace($("#read"), el("strong", {}, count(counts.total - counts.pending)), ` of ${count(counts.total)} ${doneWord(counts)}`);
  setText($("#rest"), left === null ? (ended ? "" : speed(job) ?? "") : `${speed(job) ?? ""} · about ${duration(left)} left`);
  fillBar($("#bar .stacked"), counts);
  for (const one of $("#legend").children) legend(one, counts[one.dataset.kind]);
  setText($("#tells"), tells(job, workers));
  if ($("#job-status").dataset.status !== job.status) replace($("#job-status"), statusBadge(job.status));
  $("#job-status").dataset.status = job.status;
  document.title = `${title(job, label)} – inkqueue`;
  facts(job);
  buttons(job);
  say(job, left);
  sum(job);
}

function legend(node, number) {
  setText($("b", node), count(number));
  node.hidden = !number && ["skipped", "canceled", "expired", "pending"].includes(node.dataset.kind);
}

function facts(job) {
  setText($("#took"), job.started_at ? duration(elapsed(job)) : "–");
  setText($("#speed"), speed(job) ?? "–");
  if (job.results_expire_at) setText($("#expires"), localTime(job.results_expire_at));
}

function buttons(job) {
  const ended = hasEnded(job.status);
  const again = job.counts.failed + job.counts.canceled + job.counts.expired;
  $("#see").hidden = job.counts.pending === job.counts.total;
  $("#look").hidden = !job.counts.review || !may("review");
  setText($("#look b"), count(job.counts.review));
  $("#pause").hidden = ended;
  $('[data-format="xlsx"]').hidden = !ended;
  if (!may("submit")) return;
  $("#cancel").hidden = ended || job.status === "canceling";
  $("#retry").hidden = !ended || !again;
  setText($("#retry"), `Retry ${plural(again, "image")}`);
  $("#delete").hidden = !ended;
}

/** Tell screen readers at a change of state, else every 15 s. */
function say(job, left) {
  if (said.status === null) said = { status: job.status, at: performance.now() };
  if (job.status === said.status && (hasEnded(job.status) || performance.now() - said.at < SAY_MS)) return;
  said = { status: job.status, at: performance.now() };
  setText($("#said"), spoken(job, left));
}

/** Fetch the sums for the charts while the job changes: one question at a time, and rarer the longer an answer takes. */
async function sum(job) {
  const state = `${job.status} ${job.counts.pending} ${job.counts.reviewed}`;
  const now = performance.now();
  if (summing || state === summed || job.counts.pending === job.counts.total) return;
  if (!hasEnded(job.status) && now < sumAgainAt) return;
  summing = true;
  try {
    draw(job, await json(job.links.summary));
    summed = state;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "gone") summed = state;
  } finally {
    summing = false;
    sumAgainAt = performance.now() + Math.max(SUM_MS, SUM_SHARE * (performance.now() - now));
  }
  if (follow.job !== job) sum(follow.job); // it may have ended meanwhile
}

function draw(job, found) {
  const results = `${job.links.page}/results`;
  card("#digits-card", Object.keys(found.by_prediction).length, () => digits($("#digits"), found.by_prediction, results));
  card("#confidence-card", found.confidence.some((bar) => bar.count), () => confidences($("#confidence"), found.confidence, { targetError: job.target_error, threshold, accepted: job.counts.accepted, address: results }));
  const causes = Object.entries(found.by_error).sort((a, b) => b[1] - a[1]);
  card("#errors-card", causes.length, () => replace($("#errors"), causes.map(cause)));
  const helps = job.counts.canceled || job.counts.expired || causes.some(([code]) => errorText(code).retry);
  $("#mend").hidden = $("#retry")?.hidden !== false || Boolean(helps);
}

function card(selector, shown, fill) {
  $(selector).hidden = !shown;
  if (shown) fill();
}

function cause([code, number]) {
  const { what, help } = errorText(code);
  return el("li", {}, el("span", { class: "n" }, count(number)), el("p", {}, el("strong", {}, what)), el("p", { class: "muted" }, `${help} `, el("a", { href: `/docs/errors#${code}` }, el("code", {}, code))));
}

/** Who could work on it; asked while it waits, so that a stuck job says why. */
async function askWorkers() {
  if (hasEnded(follow.job.status)) return;
  if (!document.hidden) {
    try {
      workers = (await json("/v1/workers")).items.filter((one) => one.role === "worker");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      workers = null;
      if (!error.retryable) return;
    }
    setText($("#tells"), tells(follow.job, workers));
  }
  setTimeout(askWorkers, WORKERS_MS);
}

/** Do what a button says; a refusal is shown above. */
async function act(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    showRefusal($("#problem"), error);
  } finally {
    button.disabled = false;
  }
}

async function cancel() {
  const job = await json(first.links.cancel, { method: "POST" });
  follow.take(job);
  toast(`Stopped; ${plural(job.counts.succeeded, "result")} kept.`);
}

async function retry() {
  const job = await json(first.links.retry, { method: "POST" });
  location.assign(job.links.page);
}

async function remove() {
  const { total } = follow.job.counts;
  if (!(await confirm(`Delete “${label}”?`, `Its files and ${plural(total, "result")} are gone for good.`, "Delete", "Keep"))) return;
  await call(first.links.self, { method: "DELETE" });
  location.assign("/jobs");
}

function pause() {
  const paused = $("#pause").getAttribute("aria-pressed") !== "true";
  $("#pause").setAttribute("aria-pressed", String(paused));
  setText($("#pause"), paused ? "Go on with updates" : "Pause updates");
  follow.pause(paused);
}

for (const [selector, work] of [["#cancel", cancel], ["#retry", retry], ["#delete", remove]]) {
  $(selector)?.addEventListener("click", (event) => act(event.currentTarget, work));
}
$("#pause").addEventListener("click", pause);
$("#copy").hidden = false;
$("#copy").addEventListener("click", () => copy(location.origin + location.pathname, "The link is copied."));
show(first);
const lost = (refusal) => showRefusal($("#problem"), refusal, { focus: false });
const follow = hasEnded(first.status) ? { job: first, take: show, pause: () => {} } : new Follow(first, show, lost);
askWorkers();
if ($("#deliveries")) followDeliveries($("#deliveries"), first.id, () => !hasEnded(follow.job.status));
