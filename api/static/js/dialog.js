// Questions that need an answer, and refusals shown where they happened.

import { el, replace } from "./dom.js";

/**
 * Ask before something is lost. The focus is on the way back; Escape is the way back too.
 * Returns whether it was confirmed: await confirm("Delete “Ballots 17”?", "500 results are lost.", "Delete", "Keep")
 */
export function confirm(question, loss, yes, no = "Keep") {
  return new Promise((done) => {
    const keep = el("button", { type: "button", autofocus: true, onclick: () => box.close("no") }, no);
    const act = el("button", { type: "button", class: "danger", onclick: () => box.close("yes") }, yes);
    const box = el(
      "dialog",
      { "aria-labelledby": "dialog-question" },
      el("h2", { id: "dialog-question" }, question),
      el("p", {}, loss),
      el("div", { class: "row" }, act, keep),
    );
    box.addEventListener("close", () => {
      box.remove();
      done(box.returnValue === "yes");
    });
    document.body.append(box);
    box.showModal();
    keep.focus();
  });
}

/** Fill a place with a refusal: what happened, what to do, the code in small print; moves the focus there. */
export function showRefusal(place, refusal, { retry = null, focus = true } = {}) {
  const lines = refusal.errors.map((one) => el("li", {}, `${plainPlace(one.loc)}: ${one.msg}`));
  const request = refusal.requestId ? `, request ${refusal.requestId}` : "";
  replace(
    place,
    el(
      "div",
      { class: "notice failed", role: "alert", tabindex: "-1" },
      el("h2", {}, refusal.what),
      refusal.detail && refusal.detail !== refusal.what ? el("p", {}, refusal.detail) : null,
      lines.length ? el("ul", {}, lines) : null,
      el("p", {}, refusal.help),
      retry ? el("button", { type: "button", onclick: retry }, "Try again") : null,
      refusal.code === "unauthorized" ? el("a", { class: "button", href: "/sign-in", target: "_blank", rel: "noopener" }, "Sign in in a new tab") : null,
      el("p", { class: "small-print" }, refusal.code === "offline" ? "No answer came." : `${refusal.status || ""} ${refusal.code}${request}`.trim()),
    ),
  );
  place.hidden = false;
  if (focus) place.firstElementChild.focus();
}

/** "body.webhook_url" → "webhook url" */
function plainPlace(loc) {
  return loc.replace(/^(body|query|header)\./, "").replaceAll("_", " ");
}
