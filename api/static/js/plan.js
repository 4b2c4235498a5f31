// What a choice of files would become: which are images, which are left out and why. The rules are the service's own.

import { plural } from "./format.js";
import { BrokenZip, readZip } from "./zip.js";

const HIDDEN = new Set(["thumbs.db", "desktop.ini"]);

/** Whether a path is the operating system's own and no input at all. */
export function isHidden(path) {
  const parts = path.split("/");
  return parts.some((part) => part.startsWith(".") || part === "__MACOSX") || HIDDEN.has(parts.at(-1).toLowerCase());
}

const endsWith = (name, endings) => endings.some((ending) => name.toLowerCase().endsWith(ending));

/** The ending of a name with its dot, or nothing. */
export function endingOf(name) {
  const last = name.split("/").at(-1);
  const dot = last.lastIndexOf(".");
  return dot > 0 ? last.slice(dot).toLowerCase() : "";
}

/**
 * Look at one chosen file.
 * rules: {skipped, archives, multi_page: endings}. Returns {path, file, images, pages, skipped: Map, why}:
 * `send` says whether it is worth its upload, `why` what is wrong with the whole of it and `code` the refusal it would get,
 * `doubt` what will probably go wrong with it alone.
 */
export async function look(path, file, rules) {
  const found = { path, file, images: 0, pages: false, skipped: new Map(), locked: 0, nested: 0, send: true, why: null, doubt: null, zip: false };
  if (endsWith(path, rules.skipped)) return { ...tally(found, path, rules), send: false };
  if (!(await isZip(path, file))) return { ...tally(found, path, rules), doubt: doubtOf(path, file) };
  found.zip = true;
  try {
    for (const entry of await readZip(file)) {
      if (entry.folder || isHidden(entry.name)) continue;
      tally(found, entry.name, rules, entry.encrypted);
    }
  } catch (error) {
    if (!(error instanceof BrokenZip)) throw error;
    return { ...found, why: `This zip cannot be opened. ${error.message}`, code: "corrupt_archive" };
  }
  if (found.images || found.nested) return found;
  if (found.locked) return { ...found, why: "Everything in this zip is protected by a password.", code: "encrypted_archive" };
  return { ...found, why: "There is no image in this zip.", code: "empty_submission" };
}

/** What will go wrong with a single image as far as one can tell by now, or null. */
function doubtOf(path, file) {
  if (!file.size) return "This file is empty. It will be listed as failed.";
  if (/\.hei[cf]$/i.test(path)) return "HEIC pictures are usually not read. If it fails, save it as JPEG.";
  return null;
}

const AT_ONCE = 64;

/** Look at many files, some at once: each is a question to the disk. */
export async function lookAtAll(chosen, rules) {
  const found = [];
  for (let at = 0; at < chosen.length; at += AT_ONCE) {
    found.push(...(await Promise.all(chosen.slice(at, at + AT_ONCE).map(({ path, file }) => look(path, file, rules)))));
  }
  return found;
}

/** Whether a file is a zip, by its first bytes or its name. */
export async function isZip(path, file) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const marked = head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5);
  return marked || path.toLowerCase().endsWith(".zip");
}

function tally(found, name, rules, encrypted = false) {
  const ending = endingOf(name);
  if (endsWith(name, rules.skipped)) found.skipped.set(ending, (found.skipped.get(ending) ?? 0) + 1);
  else if (encrypted) found.locked += 1;
  else if (endsWith(name, rules.archives)) found.nested += 1;
  else {
    found.images += 1;
    found.pages ||= endsWith(name, rules.multi_page);
  }
  return found;
}

/** All looks together: {images, about, skipped, sentence, problems}. */
export function summary(looks) {
  const images = looks.reduce((sum, one) => sum + one.images, 0);
  const pages = looks.some((one) => one.pages);
  const skipped = new Map();
  for (const one of looks) for (const [ending, n] of one.skipped) skipped.set(ending, (skipped.get(ending) ?? 0) + n);
  const left = [...skipped.values()].reduce((a, b) => a + b, 0);
  const locked = looks.reduce((sum, one) => sum + one.locked, 0);
  const nested = looks.reduce((sum, one) => sum + one.nested, 0);
  let sentence = images ? `${pages ? "At least" : "About"} ${plural(images, "image")}` : "No image yet";
  if (left) sentence += `; ${left} will be skipped: ${kinds(skipped)}`;
  if (locked) sentence += `; ${plural(locked, "file")} with a password cannot be read`;
  if (nested) sentence += `; ${plural(nested, "archive")} inside will not be opened`;
  return { images, left, pages, sentence: `${sentence}.` };
}

/** Map(".txt" → 2, ".json" → 1) → "2 text files, 1 .json" */
function kinds(skipped) {
  return [...skipped].map(([ending, n]) => (ending === ".txt" ? plural(n, "text file") : `${n} ${ending}`)).join(", ");
}
