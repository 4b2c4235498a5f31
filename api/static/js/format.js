// Numbers, sizes, times and confidences as people read them.

const numbers = new Intl.NumberFormat("en");
const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** 12,345 */
export const count = (number) => numbers.format(number);

/** "1 image", "412 images" */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** 183220 → "183 kB" (powers of ten, as disks and networks have them). */
export function bytes(size) {
  let unit = 0;
  let value = size;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Seconds → "12 s", "3 min", "1 h 20 min"; rounded, so that it does not jump. */
export function duration(seconds) {
  if (seconds < 0.95) return "less than a second";
  if (seconds < 10) return `${Math.round(seconds)} s`;
  if (seconds < 60) return `${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** 0.99812 → "99.8 %"; never "100 %" for what is only nearly sure, never "0 %" for what is only unlikely. */
export function sureness(p) {
  if (p === null || p === undefined) return "–";
  if (p > 0.9995) return "> 99.9 %";
  if (p < 0.0005) return "< 0.1 %";
  return `${(p * 100).toFixed(1)} %`;
}

/** Share as whole per cent; 100 only when it is all. */
export const percent = (share) => `${share >= 1 ? 100 : Math.floor(share * 100)} %`;

/** 0.001 → "about 1 in 1,000" */
export const oneIn = (rate) => `about 1 in ${count(Math.round(1 / rate))}`;

const when = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A time of a document in the reader's own time zone. */
export const localTime = (text) => when.format(new Date(text));

/** "just now", "5 min ago", "2 h ago", else the date. */
export function ago(text, now = Date.now()) {
  const seconds = (now - new Date(text)) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  return localTime(text);
}
