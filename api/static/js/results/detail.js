// One item: the scan beside the reading and what the model saw, how sure it is, and why; errors in words.

import { json } from "../api.js";
import { showRefusal } from "../dialog.js";
import { $, el, may, replace } from "../dom.js";
import { count, localTime, sureness } from "../format.js";
import { errorText, itemBadge, reasonText, words } from "../words.js";

export class Detail {
  /** moved(by): go to the next item of the list; closed(). */
  constructor(job, { moved, closed }) {
    Object.assign(this, { job, seq: null });
    this.box = $("#detail");
    this.body = $("#detail-body");
    $("#detail-back").addEventListener("click", () => moved(-1));
    $("#detail-next").addEventListener("click", () => moved(1));
    $("#detail-close").addEventListener("click", () => this.box.close());
    this.box.addEventListener("close", () => {
      this.seq = null;
      closed();
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") moved(-1);
      else if (event.key === "ArrowRight") moved(1);
    });
  }

  /** Show an item; `place` tells where it stands in the list: {at, of}. */
  async show(seq, place) {
    if (!this.box.open) this.box.showModal();
    $("#detail-back").disabled = !(place.at > 0);
    $("#detail-next").disabled = !(place.at >= 0 && place.at < place.of - 1);
    if (this.seq === seq) return;
    this.seq = seq;
    $("#detail-title").textContent = `Item ${count(seq + 1)}`;
    try {
      const item = await json(`/v1/jobs/${this.job}/items/${seq}`);
      if (this.seq === seq) this.#fill(item);
    } catch (refusal) {
      if (this.seq === seq) showRefusal(this.body, refusal, { focus: false });
    }
  }

  close() {
    if (this.box.open) this.box.close();
  }

  #fill(item) {
    replace(this.body, el("p", { class: "file muted" }, item.name, item.page > 1 ? `, page ${item.page}` : ""), el("div", { class: "sides" }, item.status === "skipped" ? null : scan(this.job, item), reading(this.job, item)));
  }
}

/** The scan as it was uploaded; a file that no browser shows can be downloaded. What was left out has none. */
function scan(job, item) {
  const address = `/v1/jobs/${job}/items/${item.seq}/image`;
  const link = el("a", { href: address, target: "_blank", rel: "noopener", download: item.name.split("/").at(-1) }, "Download the file");
  const figure = el("figure", {}, el("figcaption", {}, "Your scan"));
  const picture = el("img", { class: "scan", src: address, alt: `Scan of item ${count(item.seq + 1)}`, decoding: "async" });
  picture.addEventListener("load", () => picture.classList.toggle("tiny", picture.naturalWidth < 120));
  picture.addEventListener("error", () => picture.replaceWith(el("p", { class: "no-picture" }, "A browser cannot show this file.")));
  figure.append(el("div", { class: "frame" }, picture), el("p", { class: "hint" }, item.width ? `${count(item.width)} × ${count(item.height)} pixels. ` : "", link));
  return figure;
}

function reading(job, item) {
  const side = el("div", { class: "reading" });
  const prediction = item.status === "succeeded" ? (item.prediction ?? "no reading") : null;
  side.append(el("p", {}, itemBadge(item)));
  if (prediction) side.append(el("p", { class: "answer" }, el("strong", {}, prediction), item.confidence === null ? "" : ` ${sureness(item.confidence)} likely right`));
  if (item.error) side.append(failure(item.error));
  else if (words.unread[item.status]) side.append(el("p", {}, words.unread[item.status]));
  if (item.reasons.length) side.append(el("ul", { class: "reasons" }, item.reasons.map((reason) => el("li", {}, reasonText(reason)))));
  if (item.status === "succeeded") side.append(seen(job, item), bars(item));
  if (item.reviews.length) side.append(people(item));
  if (item.status === "succeeded" && may("review")) side.append(el("p", {}, el("a", { href: `/jobs/${job}/review?${item.decision === "accept" ? "of=accepted&" : ""}view=single&item=${item.seq}` }, "Review this one")));
  return side;
}

const failure = ({ code, detail }) => {
  const { what, help } = errorText(code);
  return el("div", { class: "notice failed" }, el("p", {}, el("strong", {}, what)), el("p", {}, help), el("p", { class: "small-print" }, `${detail} (${code})`));
};

function seen(job, item) {
  const picture = el("img", { class: "seen", width: 112, height: 112, src: `/v1/jobs/${job}/items/${item.seq}/image?view=model`, alt: "The 28 by 28 pixels that the model saw" });
  picture.addEventListener("error", () => picture.replaceWith(el("p", { class: "no-picture" }, "No worker could draw it just now.")));
  return el("figure", {}, el("figcaption", {}, "What the model saw"), picture);
}

/** How likely each label is, as bars; the five best of many. */
function bars(item, labels = null) {
  const all = item.alternatives ?? item.probabilities.map((p, n) => [labels?.[n] ?? Detail.labels[n] ?? `${n}`, p]);
  const rows = all.map(([label, p]) => {
    const bar = el("progress", { max: 1, value: p, "aria-hidden": "true" });
    return el("li", { class: label === item.prediction ? "best" : null }, el("span", { class: "label" }, label), bar, el("span", { class: "share" }, sureness(p)));
  });
  return el("div", {}, el("h3", {}, "How it was weighed"), el("ol", { class: "weighed" }, rows), el("p", { class: "hint" }, "These are the model’s own weights. How likely it is right was measured on scans whose answers are known."));
}

/** The labels of the job's model, in the order of probabilities. */
Detail.labels = [];

const people = (item) =>
  el(
    "div",
    {},
    el("h3", {}, "What people said"),
    el("ul", {}, item.reviews.map((one) => el("li", {}, el("strong", {}, one.value ?? reasonText(one.reason)), ` ${one.reviewer}, ${localTime(one.reviewed_at)}`))),
    el("p", {}, "It counts as ", el("strong", {}, item.final_value ?? "nothing to read"), "."),
  );
