// Where a line of unsaved decisions waits in this browser: one place a window, so that none overwrites another's.

const TAB = "tab";
const OWN_MS = 1000;
/** Where nobody can tell whether a window lives, its line is left alone for so long. */
const GRACE_MS = 10 * 60_000;

export class LineStore {
  constructor(job, reviewer) {
    this.all = `unsaved ${job} ${reviewer}`;
    addEventListener("pagehide", () => guarded(() => sessionStorage.setItem(TAB, this.tab)));
    addEventListener("pageshow", (event) => event.persisted && location.reload()); // another window may have our line by now
  }

  /**
   * Take a place of our own and return the line that waits there. Our number is left behind only on leaving, so that a
   * reload finds it again, but not the copy of this window that "Duplicate" makes.
   */
  async open() {
    this.tab = guarded(() => sessionStorage.getItem(TAB)) ?? newId();
    guarded(() => sessionStorage.removeItem(TAB));
    if (!(await hold(this.key))) {
      this.tab = newId();
      await hold(this.key);
    }
    return read(this.key);
  }

  /** No name holds a line break, so no two reviewers share a place. */
  get key() {
    return `${this.all}\n${this.tab}`;
  }

  /** Keep a line; it lives in this page alone where storage is full or switched off. */
  keep(line) {
    guarded(() => (line.length ? localStorage.setItem(this.key, JSON.stringify(line)) : localStorage.removeItem(this.key)));
  }

  /** Hand over, one after the other, the lines of windows that are gone: take(line) has them kept as ours. */
  async adopt(take) {
    for (const key of this.#others()) {
      const move = () => {
        const line = read(key);
        if (line.length) take(line);
        guarded(() => localStorage.removeItem(key));
      };
      if (navigator.locks) await navigator.locks.request(key, { ifAvailable: true }, (lock) => lock && move());
      else if (read(key).every(({ at = 0 }) => Date.now() - at > GRACE_MS)) move();
    }
  }

  /** heard(line): told each time when another window of this reviewer keeps one. */
  listen(heard) {
    addEventListener("storage", ({ key, newValue }) => key && newValue && this.#isOther(key) && heard(read(key)));
  }

  #others() {
    return (guarded(() => Object.keys(localStorage)) ?? []).filter((key) => this.#isOther(key));
  }

  #isOther(key) {
    return key !== this.key && (key === this.all || key.startsWith(`${this.all}\n`));
  }
}

const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

/** Hold a lock for as long as this window lives; false when another window has it. Locks are for safe origins alone. */
function hold(key) {
  if (!navigator.locks) return true;
  return new Promise((done) => {
    const held = () => new Promise(() => done(true));
    navigator.locks.request(key, { signal: AbortSignal.timeout(OWN_MS) }, held).catch(() => done(false));
  });
}

function read(key) {
  const line = guarded(() => JSON.parse(localStorage.getItem(key) ?? "[]"));
  return Array.isArray(line) ? line : [];
}

function guarded(work) {
  try {
    return work();
  } catch {
    return null;
  }
}
