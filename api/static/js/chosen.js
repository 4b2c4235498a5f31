// Files out of inputs and drops: folders are walked, the operating system's own files are left out.

import { isHidden } from "./plan.js";

const names = new Intl.Collator("en", { numeric: true });

/** What is the user's own, by name: disks list folders in any order, and results come in the order of sending. */
const ordered = (found) => found.filter(({ path }) => !isHidden(path)).sort((one, other) => names.compare(one.path, other.path));

/** FileList of an input → [{path, file}]. */
export const fromInput = (files) =>
  ordered([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));

/** What was dropped → [{path, file}]; call it within the event, before anything is awaited. */
export async function fromDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length ? (await Promise.all(entries.map((entry) => walk(entry, "")))).flat() : fromInput(transfer.files);
  return ordered(found);
}

async function walk(entry, folder) {
  const path = folder + entry.name;
  if (entry.isFile) return [{ path, file: await new Promise((done, fail) => entry.file(done, fail)) }];
  const children = await listed(entry.createReader());
  return (await Promise.all(children.map((child) => walk(child, `${path}/`)))).flat();
}

/** A folder's entries: the reader gives at most a hundred at a time. */
async function listed(reader) {
  const all = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return all;
    all.push(...some);
  }
}
