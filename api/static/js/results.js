// The results of a job: gallery or table of any size, filtered in memory, live while the job runs.

import { showRefusal } from "./dialog.js";
import { $, $$, el, pageData, replace, setText } from "./dom.js";
import { count, plural } from "./format.js";
import { Detail } from "./results/detail.js";
import { exportQuery } from "./results/exports.js";
import { Filters } from "./results/filters.js";
import { gallery } from "./results/gallery.js";
import { loadGrid } from "./results/grid.js";
import { List } from "./results/list.js";
import { follow } from "./results/live.js";
import { Names } from "./results/names.js";
import { select } from "./results/select.js";
import { Sheets } from "./results/sheets.js";
import { isFiltered, readState, writeState } from "./results/state.js";
import { table, titles } from "./results/table.js";

const REFRESH_MS = 2000;
const about = pageData();
const page = { state: readState(), grid: null, selection: null, list: null };
const names = new Names(about.job, () => page.list?.scroller.refill());
const sheets = new Sheets(about.job, about.sheet, { ready: () => page.list?.scroller.refill(), failed: tellPictures });
const filters = new Filters($("#filters"), about.threshold, (part) => change(part));
const detail = new Detail(about.job, { moved: step, closed: () => change({ item: null }) });
Detail.labels = about.labels;

/** Change a part of the state: the address, the filters and the list follow. */
function change(part, push = false) {
  Object.assign(page.state, part);
  writeState(page.state, push);
  show("item" in part && Object.keys(part).length === 1);
}

/** Put the state on the screen; when only the item has changed the list stays as it is. */
function show(onlyItem = false) {
  const { state, grid } = page;
  if (!grid) return;
  if (!onlyItem) {
    page.selection = select(grid, state);
    filters.show(state, page.selection, grid.labels);
    setList();
    page.list.show(grid, page.selection, state.group);
    tellCounts();
    setExports();
  }
  if (state.item === null) detail.close();
  else detail.show(state.item, { at: page.selection.order.indexOf(state.item), of: page.selection.order.length });
}

/** Make the list that the view asks for, if it is not there. */
function setList() {
  const { view } = page.state;
  for (const button of $$("[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === view);
  if (page.list?.view === view) return;
  const port = el("div", { class: "port", role: "grid", tabindex: "-1", "aria-label": view === "table" ? "Results as a table" : "Results as pictures", "aria-describedby": "keys" });
  replace($("#list"), view === "table" ? titles() : null, port);
  page.list = new List(port, view === "table" ? table(names) : gallery, { sheets, open: (position) => change({ item: page.selection.order[position] }, true) });
  page.list.view = view;
  if (view === "table") port.previousElementSibling.style.marginRight = `${port.offsetWidth - port.clientWidth}px`; // the scroll bar's width
}

function tellCounts() {
  const { state, grid, selection } = page;
  const shown = selection.order.length;
  const text = isFiltered(state) ? `${count(shown)} of ${plural(grid.count, "item")}` : plural(grid.count, "item");
  setText($("#shown"), grid.complete ? text : `${text} so far; ${count(grid.total - grid.count)} still to come`);
  $("#clear").hidden = !isFiltered(state);
  $("#empty").hidden = shown > 0;
  $("#list").hidden = shown === 0;
  if (shown === 0) tellEmpty();
}

function tellEmpty() {
  const filtered = isFiltered(page.state) && page.grid.count > 0;
  setText($("#empty-what"), filtered ? "Nothing fits these filters" : "Nothing has been read yet");
  setText($("#empty-help"), filtered ? "Take one of them away, or clear them all." : "Results appear here as soon as the first images are read.");
  $("#empty-clear").hidden = !filtered;
}

function setExports() {
  const { query, exact } = exportQuery(page.state, page.selection);
  for (const link of $$("[data-format]")) {
    const given = new URLSearchParams(query);
    given.set("format", link.dataset.format);
    link.href = `/v1/jobs/${about.job}/results?${given}`;
  }
  const later = !page.grid.complete;
  $("#xlsx").hidden = later;
  $("#xlsx-later").hidden = !later;
  setText($("#export-hint"), exact ? (isFiltered(page.state) ? "The file holds what is shown." : "The file holds everything.") : "The file holds more than is shown: these filters together cannot be put into an export of more than 500 items.");
}

function tellPictures(refusal) {
  const text = refusal ? `${refusal.what ?? "Some pictures could not be shown."} The readings are right; the pictures are asked for again.` : "";
  setText($("#pictures"), text);
  $("#pictures").hidden = !text;
}

function step(by) {
  const at = page.selection.order.indexOf(page.state.item) + by;
  if (page.state.item === null || at < 0 || at >= page.selection.order.length) return;
  change({ item: page.selection.order[at] });
}

/** Fetch the grid; again when something has changed meanwhile, but never in a rush. */
async function refresh() {
  if (page.loading) return void (page.again = true);
  page.loading = true;
  try {
    const grid = await loadGrid(about.job, page.grid?.version ?? null);
    if (grid) {
      page.grid = grid;
      names.forget();
      show();
    }
    $("#problem").hidden = true;
  } catch (refusal) {
    showRefusal($("#problem"), refusal, { retry: refresh, focus: !page.grid });
  }
  await new Promise((done) => setTimeout(done, REFRESH_MS));
  page.loading = false;
  if (page.again) {
    page.again = false;
    refresh();
  }
}

function listen() {
  for (const button of $$("[data-view]")) button.addEventListener("click", () => change({ view: button.dataset.view }, true));
  for (const name of ["sort", "group"]) {
    $(`#${name}`).value = page.state[name];
    $(`#${name}`).addEventListener("change", (event) => change({ [name]: event.target.value }));
  }
  const clear = () => change({ show: new Set(), value: new Set(), sure: null, look: "" });
  $("#clear").addEventListener("click", clear);
  $("#empty-clear").addEventListener("click", clear);
  addEventListener("popstate", () => {
    page.state = readState();
    for (const name of ["sort", "group"]) $(`#${name}`).value = page.state[name];
    show();
  });
  $("#filters").open = matchMedia("(min-width: 60rem)").matches;
}

listen();
refresh();
if (!about.ended) follow(about.job, () => refresh());
