// The first page: choose, see what it would be, send.

import { Refusal, renewToken } from "./api.js";
import { fromDrop, fromInput } from "./chosen.js";
import { showRefusal } from "./dialog.js";
import { $, $$, el, pageData, replace, setText, toast } from "./dom.js";
import { bytes, count, percent, plural } from "./format.js";
import { lookAtAll, summary } from "./plan.js";
import { Keys, Pace, progressText, send } from "./upload.js";

const MOST_SHOWN = 50;
/** With one such zip the service refuses the whole, so it is told before anything is sent. */
const REFUSED = new Set(["corrupt_archive", "encrypted_archive"]);
const SAY_EVERY_MS = 10_000;
const rules = pageData();
const form = $("#submit");
const keys = new Keys();
let looks = [];
let running = null;
let looking = Promise.resolve();
let turn = 0;

/** Add what was chosen to what there is, one choice after the other, so that none of them is lost. */
function add(chosen) {
  looking = looking.then(() => take(chosen));
  return looking;
}

/** The same path again takes the place of the former. */
async function take(chosen) {
  if (!chosen.length) {
    toast("There is no file in it that could be read.");
    return;
  }
  setText($("#sum"), "Looking at your files…");
  $("#chosen").hidden = false;
  const mine = turn;
  const found = await lookAtAll(chosen, rules);
  if (mine !== turn) return; // started over meanwhile
  const known = new Map([...looks, ...found].map((one) => [one.path, one]));
  looks = [...known.values()];
  show();
}

function show() {
  $("#chosen").hidden = !looks.length;
  $("#clear").hidden = !looks.length;
  $("#files").required = !looks.length;
  const total = looks.filter((one) => one.send).reduce((sum, one) => sum + one.file.size, 0);
  const told = summary(looks);
  setText($("#sum"), looks.length ? `${told.sentence}${total ? ` ${bytes(total)} to send.` : ""}` : "");
  const rest = looks.length - MOST_SHOWN;
  replace($("#list"), looks.slice(0, MOST_SHOWN).map(line), rest > 0 ? el("li", { class: "muted" }, `and ${plural(rest, "more file")}`) : null);
}

function line(one) {
  const what = one.zip ? ` · ${plural(one.images, "image")}` : "";
  const note = one.why ?? one.doubt ? el("span", { class: "why" }, one.why ?? one.doubt) : null;
  const drop = () => {
    looks = looks.filter((other) => other !== one);
    show();
    $("#files").focus();
  };
  return el(
    "li",
    {},
    el("span", { class: one.send ? "path" : "path left" }, one.path, el("span", { class: "muted" }, one.send ? ` ${bytes(one.file.size)}${what}` : " · will be skipped"), note),
    el("button", { type: "button", class: "quiet small", "aria-label": `Remove ${one.path}`, onclick: drop }, "Remove"),
  );
}

/** What stands in the way of sending, in words; null when nothing does. */
function objection() {
  const sent = looks.filter((one) => one.send);
  const broken = sent.find((one) => REFUSED.has(one.code)) ?? (sent.every((one) => one.why) ? sent[0] : null);
  const size = sent.reduce((sum, one) => sum + one.file.size, 0);
  if (!looks.length) return { code: "empty_submission", title: "No file is chosen.", detail: "Nothing is chosen yet." };
  const rest = sent.length > 1 ? " Remove it from the list to send the rest." : "";
  if (broken) return { code: broken.code, detail: `${broken.path}: ${broken.why}${rest}` };
  if (!sent.length) return { code: "empty_submission", detail: "All that you have chosen would be skipped." };
  if (size > rules.most_bytes) return { code: "payload_too_large", detail: `These are ${bytes(size)}; at most ${bytes(rules.most_bytes)} go into one job.` };
  const images = summary(looks).images;
  if (images > rules.most_items) return { code: "too_many_items", detail: `These are ${count(images)} images; at most ${count(rules.most_items)} go into one job.` };
  return null;
}

/** The form to send, and a text that is the same exactly when the same is sent again. */
function filled() {
  const data = new FormData();
  for (const [name, value] of new FormData(form)) if (name !== "files" && name !== "csrf" && value !== "") data.append(name, value);
  const options = JSON.stringify([...data]);
  const sent = looks.filter((one) => one.send);
  for (const one of sent) data.append("files", one.file, one.path);
  return { data, text: options + JSON.stringify(sent.map((one) => [one.path, one.file.size, one.file.lastModified])) };
}

