// All finished items of a job in columns (GET /v1/jobs/{id}/grid): what filters, sorting and groups run on.

import { call } from "../api.js";

/** Kinds of items, in the order of their numbers; the same names stand in words.item. */
export const KINDS = ["accepted", "review", "failed", "skipped", "canceled", "expired"];
const STATUS = 7;
const DOUBTED = 8;
export const REVIEWED = 16;
export const DISPUTED = 32;
export const CORRECTED = 64;

/** Number of the kind of an item's flags. */
export function kindOf(flags) {
  const status = flags & STATUS;
  return status === 0 ? (flags & DOUBTED ? 1 : 0) : status + 1;
}

/** The columns: `confidence` (65,535 is 1), `label` and `final` (indices into `labels`, `none` is none), `flags`. */
export class Grid {
  constructor(buffer) {
    const H = new DataView(buffer).getUint32(4, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, H)));
    Object.assign(this, { count: head.count, total: head.total, complete: head.complete, version: head.version, labels: head.labels });
    for (const { name, type, offset } of head.columns) {
      const Kind = type === "u2" ? Uint16Array : Uint8Array;
      this[name] = new Kind(buffer, 8 + H + offset, head.count);
    }
    this.none = this.label instanceof Uint16Array ? 65535 : 255;
  }

  /** The reading that counts, as text; null when there is none. */
  value(seq) {
    return this.final[seq] === this.none ? null : this.labels[this.final[seq]];
  }

  /** What the machine read; null when there is none. */
  prediction(seq) {
    return this.label[seq] === this.none ? null : this.labels[this.label[seq]];
  }

  /** How sure the machine is, 0 to 1; null where nothing was read. */
  sure(seq) {
    return this.label[seq] === this.none ? null : this.confidence[seq] / 65535;
  }

  kind(seq) {
    return KINDS[kindOf(this.flags[seq])];
  }
}

/** Fetch the grid; null when it is still the one of `version`. */
export async function loadGrid(job, version = null) {
  const headers = version === null ? {} : { "If-None-Match": `W/"${version}"` };
  const response = await call(`/v1/jobs/${job}/grid`, { headers });
  return response.status === 304 ? null : new Grid(await response.arrayBuffer());
}
