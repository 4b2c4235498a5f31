// The page to try: draw, shoot or choose one digit, and see at once what is read.

import { ask, showNothing } from "./answer.js";
import { NoCamera, close, mayAsk, open, still } from "./camera.js";
import { $, $$, setText } from "./dom.js";
import { isZip } from "./plan.js";
import { Sheet } from "./sheet.js";

const PAUSE_MS = 250;
const BLANK = "The sheet is blank. Draw a digit from 0 to 9.";
let timer = 0;
let shown = null;

/** Ask when the pen rests, so that half a digit costs nothing. */
function drawn(blank) {
  clearTimeout(timer);
  $("#undo").disabled = $("#clear").disabled = blank;
  if (blank) showNothing(BLANK);
  else timer = setTimeout(async () => ask(await sheet.picture()), PAUSE_MS);
}

function choose(way) {
  for (const button of $$("[data-way]")) button.setAttribute("aria-pressed", String(button.dataset.way === way));
  for (const one of ["draw", "camera", "upload"]) $(`#${one}`).hidden = one !== way;
  clearTimeout(timer);
  close($("#video"));
  if (way === "draw") drawn(sheet.blank);
  else if (way === "camera") startCamera();
  else showNothing("Choose an image of one digit.");
}

async function startCamera() {
  showNothing("Put one digit into the middle and take the picture.");
  $("#still").hidden = $("#again").hidden = true;
  $("#video").hidden = $("#shoot").hidden = !mayAsk();
  $("#capture").hidden = mayAsk();
  if (!mayAsk()) return;
  try {
    await open($("#video"));
    if ($("#camera").hidden) close($("#video"));
  } catch (error) {
    if (!(error instanceof NoCamera)) throw error;
    $("#video").hidden = $("#shoot").hidden = true;
    $("#capture").hidden = false;
    showNothing(error.message);
  }
}

async function shoot() {
  const picture = await still($("#video"));
  close($("#video"));
  $("#video").hidden = $("#shoot").hidden = true;
  $("#again").hidden = false;
  picturesIn($("#still"), picture);
  $("#again").focus();
  ask(picture);
}

function picturesIn(image, blob) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  image.src = shown;
  image.hidden = false;
}

async function take(file) {
  if (!file) return;
  const why = await unfit(file);
  if (why) {
    $("#preview").hidden = true;
    return showNothing(why);
  }
  const previewed = file.type.startsWith("image/") && !file.type.includes("tif");
  $("#preview").hidden = !previewed;
  if (previewed) picturesIn($("#preview"), file);
  setText($("#words"), `Reading ${file.name}…`);
  ask(file);
}

/** Why a file is not worth its upload, or null. */
async function unfit(file) {
  try {
    if (await isZip(file.name, file)) return "This is a zip. Here one image is read at a time; hand zips in on the page Submit.";
    return file.size ? null : "This file is empty. Choose another image.";
  } catch {
    return "This file cannot be opened. If it is a folder, choose an image in it.";
  }
}

/** What a browser cannot show, such as a broken image, is not shown; the answer says what is wrong. */
$("#preview")?.addEventListener("error", () => ($("#preview").hidden = true));

function start() {
  for (const button of $$("[data-way]")) button.addEventListener("click", () => choose(button.dataset.way));
  $("#undo").addEventListener("click", () => sheet.undo());
  $("#clear").addEventListener("click", () => {
    sheet.clear();
    $("#sheet").focus();
  });
  $("#width").addEventListener("input", () => (sheet.width = Number($("#width").value)));
  $("#shoot").addEventListener("click", shoot);
  $("#again").addEventListener("click", startCamera);
  for (const input of [$("#file"), $("#capture-file")]) {
    input.addEventListener("change", () => {
      take(input.files[0]);
      input.value = "";
    });
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    choose("upload");
    take(event.dataTransfer.files[0]);
  });
  addEventListener("pagehide", () => close($("#video")));
  drawn(true);
}

const sheet = $("#sheet") ? new Sheet($("#sheet"), drawn) : null;
if (sheet) start();