async function submit(event) {
  event?.preventDefault();
  await looking;
  if (running) return;
  unmark();
  const against = objection();
  if (against) {
    showRefusal($("#refusal"), new Refusal(against));
    return;
  }
  const { data, text } = filled();
  stage(true);
  try {
    const job = await sent(data, keys.keyFor(text));
    if (job === null) toast("Canceled. Nothing was kept.");
    else arrived(job);
  } catch (error) {
    refused(error);
  } finally {
    running = null;
    if (!$("#stage").dataset.done) stage(false);
  }
  if (document.activeElement === document.body) $("#go").focus(); // the button to cancel is gone, and the focus with it
}

/** Send it; once more when the session's token has changed meanwhile, as after signing in again. */
async function sent(data, key) {
  const again = async (error) => {
    if (error.code !== "forbidden" || !(await renewToken())) throw error;
    running = send("/v1/jobs", data, key, watcher());
    return running.answer;
  };
  running = send("/v1/jobs", data, key, watcher());
  return running.answer.catch(again);
}

function watcher() {
  const pace = new Pace();
  let saidAt = performance.now();
  return {
    progress(loaded, total) {
      $("#bar").value = loaded / total;
      setText($("#speed"), progressText(loaded, total, pace.note(loaded)));
      document.title = `${percent(loaded / total)} sent – inkqueue`;
      if (performance.now() - saidAt > SAY_EVERY_MS) {
        saidAt = performance.now();
        setText($("#said"), `${percent(loaded / total)} sent`);
      }
    },
    sent() {
      setText($("#stage"), "All is sent. Checking your files…");
      $("#bar").removeAttribute("value");
      setText($("#speed"), "");
    },
  };
}

function stage(sending) {
  $("#entries").disabled = sending;
  $("#sending").hidden = !sending;
  document.title = sending ? "Sending – inkqueue" : "Submit – inkqueue";
  if (!sending) return;
  setText($("#stage"), "Sending your files");
  $("#bar").value = 0;
  setText($("#speed"), "");
  setText($("#said"), "Sending your files");
  $("#cancel").focus();
}

function arrived(job) {
  keys.renew();
  $("#stage").dataset.done = "yes";
  setText($("#stage"), "Submitted. It is safe to close this page.");
  setText($("#said"), "Submitted. It is safe to close this page.");
  $("#cancel").hidden = true;
  location.assign(job.links.page);
}

function refused(error) {
  if (!(error instanceof Refusal)) throw error;
  if (error.code === "idempotency_key_reused") keys.renew();
  showRefusal($("#refusal"), error, { retry: error.retryable ? () => submit() : null });
  for (const { loc, msg } of error.errors) mark(loc.split(".")[1], msg);
  if (error.code === "webhook_url_refused") mark("webhook_url", error.detail);
}

function mark(name, text) {
  const field = form.elements[name];
  if (!(field instanceof HTMLElement)) return;
  field.closest("details")?.setAttribute("open", "");
  field.setAttribute("aria-invalid", "true");
  field.after(el("p", { class: "field-problem" }, text));
}

function unmark() {
  replace($("#refusal"));
  for (const one of $$(".field-problem", form)) one.remove();
  for (const one of $$("[aria-invalid]", form)) one.removeAttribute("aria-invalid");
}

function dropZone() {
  const zone = $("#drop");
  const over = (on) => (event) => {
    event.preventDefault();
    zone.classList.toggle("over", on);
  };
  // a file that misses the zone must not replace the page
  for (const kind of ["dragover", "dragenter"]) document.addEventListener(kind, over(true));
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false)(event));
  document.addEventListener("drop", async (event) => {
    over(false)(event);
    if (running) return;
    add(await fromDrop(event.dataTransfer));
  });
}

function start() {
  if ("webkitdirectory" in HTMLInputElement.prototype) $("#folder-button").hidden = false;
  for (const input of [$("#files"), $("#folder")]) {
    input.addEventListener("change", async () => {
      await add(fromInput(input.files));
      input.value = "";
    });
  }
  $("#clear").addEventListener("click", () => {
    turn += 1;
    looks = [];
    form.reset();
    unmark();
    show();
    $("#files").focus();
  });
  $("#cancel").addEventListener("click", () => running?.cancel());
  form.noValidate = true;
  form.addEventListener("submit", submit);
  addEventListener("beforeunload", (event) => running && !$("#stage").dataset.done && event.preventDefault());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  dropZone();
}

if (form) start();
