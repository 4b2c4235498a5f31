// Reviewing: walls of equal readings first, then the doubtful ones singly; the next shows at once, saving follows.

import { showRefusal } from "./dialog.js";
import { $, $$, el, pageData, replace, setText } from "./dom.js";
import { count, plural } from "./format.js";
import { showEnd } from "./review/ending.js";
import { listenToKeys } from "./review/keys.js";
import { Pictures } from "./review/pictures.js";
import { watchProgress } from "./review/progress.js";
import { Queue, SOURCES } from "./review/queue.js";
import { askName, keptName } from "./review/reviewer.js";
import { asRead, isCorrection, saidText } from "./review/said.js";
import { Saves } from "./review/saves.js";
import { Single } from "./review/single.js";
import { tellSaves } from "./review/tell_saves.js";
import { Wall } from "./review/wall.js";

const MORE_MS = 3000;
const about = pageData();
const stage = $("#stage");
const given = new URLSearchParams(location.search);

class Desk {
  constructor(reviewer) {
    this.reviewer = reviewer;
    this.labels = about.labels;
    this.source = given.get("of") in SOURCES ? given.get("of") : "doubtful";
    this.pictures = new Pictures(about.job, about.sheet);
    this.saves = new Saves(about.job, reviewer, (state) => this.tellSaved(state));
    this.wall = new Wall(stage, this);
    this.single = new Single(stage, this);
    this.single.all = given.get("view") === "single";
    this.mode = null;
    this.history = [];
    this.askSums = watchProgress(about.job, reviewer);
  }

  /** Fetch what is to be looked at, and begin. */
  async begin(seq = null) {
    this.queue?.stop();
    this.mode = null;
    this.history = [];
    const queue = new Queue(about.job, this.reviewer, this.source, (one) => this.saves.said(one), () => this.more(queue));
    this.queue = queue;
    this.wanted = seq;
    replace(stage, el("p", { class: "muted", role: "status" }, "Looking for what needs eyes…"));
    await this.fetchMore();
  }

  async fetchMore() {
    const { queue } = this;
    try {
      if (this.wanted !== null) await queue.fetchFirst(this.wanted);
      await queue.load();
    } catch (refusal) {
      if (queue === this.queue && !queue.entries.length) showRefusal(stage, refusal, { retry: () => this.begin() });
      return;
    }
    if (queue === this.queue && !queue.complete) setTimeout(() => queue === this.queue && this.fetchMore(), MORE_MS);
  }

  /** More items have come. */
  more(queue) {
    if (queue !== this.queue) return;
    this.tellDone();
    if (this.mode === null || (this.mode === "end" && queue.left > this.skipped())) this.next();
  }

  /** Another window of this reviewer has decided: it is not asked here again. */
  heard(line) {
    const told = new Set();
    for (const { what, items } of line) {
      for (const { seq, value, reason = null } of items) {
        const entry = this.queue?.bySeq.get(seq);
        if (entry) told.add(Object.assign(entry, { said: what === "give" ? { value, reason } : null }));
      }
    }
    if (!told.size) return;
    const shown = this.mode === "wall" ? this.wall.entries : this.mode === "single" ? [this.single.entry] : [];
    const corrects = this.mode === "wall" && this.wall.marks.size; // what was typed is not taken away
    if (!corrects && shown.some((entry) => told.has(entry))) this.next();
    this.tellDone();
  }

  /** Show what comes next: a wall, an item, or that all is done. */
  next() {
    const walls = this.single.all ? [] : this.queue.walls();
    if (this.wanted !== null && this.single.open(this.wanted)) this.mode = "single";
    else if (walls.length) this.showWall(walls.find(([value]) => value === this.wall.prediction)?.[0] ?? walls[0][0]);
    else if (this.mode === "single" ? this.single.next() : this.single.open()) this.mode = "single";
    else this.end();
    this.wanted = null;
    this.tell();
    if (matchMedia("(max-width: 46rem)").matches) stage.scrollIntoView(); // the picture above the buttons, on small screens too
  }

