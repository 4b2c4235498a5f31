// Make and find elements. Texts become text nodes, never HTML: the pages' policy (Trusted Types) forbids innerHTML.

const SVG = "http://www.w3.org/2000/svg";

/** First element that fits, or null. */
export const $ = (selector, root = document) => root.querySelector(selector);

/** All elements that fit, as an array. */
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/**
 * Make an HTML element: el("button", {class: "small", onclick: act, disabled: true}, "Stop").
 * `on…` are listeners, `dataset` an object, true/false set or leave out, null and undefined leave out. No `style`:
 * the policy blocks the attribute; set element.style.x where a place must be computed.
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an SVG element likewise. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) put(node, name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function put(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(node.dataset, value);
  else node.setAttribute(name, value === true ? "" : value);
}

/** Put these children in the place of all that a node holds. */
export function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** Set a text only when it changed, so that nothing is painted or read out in vain. */
export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** What the server has left for the script in `data-page` of <main>: any JSON. */
export const pageData = () => JSON.parse($("#main").dataset.page ?? "null");

/** Whether the caller's key has a scope: "read", "submit", "review", "admin". */
export const may = (scope) => document.body.dataset.may.split(" ").includes(scope);

/** Show a short message for a few seconds; screen readers hear it. */
export function toast(text, seconds = 6) {
  const note = el("div", { class: "toast" }, text);
  $("#toasts").append(note);
  setTimeout(() => note.remove(), seconds * 1000);
}

/** Copy a text and say so. */
export async function copy(text, what = "Copied.") {
  try {
    await navigator.clipboard.writeText(text);
    toast(what);
  } catch {
    toast("Copying is not allowed here. Mark the text and copy it by hand.");
  }
}
