// What is shown and how, read from the address and written back to it: a copied link shows the same.

import { KINDS } from "./grid.js";

export const VIEWS = ["gallery", "table"];
export const SORTS = ["seq", "unsure", "sure"];
export const GROUPS = ["", "value", "state"];
export const LOOKS = ["", "corrected", "disagreed", "reviewed", "unreviewed"];
/** Stands for items without a reading among the values. */
export const NOTHING = "none";

const oneOf = (choices, given) => (choices.includes(given) ? given : choices[0]);
const listed = (text) => new Set((text ?? "").split(",").filter(Boolean).map(decoded));

/** A text out of an address; what is badly encoded stands for itself. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** "0.5-0.9" → [0.5, 0.9]; null for what is no range. */
function range(text) {
  const [low, high] = (text ?? "").split("-").map(Number);
  return text && low >= 0 && high <= 1 && low <= high ? [low, high] : null;
}

/** The state that an address holds; what makes no sense in it counts as not given. */
export function readState(address = location) {
  const given = new URLSearchParams(address.search);
  const item = given.get("item");
  return {
    view: oneOf(VIEWS, given.get("view")),
    show: new Set([...listed(given.get("show"))].filter((kind) => KINDS.includes(kind))),
    value: listed(given.get("value")),
    sure: range(given.get("sure")),
    look: oneOf(LOOKS, given.get("look") ?? ""),
    sort: oneOf(SORTS, given.get("sort")),
    group: oneOf(GROUPS, given.get("group") ?? ""),
    item: item !== null && /^\d{1,10}$/.test(item) ? Number(item) : null,
  };
}

/** Write the state into the address; `push` makes a step that the browser's way back undoes. */
export function writeState(state, push = false) {
  const parts = {
    view: state.view === "gallery" ? "" : state.view,
    show: [...state.show].join(","),
    value: [...state.value].map(encodeURIComponent).join(","),
    sure: state.sure ? state.sure.join("-") : "",
    look: state.look,
    sort: state.sort === "seq" ? "" : state.sort,
    group: state.group,
    item: state.item ?? "",
  };
  const query = new URLSearchParams(Object.entries(parts).filter(([, text]) => text !== ""));
  const address = location.pathname + (query.size ? `?${query}` : "");
  history[push ? "pushState" : "replaceState"](null, "", address);
}

/** Whether anything is left out. */
export const isFiltered = (state) => Boolean(state.show.size || state.value.size || state.sure || state.look);