  showWall(prediction, ...more) {
    this.mode = "wall";
    this.wall.show(prediction, ...more);
    this.wall.ahead();
  }

  end() {
    this.mode = "end";
    const { done, complete, entries } = this.queue;
    const corrected = entries.filter(({ item, said }) => said && isCorrection(item, said)).length;
    showEnd(stage, about.job, { done, complete, corrected, skipped: this.skipped(), title: SOURCES[this.source].title, again: () => this.again() });
    this.askSums();
  }

  again() {
    for (const entry of this.queue.entries) entry.skipped = false;
    this.mode = null;
    this.next();
  }

  skipped() {
    return this.queue.entries.filter((entry) => !entry.said && entry.skipped).length;
  }

  /** Take decisions: [{entry, said}]; they are sent in the background. */
  decide(decisions, step) {
    if (decisions.length) this.saves.give(decisions.map(({ entry, said }) => ({ seq: entry.item.seq, ...said })));
    for (const { entry, said } of decisions) Object.assign(entry, { said, skipped: false });
    this.history.push({ ...step, seqs: decisions.map(({ entry }) => entry.item.seq) });
    this.tellDone();
  }

  /** Confirm the whole wall. */
  confirmWall() {
    const { wall } = this;
    const aside = wall.aside();
    for (const entry of aside) entry.aside = true;
    this.decide(wall.decisions(), { mode: "wall", prediction: wall.prediction, entries: wall.entries, marks: wall.marks, aside });
    this.announce(`${plural(wall.entries.length - aside.length, "item")} confirmed.`);
    this.next();
  }

  /** Say what the item shows, and go on. */
  say(said) {
    const { entry } = this.single;
    this.decide([{ entry, said }], { mode: "single", entry, before: entry.said });
    this.next();
    this.announce(`${saidText(said)}. ${this.mode === "single" ? `Next: read as ${this.single.entry.item.prediction ?? "nothing"}.` : ""}`);
  }

  skip() {
    const { entry } = this.single;
    entry.skipped = !entry.said;
    this.history.push({ mode: "skip", entry, seqs: [] });
    this.next();
    this.announce("Skipped.");
  }

  /** Take the last step back, in the page at once and at the service after it. */
  undo() {
    if (this.mode === "wall" && this.wall.undo()) return this.announce("Taken back.");
    const step = this.history.pop();
    if (!step) return this.announce("There is nothing to take back.");
    if (step.before) this.saves.give([{ seq: step.entry.item.seq, ...step.before }]);
    else this.saves.take(step.seqs);
    for (const seq of step.seqs) this.queue.bySeq.get(seq).said = step.before ?? null;
    if (step.mode === "wall") {
      for (const entry of step.aside) entry.aside = false;
      this.showWall(step.prediction, step.entries, step.marks);
    } else {
      step.entry.skipped = false;
      this.mode = "single";
      this.single.open(step.entry.item.seq);
    }
    this.tell();
    this.announce("Taken back.");
  }

  /** Do what a key or its button says. */
  act(name) {
    if (name === "help") return $("#keys").showModal();
    if (name === "leave") return void (location.href = `/jobs/${about.job}`);
    if (name === "undo") return this.undo();
    if (this.mode === "wall") return this.onWall(name);
    if (this.mode === "single") return this.onSingle(name);
    return false;
  }

  onWall(name) {
    const { wall } = this;
    if (name === "enter") return this.confirmWall();
    if (name.value !== undefined) return wall.say({ value: name.value, reason: null });
    if (name === "accept") return wall.say(null);
    if (name === "skip") return wall.say({ aside: true });
    if (name === "blank" || name === "not_a_digit" || name === "crossed_out") return wall.say({ value: null, reason: name });
    if (name === "view" || name === "zoom") return wall[name]();
    return wall.key(name);
  }

