// The system page: asks every two seconds while it is looked at, and shows the same document again and again.

import { json } from "./api.js";
import { $, el, pageData, replace, setText, svg } from "./dom.js";
import { ago, count, duration, plural } from "./format.js";
import { badge, words } from "./words.js";

const EVERY_MS = 2000;
const KEPT = 150; // five minutes of two seconds
const FINE = { shape: "✓", word: "Works", kind: "accepted" };
const BAD = { shape: "✕", word: "Trouble", kind: "failed" };
const WAITS = { shape: "◐", word: "Waiting", kind: "review" };
const WAITING_PARTS = new Set(["workers", "model"]);

const history = remembered();
let paused = false;
let told = "";
let timer = 0;

function remembered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem("system-pace") ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => one && Date.now() - one.at < KEPT * EVERY_MS) : [];
  } catch {
    return [];
  }
}

function remember(now) {
  if (!now.lanes) return;
  history.push({ at: Date.now(), pace: Object.fromEntries(now.lanes.map((lane) => [lane.lane, lane.images_per_s])) });
  history.splice(0, Math.max(0, history.length - KEPT));
  try {
    sessionStorage.setItem("system-pace", JSON.stringify(history));
  } catch {
    // storage is switched off: the curve begins anew with each page
  }
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What is wrong with a part, in words. */
function trouble(text) {
  if (words.trouble[text]) return words.trouble[text];
  const model = /^no living worker has the model (.+) loaded$/.exec(text);
  return model ? `Waiting: no worker has the model ${model[1]} loaded` : sentence(text);
}

/** The parts in the order in which people are told of them. */
function checksOf(now) {
  const order = Object.keys(words.check);
  return Object.entries(now.checks).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
}

function stateOf(now) {
  const wrong = checksOf(now).filter(([, what]) => what !== "ok");
  if (!wrong.length) return { known: { ...FINE, word: "Ready" }, text: "Everything works." };
  const waits = wrong.every(([part]) => WAITING_PARTS.has(part));
  const first = wrong.find(([part]) => !WAITING_PARTS.has(part)) ?? wrong[0];
  const name = words.check[first[0]]?.name ?? first[0];
  const what = trouble(first[1]);
  return {
    known: waits ? WAITS : { ...BAD, word: "Not ready" },
    text: `${what.startsWith("Waiting") ? what : `${name}: ${what}`}. ${words.check[first[0]]?.help ?? ""}`,
  };
}

function showState(now) {
  const { known, text } = stateOf(now);
  if (text === told) return;
  told = text;
  replace($("#state"), el("div", { class: `card state` }, badge(known), el("p", {}, sentence(text.replace(/^Waiting: /, "")))));
  setText($("#news"), text);
}

function lane(one, of) {
  const name = words.lane[one.lane] ?? { name: one.lane, tells: "" };
  const left = one.waiting + one.in_work;
  return el(
    "div",
    { class: "card lane" },
    el("h3", {}, name.name),
    el("p", { class: "muted" }, name.tells),
    el(
      "dl",
      { class: "figures" },
      figure(of === "you" ? "Of yours waiting" : "Waiting", count(one.waiting)),
      figure("In work", count(one.in_work)),
      figure("Longest wait", one.waiting ? duration(one.oldest_s) : "–"),
      figure("Done in about", timeLeft(one, left)),
      figure("Images a second", count(Math.round(one.images_per_s))),
    ),
    curve(one.lane),
  );
}

const figure = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

function timeLeft(one, left) {
  if (!left) return "–";
  if (!one.workers) return "no worker";
  return one.eta_s === null ? "not known yet" : duration(one.eta_s);
}

/** The pace of the last minutes; the newest on the right. */
function curve(name) {
  const paces = history.map((one) => one.pace[name] ?? 0);
  const most = Math.max(1, ...paces);
  const x = (place) => (100 - (paces.length - 1 - place) * (100 / (KEPT - 1))).toFixed(2);
  const points = paces.map((pace, place) => `${x(place)},${(36 - (34 * pace) / most).toFixed(2)}`);
  const area = points.length > 1 ? [`${x(0)},37`, ...points, "100,37"].join(" ") : "";
  const label = `Pace of the last minutes: now ${Math.round(paces.at(-1) ?? 0)}, at most ${Math.round(Math.max(0, ...paces))} images a second`;
  return [
    svg(
      "svg",
      { class: "curve", viewBox: "0 0 100 38", preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("line", { class: "ground", x1: 0, x2: 100, y1: 37, y2: 37 }),
      svg("polygon", { points: area }),
      svg("polyline", { points: points.join(" ") }),
    ),
    el("p", { class: "curve-note" }, el("span", {}, "5 min ago"), el("span", {}, `at most ${count(Math.round(Math.max(0, ...paces)))} a second`), el("span", {}, "now")),
  ];
}

function inHand(one) {
  if (one.role !== "worker") return "Keeps order: repeats what was lost, ends what is late";
  if (!one.busy) return "Waits for work";
  if (!one.chunk) return "Reads";
  const { chunk } = one;
  const many = chunk.end_seq - chunk.first_seq;
  return [
    many === 1 ? "Reads 1 image of " : `Reads ${plural(many, "image")} of `,
    el("a", { href: `/jobs/${chunk.job_id}` }, chunk.job_name || "a job without a name"),
  ];
}

/** The first model, and how many others; the page of the models tells of each. */
function served([first, ...others]) {
  if (first === undefined) return "–";
  return [first, others.length ? el("span", { class: "muted" }, `and ${plural(others.length, "other")}`) : null];
}

function workerRow(one) {
  const lanes = (one.lane ?? "").split(",").filter(Boolean).map((name) => words.lane[name]?.name ?? name);
  return el(
    "tr",
    {},
    el("th", { scope: "row", class: "host" }, words.role[one.role] ?? one.role, el("span", { class: "muted" }, `on ${one.host}`)),
    el("td", {}, inHand(one)),
    el("td", {}, lanes.join(", ") || "–"),
    el("td", {}, words.device[one.device?.split(":")[0]] ?? one.device ?? "–", one.engine ? el("span", { class: "muted", title: "The library that computes" }, one.engine) : null),
    el("td", {}, served(one.models)),
    el("td", { class: "number" }, one.role === "worker" ? count(Math.round(one.images_per_s)) : "–"),
    el("td", { class: "number" }, one.role === "worker" ? count(one.items) : "–"),
    el("td", {}, ago(one.started_at)),
  );
}

const COLUMNS = ["Who", "Does", "For", "Runs on", "Models", "Images a second", "Read so far", "Since"];

function workers(all) {
  if (all === null) return el("p", { class: "card empty" }, "Nobody can be asked while the database is away.");
  if (!all.some((one) => one.role === "worker")) {
    return [
      el(
        "div",
        { class: "card empty" },
        el("h2", {}, "Waiting: no worker is connected"),
        el("p", {}, "What you submit is kept and begins as soon as one connects. Whoever runs the service starts one with ", el("code", {}, "inkqueue worker"), "."),
      ),
      all.length ? table(all) : null,
    ];
  }
  return table(all);
}

function table(all) {
  const heads = COLUMNS.map((name) => el("th", { scope: "col", class: /second|far/.test(name) ? "number" : null }, name));
  const rows = [...all].sort((a, b) => b.role.localeCompare(a.role) || a.id.localeCompare(b.id)).map(workerRow);
  return el(
    "div",
    { class: "card scrolled", role: "region", "aria-label": "Processes", tabindex: "0" },
    el("table", { class: "workers" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)),
  );
}

function part([name, what]) {
  const known = words.check[name] ?? { name, fine: "", help: "" };
  const fine = what === "ok";
  const bad = WAITING_PARTS.has(name) ? WAITS : BAD;
  return el(
    "li",
    { class: "card" },
    el("strong", {}, known.name),
    badge(fine ? FINE : bad),
    el("p", { class: "muted" }, fine ? known.fine : `${trouble(what)}. ${known.help}`),
  );
}

/** Put new content in, unless a person has the focus in there. */
function put(place, key, ...content) {
  if (place.dataset.shown === key || place.contains(document.activeElement)) return;
  place.dataset.shown = key;
  replace(place, ...content);
}

function show(now) {
  remember(now);
  showState(now);
  if (now.lanes) put($("#lanes"), `${history.length}-${Date.now()}`, now.lanes.map((one) => lane(one, now.of)));
  else put($("#lanes"), "away", el("p", { class: "card empty" }, "Not known while the database is away."));
  put($("#workers"), JSON.stringify(now.workers?.map(({ heartbeat_at: _, ...rest }) => rest) ?? null), workers(now.workers));
  put($("#parts"), JSON.stringify(now.checks), checksOf(now).map(part));
}

async function news() {
  clearTimeout(timer);
  if (!paused && !document.hidden) {
    try {
      show(await json("/v1/system"));
    } catch (error) {
      const text = `${error.what ?? "No news came."} ${error.help ?? ""}`;
      if (text !== told) {
        told = text;
        replace($("#state"), el("div", { class: "card state" }, badge({ ...BAD, word: "No news" }), el("p", {}, text)));
        setText($("#news"), text);
      }
    }
  }
  timer = setTimeout(news, EVERY_MS);
}

const pause = $("#pause");
pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  setText(pause, paused ? "Go on" : "Pause");
  if (!paused) news();
});
document.addEventListener("visibilitychange", () => document.hidden || news());
show(pageData());
timer = setTimeout(news, EVERY_MS);
