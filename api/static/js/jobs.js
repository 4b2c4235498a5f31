// The list of jobs: filters without loading anew, the address holds them, rows follow their jobs.

import { Refusal, json } from "./api.js";
import { fillRow } from "./bars.js";
import { showRefusal } from "./dialog.js";
import { $, $$, pageData, setText } from "./dom.js";
import { plural } from "./format.js";
import { localizeTimes } from "./shell.js";
import { hasEnded, words } from "./words.js";

const SOON_MS = 1000;
const LATER_MS = 8000;
const TYPING_MS = 250;
const { per_page: perPage } = pageData();
let asked = null;
let timer = 0;
let active = true;

/** What the address asks for. */
function wanted() {
  const query = new URLSearchParams(location.search);
  return { search: query.get("search") ?? "", state: query.get("state") ?? "", cursor: query.get("cursor") ?? "" };
}

function addressOf(chosen) {
  const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
  return query.size ? `/jobs?${query}` : "/jobs";
}

async function refresh({ say = false } = {}) {
  clearTimeout(timer);
  asked?.abort();
  asked = new AbortController();
  try {
    show(await json(`/v1/jobs?${questionOf(wanted())}`, { signal: asked.signal }), say);
    $("#problem").hidden = true;
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) throw error;
    showRefusal($("#problem"), error, { focus: false });
  }
  timer = setTimeout(refresh, active ? SOON_MS : LATER_MS);
}

function questionOf({ search, state, cursor }) {
  const query = new URLSearchParams({ limit: perPage });
  if (search.trim()) query.set("search", search.trim());
  if (cursor) query.set("cursor", cursor);
  for (const status of words.group[state]?.statuses ?? []) query.append("status", status);
  return query;
}

function show({ items, next_cursor: older }, say) {
  const chosen = wanted();
  const filtered = Boolean(chosen.search || chosen.state || chosen.cursor);
  const rows = new Map($$("#rows tr").map((row) => [row.dataset.job, row]));
  const ordered = items.map((job) => rowFor(rows.get(job.id), job));
  if (ordered.length !== $("#rows").children.length || ordered.some((row, i) => row !== $("#rows").children[i])) {
    $("#rows").replaceChildren(...ordered);
  }
  localizeTimes($("#rows"));
  $("#table").hidden = !items.length;
  $("#none").hidden = items.length > 0 || !filtered;
  $("#first").hidden = items.length > 0 || filtered;
  link($("#older"), older ? { ...chosen, cursor: older } : null);
  link($("#newest"), chosen.cursor ? { ...chosen, cursor: "" } : null);
  active = items.some((job) => !hasEnded(job.status));
  if (say) setText($("#told"), `${plural(items.length, "job")} shown`);
}

function rowFor(row, job) {
  const filled = row ?? $("#row").content.firstElementChild.cloneNode(true);
  fillRow(filled, job);
  return filled;
}

function link(node, chosen) {
  node.hidden = !chosen;
  if (chosen) node.setAttribute("href", addressOf(chosen));
}

function filter(push) {
  const chosen = { search: $("#search").value, state: $("#state").value, cursor: "" };
  history[push ? "pushState" : "replaceState"](null, "", addressOf(chosen));
  refresh({ say: true });
}

function typed() {
  clearTimeout(timer);
  timer = setTimeout(() => filter(false), TYPING_MS);
}

$("#search").addEventListener("input", typed);
$("#state").addEventListener("change", () => filter(true));
$("#filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter(true);
});
addEventListener("popstate", () => {
  const chosen = wanted();
  $("#search").value = chosen.search;
  $("#state").value = chosen.state;
  refresh({ say: true });
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
active = $$("#rows tr").length > 0;
timer = setTimeout(refresh, SOON_MS);