  onSingle(name) {
    const { single } = this;
    if (name.value !== undefined) return this.say({ value: name.value, reason: null });
    if (name === "enter" || name === "accept") return this.say(asRead(single.entry.item));
    if (name === "skip") return this.skip();
    if (name === "blank" || name === "not_a_digit" || name === "crossed_out") return this.say({ value: null, reason: name });
    if (name === "view" || name === "zoom") return single[name]();
    if (name === "left" || name === "right") {
      single.go(single.at + (name === "left" ? -1 : 1));
      return this.tell();
    }
    return false;
  }

  tellSaved(state) {
    tellSaves(this.saves, state);
    if (state.saved && !state.unsaved) this.askSums?.();
  }

  announce(text) {
    $("#announced").textContent = text;
  }

  /** Put address, progress and buttons in step with what is shown. */
  tell() {
    const query = new URLSearchParams();
    if (this.source !== "doubtful") query.set("of", this.source);
    if (this.single.all) query.set("view", "single");
    if (this.mode === "single") query.set("item", this.single.entry.item.seq);
    history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
    for (const part of ["#answers", "#moves"]) $(part).hidden = this.mode === "end" || this.mode === null;
    $("#answers").dataset.mode = this.mode;
    setText($("#accept-text"), this.mode !== "wall" ? "Accept" : this.wall.entries.length === 1 ? "Confirm" : `Confirm all ${count(this.wall.entries.length)}`);
    setText($("#skip-text"), this.mode === "wall" ? "Put aside" : "Skip");
    $("#one").setAttribute("aria-pressed", this.single.all);
    $("#walls").setAttribute("aria-pressed", !this.single.all);
    this.tellDone();
  }

  tellDone() {
    const total = this.queue.entries.length;
    setText($("#mine"), `${count(this.queue.done)} of ${count(total)}${this.queue.complete ? "" : "+"} looked at`);
    $("#mine-bar").max = Math.max(total, 1);
    $("#mine-bar").value = this.queue.done;
  }
}

/** A label is typed where there are more than buttons could show. */
function listenToTools(desk, keys) {
  for (const button of $$("[data-key]")) {
    button.addEventListener("click", (event) => {
      desk.act("label" in button.dataset ? { value: button.dataset.label } : button.dataset.key);
      if (event.detail > 0 && desk.mode !== "wall") stage.focus({ preventScroll: true });
    });
  }
  $("#other")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = $("#other-label").value;
    if (!about.labels.includes(value)) return $("#other-label").setAttribute("aria-invalid", "true");
    $("#other-label").removeAttribute("aria-invalid");
    $("#other-label").value = "";
    desk.act({ value });
  });
  const chosen = (all) => (event) => {
    desk.single.all = all;
    desk.mode = null;
    desk.next();
    if (event.detail > 0 && desk.mode !== "wall") stage.focus({ preventScroll: true }); // so that Enter accepts
  };
  $("#walls").addEventListener("click", chosen(false));
  $("#one").addEventListener("click", chosen(true));
  $("#source").value = desk.source;
  $("#source").addEventListener("change", (event) => {
    desk.source = event.target.value;
    desk.begin();
  });
  $("#shortcuts").checked = keys.on;
  $("#shortcuts").addEventListener("change", (event) => keys.set(event.target.checked));
  $("#keys-close").addEventListener("click", () => $("#keys").close());
  $("#rename").addEventListener("click", () => location.assign(`${location.pathname}?as=other`));
}

async function start() {
  const kept = given.get("as") === "other" ? null : keptName();
  const reviewer = kept ?? (await askName(about.named));
  $("#desk").hidden = false;
  setText($("#reviewer-name"), reviewer);
  const desk = new Desk(reviewer);
  await desk.saves.open((line) => desk.heard(line));
  const keys = listenToKeys(about.labels, (name) => desk.act(name));
  listenToTools(desk, keys);
  await desk.begin(/^\d{1,10}$/.test(given.get("item") ?? "") ? Number(given.get("item")) : null);
}

if (stage) start();
