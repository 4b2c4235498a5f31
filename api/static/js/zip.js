// Read the directory of a zip in the browser, so that people see what is in it before anything is uploaded.
// APPNOTE.TXT 6.3.10, 4.3 and 4.4: zip64, bytes before the zip and comments behind it are all in order.

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR = 0x07064b50;
const ENTRY = 0x02014b50;
const TAIL = 22 + 0xffff + 1024;
const MOST_DIRECTORY = 64 * 1024 * 1024;
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/** The zip cannot be read here; the service may say more exactly why. */
export class BrokenZip extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** File (or Blob) → [{name, size, encrypted, folder}], in the order of the directory. Throws BrokenZip. */
export async function readZip(file) {
  const place = await findDirectory(file);
  if (place.size > MOST_DIRECTORY) throw new BrokenZip("Its directory is larger than any honest one.");
  return entries(await bytes(file, place.start, place.start + place.size));
}

const bytes = async (file, from, to) => new DataView(await file.slice(from, to).arrayBuffer());

async function findDirectory(file) {
  const from = Math.max(0, file.size - TAIL);
  const tail = await bytes(file, from, file.size);
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END || !reachesEnd(tail, at)) continue;
    const size = tail.getUint32(at + 12, true);
    const offset = tail.getUint32(at + 16, true);
    const wide = at >= 20 && tail.getUint32(at - 20, true) === LOCATOR;
    const end = wide ? await wideEnd(file, Number(tail.getBigUint64(at - 12, true)), from + at - 76) : { at: from + at, size, offset };
    return { start: await startOf(file, end), size: end.size };
  }
  throw new BrokenZip("It is damaged or cut off: it has no directory.");
}

/** Whether the end record with its comment reaches the end of the file, padding aside. */
function reachesEnd(tail, at) {
  const rest = at + 22 + tail.getUint16(at + 20, true);
  if (rest > tail.byteLength) return false;
  for (let i = rest; i < tail.byteLength; i += 1) if (![0, 10, 13, 26].includes(tail.getUint8(i))) return false;
  return true;
}

/** The zip64 end record: right before its locator, or where that says. */
async function wideEnd(file, told, behind) {
  for (const at of [behind, told]) {
    if (at < 0 || at + 56 > file.size) continue;
    const view = await bytes(file, at, at + 56);
    if (view.getUint32(0, true) !== END64) continue;
    return { at, size: Number(view.getBigUint64(40, true)), offset: Number(view.getBigUint64(48, true)) };
  }
  throw new BrokenZip("It is damaged: a part of its directory is missing.");
}

/** Where the directory begins: right before the end record (bytes before the zip shift it), or where that says. */
async function startOf(file, end) {
  for (const start of [end.at - end.size, end.offset]) {
    if (end.size === 0) return Math.max(0, start);
    if (start < 0 || start + 4 > file.size) continue;
    if ((await bytes(file, start, start + 4)).getUint32(0, true) === ENTRY) return start;
  }
  throw new BrokenZip("It is damaged: its directory is not where it should be.");
}

function entries(view) {
  const found = [];
  let at = 0;
  while (at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY) {
    const flags = view.getUint16(at + 8, true);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((i) => view.getUint16(at + i, true));
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > view.byteLength) break;
    const name = decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength)).replaceAll("\\", "/");
    const unix = view.getUint8(at + 5) === 3 ? view.getUint16(at + 40, true) & 0xf000 : 0;
    found.push({
      name,
      size: view.getUint32(at + 24, true),
      encrypted: (flags & 1) === 1,
      folder: name.endsWith("/") || unix === 0x4000 || unix === 0xa000,
    });
    at = next;
  }
  if (at !== view.byteLength) throw new BrokenZip("It is damaged: its directory breaks off.");
  return found;
}

/** UTF-8 where it is (many write it without saying so), else code page 437. */
function decode(raw) {
  try {
    return utf8.decode(raw);
  } catch {
    return Array.from(raw, (code) => (code < 128 ? String.fromCharCode(code) : CP437[code - 128])).join("");
  }
}
